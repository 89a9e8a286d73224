"""The MuJoCo model of hand, table and objects, built from the same URDF and YAML as the rest."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
import trimesh

from dexgrasp.geometry import quaternion_from_pose
from dexgrasp.hands import HandModel, Primitive
from dexgrasp.objects import ObjectModel
from dexgrasp.simulation.config import SimulationConfig
from dexgrasp.types import Array, ObjectPlacement

PALM_BODY = "palm_body"
WRIST_TARGET = "wrist_target"
HAND_FRICTION = 0.5  # of the hand with itself and the table; objects bring their own
HAND_TORSIONAL_FRICTION = 0.005
TORSIONAL_FRICTION = 0.02  # DexGraspBench, tabletop and floating protocols
ROLLING_FRICTION = 1e-4
TABLE_THICKNESS = 0.1
MAX_HULL_VERTICES = 64  # scans have hulls of a thousand vertices, which collide ten times slower
VISUAL_GROUP, COLLISION_GROUP = 2, 3
SKY_TOP, SKY_HORIZON = (0.62, 0.70, 0.78), (0.90, 0.93, 0.95)
TABLE_COLOR = (0.72, 0.66, 0.58, 1.0)
OBJECT_COLORS = ((0.85, 0.42, 0.23, 1.0), (0.25, 0.55, 0.75, 1.0), (0.45, 0.65, 0.30, 1.0))
PALM_COLOR, TIP_COLOR = (0.20, 0.22, 0.25, 1.0), (0.92, 0.92, 0.88, 1.0)

GEOM_TYPES = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
}


def object_body(index: int) -> str:
    """Name of the body of object `index`."""
    return f"object_{index}"


def finger_sensor(finger: str) -> str:
    """Name of the sensor of all contact on a finger's distal link."""
    return f"touch_{finger}"


def finger_object_sensor(finger: str, index: int) -> str:
    """Name of the sensor of the contact between a finger's distal link and an object."""
    return f"touch_{finger}_{object_body(index)}"


def home_pose(hand: HandModel, config: SimulationConfig) -> Array:
    """(4, 4) palm pose that the configuration calls home."""
    approach, along = np.asarray(config.home_approach), np.asarray(config.home_fingers)
    T_world_grasp = np.eye(4)
    T_world_grasp[:3, :3] = np.stack([along, np.cross(approach, along), approach], axis=1)
    T_world_grasp[:3, 3] = config.home_position
    return T_world_grasp @ np.linalg.inv(hand.T_palm_grasp)


def build_model(
    hand: HandModel, placements: Sequence[ObjectPlacement], config: SimulationConfig
) -> mujoco.MjModel:
    """Compile the world: table, hand on a Cartesian servo, objects, cameras, sensors."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    _options(spec, config)
    _table(spec, config)
    _wrist(spec, config)
    _hand(spec, hand)
    for index, placement in enumerate(placements):
        _object(spec, index, placement)
    _sensors(spec, hand, len(placements))
    return spec.compile()


def _options(spec: mujoco.MjSpec, config: SimulationConfig) -> None:
    option = spec.option
    option.timestep = config.timestep
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = config.impratio
    option.iterations = config.iterations
    option.noslip_iterations = config.noslip_iterations
    spec.visual.headlight.ambient = [0.42, 0.42, 0.42]
    spec.visual.headlight.diffuse = [0.35, 0.35, 0.35]
    spec.visual.headlight.specular = [0.1, 0.1, 0.1]
    spec.visual.quality.offsamples = 0
    spec.visual.quality.shadowsize = 0
    spec.visual.map.znear = 0.02
    spec.visual.map.zfar = 4.0
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=SKY_TOP,
        rgb2=SKY_HORIZON,
        width=64,
        height=384,
    )
    for camera, name in ((config.camera, "depth"), (config.overview, "overview")):
        pose = camera.T_world_camera.copy()
        pose[:3, 1:3] *= -1.0  # MuJoCo cameras look along -z with y up
        spec.worldbody.add_camera(
            name=name,
            pos=pose[:3, 3],
            quat=quaternion_from_pose(pose),
            fovy=np.degrees(camera.fovy),  # MuJoCo takes degrees here whatever the compiler says
        )
    spec.visual.global_.offwidth = max(config.camera.width, config.overview.width)
    spec.visual.global_.offheight = max(config.camera.height, config.overview.height)


def _table(spec: mujoco.MjSpec, config: SimulationConfig) -> None:
    half = 0.5 * TABLE_THICKNESS
    spec.worldbody.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[*config.table_half_size, half],
        pos=[0.0, 0.0, config.table_height - half],
        friction=[config.table_friction, TORSIONAL_FRICTION, ROLLING_FRICTION],
        condim=4,
        rgba=TABLE_COLOR,
    )
    spec.worldbody.add_light(
        pos=[0.4, -0.5, 1.6],
        dir=[-0.22, 0.28, -1.0],
        diffuse=[0.5, 0.5, 0.5],
        specular=[0.1, 0.1, 0.1],
        castshadow=False,
    )


def _wrist(spec: mujoco.MjSpec, config: SimulationConfig) -> None:
    """A free palm pulled to a mocap body by six Cartesian servos: no gimbal lock, bounded force."""
    target = spec.worldbody.add_body(name=WRIST_TARGET, mocap=True)
    target.add_site(name="wrist_target_site", size=[0.001] * 3)
    palm = spec.worldbody.add_body(name=PALM_BODY)
    palm.add_freejoint(name="palm_free")
    palm.add_site(name="palm_site", size=[0.001] * 3)
    for axis in range(6):
        part = axis // 3
        gear = np.zeros(6)
        gear[axis] = 1.0
        limit = config.wrist.limit[part]
        actuator = spec.add_actuator(
            name=f"wrist_{axis}",
            trntype=mujoco.mjtTrn.mjTRN_SITE,
            target="palm_site",
            refsite="wrist_target_site",
            gear=gear,
            forcelimited=True,
            forcerange=[-limit, limit],
        )
        actuator.set_to_position(kp=config.wrist.stiffness[part], kv=config.wrist.damping[part])


def _hand(spec: mujoco.MjSpec, hand: HandModel) -> None:
    bodies = {}
    for index, link in enumerate(hand.links):
        if link.parent < 0:
            body = spec.body(PALM_BODY)
        else:
            body = bodies[link.parent].add_body(
                name=link.name,
                pos=link.T_parent_link[:3, 3],
                quat=quaternion_from_pose(link.T_parent_link),
            )
        bodies[index] = body
        body.gravcomp = 1.0
        _inertia(body, link.mass, link.com, link.inertia)
        if link.joint >= 0:
            j = link.joint
            body.add_joint(
                name=hand.joint_names[j],
                type=mujoco.mjtJoint.mjJNT_HINGE,
                axis=link.axis,
                range=[hand.joint_lower[j], hand.joint_upper[j]],
                limited=True,
                armature=hand.armature[j],
                damping=0.0,
                frictionloss=hand.joint_friction[j],
            )
    for primitive in hand.primitives:
        _hand_geom(bodies[primitive.link], primitive, hand)
    for j, name in enumerate(hand.joint_names):
        limit = hand.effort_limit[j]
        actuator = spec.add_actuator(
            name=f"servo_{name}",
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            target=name,
            forcelimited=True,
            forcerange=[-limit, limit],
        )
        actuator.set_to_position(kp=hand.stiffness[j], kv=hand.damping[j])
    for a, b in hand.collision_exclusions:
        spec.add_exclude(bodyname1=bodies[a].name, bodyname2=bodies[b].name)


def _inertia(body: mujoco.MjsBody, mass: float, com: Array, inertia: Array) -> None:
    body.explicitinertial = True
    body.mass = mass
    body.ipos = com
    i = inertia
    body.fullinertia = [i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2]]


def _hand_geom(body: mujoco.MjsBody, primitive: Primitive, hand: HandModel) -> None:
    sizes = {
        "box": lambda s: [0.5 * s[0], 0.5 * s[1], 0.5 * s[2]],
        "capsule": lambda s: [s[0], 0.5 * s[1], 0.0],
        "cylinder": lambda s: [s[0], 0.5 * s[1], 0.0],
        "sphere": lambda s: [s[0], 0.0, 0.0],
    }
    body.add_geom(
        type=GEOM_TYPES[primitive.kind],
        size=sizes[primitive.kind](primitive.size),
        pos=primitive.T_link_primitive[:3, 3],
        quat=quaternion_from_pose(primitive.T_link_primitive),
        friction=[HAND_FRICTION, HAND_TORSIONAL_FRICTION, ROLLING_FRICTION],
        condim=4,
        group=VISUAL_GROUP,
        rgba=TIP_COLOR if primitive.link in hand.distal_links else PALM_COLOR,
        mass=0.0,
    )


def _object(spec: mujoco.MjSpec, index: int, placement: ObjectPlacement) -> None:
    """True mesh to look at, convex parts to touch. The object's friction overrides the hand's."""
    model: ObjectModel = placement.model
    pose = placement.T_world_object
    body = spec.worldbody.add_body(
        name=object_body(index), pos=pose[:3, 3], quat=quaternion_from_pose(pose)
    )
    body.add_freejoint(name=f"{object_body(index)}_free")
    _inertia(body, model.mass, np.asarray(model.com), np.asarray(model.inertia))
    _add_mesh(spec, f"{object_body(index)}_mesh", model.mesh)
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=f"{object_body(index)}_mesh",
        contype=0,
        conaffinity=0,
        group=VISUAL_GROUP,
        rgba=OBJECT_COLORS[index % len(OBJECT_COLORS)],
        mass=0.0,
    )
    for k, part in enumerate(model.parts):
        name = f"{object_body(index)}_part_{k}"
        _add_mesh(spec, name, part)
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=name,
            friction=[model.friction, TORSIONAL_FRICTION, ROLLING_FRICTION],
            condim=4,
            priority=1,
            group=COLLISION_GROUP,
            mass=0.0,
        )


def _add_mesh(spec: mujoco.MjSpec, name: str, mesh: trimesh.Trimesh) -> None:
    spec.add_mesh(
        name=name,
        uservert=np.asarray(mesh.vertices, dtype=np.float32).ravel(),
        userface=np.asarray(mesh.faces, dtype=np.int32).ravel(),
        inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX,
        maxhullvert=MAX_HULL_VERTICES,
    )


def _sensors(spec: mujoco.MjSpec, hand: HandModel, object_count: int) -> None:
    found, force = mujoco.mjtConDataField.mjCONDATA_FOUND, mujoco.mjtConDataField.mjCONDATA_FORCE
    data = (1 << int(found)) | (1 << int(force))
    net_force = 3
    for finger, link in zip(hand.finger_names, hand.distal_links, strict=True):
        common = {
            "type": mujoco.mjtSensor.mjSENS_CONTACT,
            "objtype": mujoco.mjtObj.mjOBJ_BODY,
            "objname": hand.links[link].name,
            "intprm": [data, net_force, 1],
        }
        spec.add_sensor(name=finger_sensor(finger), **common)
        for index in range(object_count):
            spec.add_sensor(
                name=finger_object_sensor(finger, index),
                reftype=mujoco.mjtObj.mjOBJ_XBODY,
                refname=object_body(index),
                **common,
            )
