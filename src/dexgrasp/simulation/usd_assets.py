"""Hands, objects and table as USD with physics, for simulators that read no MJCF: IsaacLab, Newton.

The figures are those of `scene`: masses, inertias, limits, gains, friction and primitives.
USD wants degrees where it is about joints, and so does this file alone. Importing it without
usd-core raises BackendError.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from dexgrasp.errors import BackendError, MeshError
from dexgrasp.geometry import quaternion_from_pose
from dexgrasp.hands import HandModel
from dexgrasp.hands.primitives import Primitive
from dexgrasp.hands.urdf import Link
from dexgrasp.objects import ObjectModel
from dexgrasp.objects.decomposition import cache_folder
from dexgrasp.simulation.config import SimulationConfig
from dexgrasp.simulation.scene import (
    HAND_FRICTION,
    HAND_TORSIONAL_FRICTION,
    OBJECT_COLORS,
    PALM_COLOR,
    ROLLING_FRICTION,
    TABLE_COLOR,
    TABLE_THICKNESS,
    TIP_COLOR,
    TORSIONAL_FRICTION,
)
from dexgrasp.types import Array

try:
    from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdPhysics, UsdShade, Vt
except ImportError as absent:
    raise BackendError("USD assets need the extra 'usd': pip install 'dexgrasp[usd]'") from absent

PER_DEGREE = np.pi / 180.0  # of a gain in [Nm/rad]
CONTACT_DIMENSIONS = 4  # sliding in two directions, and torsion: as `scene` has it
LIMIT_SOFTNESS = (0.02, 1.0)  # MuJoCo's default solref; Newton's own is another


def hand_usd(hand: HandModel, folder: Path | None = None) -> Path:
    """A stage with the hand as an articulation whose floating root is the palm, at angles 0.

    Bodies have the names of the links, joints (below `joints`) those of the canonical order,
    as `prim_path` spells them.
    folder: by default in the cache; the file is written once for each content.
    """
    stage, root = _stage(hand.name)
    UsdPhysics.ArticulationRootAPI.Apply(root.GetPrim())
    surface = prim_path(hand.name, "surface")
    friction = _material(stage, surface, HAND_FRICTION, HAND_TORSIONAL_FRICTION)
    poses: list[Array] = []
    for link in hand.links:
        above = np.eye(4) if link.parent < 0 else poses[link.parent]
        poses.append(above if link.parent < 0 else above @ link.T_parent_link)
        body = _body(stage, prim_path(hand.name, link.name), poses[-1])
        _mass(body, link.mass, link.com, link.inertia)
        _attribute(body, "physxRigidBody:disableGravity", Sdf.ValueTypeNames.Bool, True)
        _attribute(body, "mjc:gravcomp", Sdf.ValueTypeNames.Float, 1.0)
        if link.joint >= 0:
            _joint(stage, hand, link)
    for index, primitive in enumerate(hand.primitives):
        path = prim_path(hand.name, hand.links[primitive.link].name, f"collision_{index}")
        solid = _solid(stage, path, primitive)
        _color(solid, TIP_COLOR if primitive.link in hand.distal_links else PALM_COLOR)
        _collide(solid, friction)
    for a, b in hand.collision_exclusions:
        first, second = (prim_path(hand.name, hand.links[k].name) for k in (a, b))
        filtered = UsdPhysics.FilteredPairsAPI.Apply(stage.GetPrimAtPath(first))
        filtered.CreateFilteredPairsRel().AddTarget(second)
    return _save(stage, hand.name, folder)


def object_usd(model: ObjectModel, folder: Path | None = None, index: int = 0) -> Path:
    """A stage with the object as one rigid body: its mesh to look at, convex parts to touch.

    index: chooses the colour.  Otherwise as `hand_usd`.  Raises MeshError for a part that no
    simulator could take as a convex body.
    """
    stage, _ = _stage(model.name)
    path = prim_path(model.name)
    friction = _material(stage, f"{path}/surface", model.friction, TORSIONAL_FRICTION)
    # PhysX: its friction, not the hand's, as long as that is the larger one.
    friction.GetPrim().AddAppliedSchema("PhysxMaterialAPI")
    name = "physxMaterial:frictionCombineMode"
    _attribute(friction.GetPrim(), name, Sdf.ValueTypeNames.Token, "min")
    body = _body(stage, path, np.eye(4))
    _mass(body, model.mass, np.asarray(model.com), np.asarray(model.inertia))
    _color(_mesh(stage, f"{path}/visual", model.mesh), OBJECT_COLORS[index % len(OBJECT_COLORS)])
    for index, part in enumerate(model.parts):
        _check_part(model.name, index, part)
        prim = _mesh(stage, f"{path}/collision_{index}", part)
        UsdGeom.Imageable(prim).CreatePurposeAttr(UsdGeom.Tokens.guide)
        UsdPhysics.MeshCollisionAPI.Apply(prim).CreateApproximationAttr("convexHull")
        _collide(prim, friction)
        _attribute(prim, "mjc:priority", Sdf.ValueTypeNames.Int, 1)  # its friction, not the hand's
        # Newton makes hulls of 64 corners else, which stand out by half a millimetre.
        _attribute(prim, "newton:maxHullVertices", Sdf.ValueTypeNames.Int, len(part.vertices))
    return _save(stage, model.name, folder)


def table_usd(config: SimulationConfig, folder: Path | None = None) -> Path:
    """A stage with the table as a static box, its top where the configuration has it.

    Otherwise as `hand_usd`.
    """
    stage, _ = _stage("table")
    friction = _material(stage, "/table/surface", config.table_friction, TORSIONAL_FRICTION)
    half = config.table_half_size
    pose = np.eye(4)
    pose[2, 3] = config.table_height - 0.5 * TABLE_THICKNESS
    size = np.array([2.0 * half[0], 2.0 * half[1], TABLE_THICKNESS])
    solid = _solid(stage, "/table/box", Primitive("table", -1, "box", size, pose))
    _color(solid, TABLE_COLOR)
    _collide(solid, friction)
    return _save(stage, "table", folder)


def prim_path(*names: str) -> str:
    """The path of a prim: USD takes no dots, as in `link_0.0`, and no digit in front."""
    return "/" + "/".join(Tf.MakeValidIdentifier(name) for name in names)


def _stage(name: str) -> tuple[Any, Any]:
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    root = UsdGeom.Xform.Define(stage, prim_path(name))
    stage.SetDefaultPrim(root.GetPrim())
    return stage, root


def _body(stage: Any, path: str, pose: Array) -> Any:
    prim = UsdGeom.Xform.Define(stage, path).GetPrim()
    _place(prim, pose)
    UsdPhysics.RigidBodyAPI.Apply(prim)
    return prim


def _place(prim: Any, pose: Array) -> None:
    xform = UsdGeom.Xformable(prim)
    xform.AddTranslateOp(UsdGeom.XformOp.PrecisionDouble).Set(Gf.Vec3d(*map(float, pose[:3, 3])))
    orient = xform.AddOrientOp(UsdGeom.XformOp.PrecisionDouble)
    orient.Set(Gf.Quatd(*map(float, quaternion_from_pose(pose))))


def _mass(prim: Any, mass: float, com: Array, inertia: Array) -> None:
    """Inertia (3, 3) about the com [kg m2], as principal moments and their axes."""
    moments, axes = np.linalg.eigh(inertia)
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    turned = np.eye(4)
    turned[:3, :3] = axes
    api = UsdPhysics.MassAPI.Apply(prim)
    api.CreateMassAttr(float(mass))
    api.CreateCenterOfMassAttr(Gf.Vec3f(*map(float, com)))
    api.CreateDiagonalInertiaAttr(Gf.Vec3f(*map(float, moments)))
    api.CreatePrincipalAxesAttr(_quatf(turned))


def _joint(stage: Any, hand: HandModel, link: Link) -> None:
    """A hinge about x of frames that lie with x along the axis, in the parent and in the child."""
    j = link.joint
    turned = np.eye(4)
    turned[:3, :3] = _x_along(np.asarray(link.axis, dtype=float))
    in_parent = link.T_parent_link @ turned
    path = prim_path(hand.name, "joints", hand.joint_names[j])
    joint = UsdPhysics.RevoluteJoint.Define(stage, path)
    joint.CreateBody0Rel().SetTargets([prim_path(hand.name, hand.links[link.parent].name)])
    joint.CreateBody1Rel().SetTargets([prim_path(hand.name, link.name)])
    joint.CreateAxisAttr(UsdPhysics.Tokens.x)
    joint.CreateLocalPos0Attr(Gf.Vec3f(*map(float, in_parent[:3, 3])))
    joint.CreateLocalRot0Attr(_quatf(in_parent))
    joint.CreateLocalPos1Attr(Gf.Vec3f(0.0))
    joint.CreateLocalRot1Attr(_quatf(turned))
    joint.CreateLowerLimitAttr(float(np.degrees(hand.joint_lower[j])))
    joint.CreateUpperLimitAttr(float(np.degrees(hand.joint_upper[j])))
    drive = UsdPhysics.DriveAPI.Apply(joint.GetPrim(), "angular")
    drive.CreateTypeAttr("force")
    drive.CreateStiffnessAttr(float(hand.stiffness[j] * PER_DEGREE))
    drive.CreateDampingAttr(float(hand.damping[j] * PER_DEGREE))
    drive.CreateMaxForceAttr(float(hand.effort_limit[j]))
    joint.GetPrim().AddAppliedSchema("PhysxJointAPI")
    # USD has no names for these. PhysX reads the first two, Newton the first and the third.
    for name, figure in (
        ("physxJoint:armature", hand.armature[j]),
        ("physxJoint:jointFriction", hand.joint_friction[j]),
        ("mjc:frictionloss", hand.joint_friction[j]),
    ):
        _attribute(joint.GetPrim(), name, Sdf.ValueTypeNames.Float, float(figure))
    softness = Vt.DoubleArray(LIMIT_SOFTNESS)
    _attribute(joint.GetPrim(), "mjc:solreflimit", Sdf.ValueTypeNames.DoubleArray, softness)


def _x_along(axis: Array) -> Array:
    """(3, 3) a rotation whose first column is the unit vector `axis`."""
    side = np.eye(3)[np.abs(axis).argmin()]
    second = np.cross(axis, side)
    second /= np.linalg.norm(second)
    return np.stack([axis, second, np.cross(axis, second)], axis=1)


def _solid(stage: Any, path: str, primitive: Primitive) -> Any:
    size = [float(length) for length in primitive.size]
    if primitive.kind == "box":
        solid = UsdGeom.Cube.Define(stage, path)
        solid.CreateSizeAttr(1.0)
    elif primitive.kind == "sphere":
        solid = UsdGeom.Sphere.Define(stage, path)
        solid.CreateRadiusAttr(size[0])
    else:
        shapes = {"capsule": UsdGeom.Capsule, "cylinder": UsdGeom.Cylinder}
        solid = shapes[primitive.kind].Define(stage, path)
        solid.CreateAxisAttr(UsdGeom.Tokens.z)
        solid.CreateRadiusAttr(size[0])
        solid.CreateHeightAttr(size[1])
    _place(solid.GetPrim(), primitive.T_link_primitive)
    if primitive.kind == "box":
        solid.AddScaleOp().Set(Gf.Vec3f(*size))
    return solid.GetPrim()


def _mesh(stage: Any, path: str, mesh: trimesh.Trimesh) -> Any:
    made = UsdGeom.Mesh.Define(stage, path)
    faces = np.asarray(mesh.faces, dtype=np.int32)
    made.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(np.asarray(mesh.vertices, dtype=np.float32)))
    made.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(faces), 3, dtype=np.int32)))
    made.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.ravel()))
    made.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    return made.GetPrim()


def _check_part(name: str, index: int, part: trimesh.Trimesh) -> None:
    volume = float(part.convex_hull.volume) if len(part.vertices) > 3 else 0.0
    if not volume > 0.0:
        raise MeshError(
            f"part {index} of {name} does not convert to USD: it is flat or empty; "
            "mend the mesh, so that it has a volume"
        )


def _color(prim: Any, rgba: tuple[float, ...]) -> None:
    UsdGeom.Gprim(prim).CreateDisplayColorAttr([Gf.Vec3f(*rgba[:3])])


def _material(stage: Any, path: str, friction: float, torsional: float) -> Any:
    material = UsdShade.Material.Define(stage, path)
    # What USD has no names for: PhysX takes neither.
    figures = {"mjc:torsionalfriction": torsional, "mjc:rollingfriction": ROLLING_FRICTION}
    for name, figure in figures.items():
        _attribute(material.GetPrim(), name, Sdf.ValueTypeNames.Double, figure)
    surface = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
    surface.CreateStaticFrictionAttr(float(friction))
    surface.CreateDynamicFrictionAttr(float(friction))
    surface.CreateRestitutionAttr(0.0)
    return material


def _collide(prim: Any, material: Any) -> None:
    UsdPhysics.CollisionAPI.Apply(prim)
    _attribute(prim, "mjc:condim", Sdf.ValueTypeNames.Int, CONTACT_DIMENSIONS)
    binding = UsdShade.MaterialBindingAPI.Apply(prim)
    binding.Bind(material, UsdShade.Tokens.weakerThanDescendants, "physics")


def _attribute(prim: Any, name: str, kind: Any, value: Any) -> None:
    prim.CreateAttribute(name, kind).Set(value)


def _quatf(pose: Array) -> Any:
    return Gf.Quatf(*map(float, quaternion_from_pose(pose)))


def _save(stage: Any, name: str, folder: Path | None) -> Path:
    """Write by renaming a finished file, as other processes may write or read it now."""
    text = stage.GetRootLayer().ExportToString()
    folder = cache_folder() / "usd" if folder is None else folder
    path = folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.usda"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".usda", delete=False) as file:
            file.write(text)
        os.replace(file.name, path)
    return path
