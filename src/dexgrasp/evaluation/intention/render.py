"""Pictures of a grasp from several sides, with MuJoCo off-screen."""

from __future__ import annotations

from functools import lru_cache

import mujoco
import numpy as np
from PIL import Image

from dexgrasp.evaluation.intention.errors import JudgeError
from dexgrasp.evaluation.intention.views import FOVY, grasp_views
from dexgrasp.evaluation.solids import Solids
from dexgrasp.geometry import quaternion_from_pose
from dexgrasp.hands import HandModel, Primitive
from dexgrasp.objects import ObjectModel
from dexgrasp.simulation.config import CameraConfig
from dexgrasp.simulation.rendering import SceneRenderer
from dexgrasp.simulation.scene import GEOM_TYPES
from dexgrasp.types import Array

SIZE = 512  # [px]
OVERSAMPLING = 2  # pixels rendered for each, along an edge: smoother and faster than OpenGL's own
HAND_COLOR, TIP_COLOR = (0.25, 0.27, 0.30, 1.0), (0.90, 0.90, 0.86, 1.0)
OBJECT_COLOR = (0.95, 0.48, 0.13, 1.0)
BACKGROUND = (0.87, 0.88, 0.90)
KEY_LIGHT, FILL_LIGHT = (0.4, -0.5, -1.0), (-0.6, 0.7, 0.1)
OBJECT_MESH = "object"
OPTICAL = np.diag([1.0, -1.0, -1.0, 1.0])  # MuJoCo cameras look along -z with y up

_renderer = SceneRenderer()


def render_grasp(
    hand: HandModel,
    q: Array,
    T_object_palm: Array,
    model: ObjectModel,
    views: int = 3,
    size: int = SIZE,
) -> list[Array]:
    """`views` pictures (size, size, 3) uint8 around the object's resting vertical.

    q: (J,) [rad].  T_object_palm: (4, 4), the palm in the object's mesh frame [m].
    Hand dark grey with light tips, object orange. Raises GraspError for a bad joint vector,
    JudgeError where no off-screen OpenGL can be had.
    """
    T_object_link = T_object_palm @ hand.forward(np.asarray(q)[None])[0]
    solids = Solids.posed(hand.primitives, T_object_link[None])
    cameras = grasp_views(model, solids, T_object_palm, views, size)
    world = _world(hand, model, views, size)
    data = mujoco.MjData(world)
    _place(data, [*T_object_link, *(view.T_object_camera @ OPTICAL for view in cameras)])
    mujoco.mj_forward(world, data)
    return [_picture(world, data, k, size) for k in range(views)]


def release_renderer() -> None:
    """Free the OpenGL context of the calling thread; the next picture makes a new one."""
    _renderer.close()


def _picture(world: mujoco.MjModel, data: mujoco.MjData, view: int, size: int) -> Array:
    large = OVERSAMPLING * size
    # Only the size is read: the camera itself is a body of the world.
    camera = CameraConfig(
        position=(1.0, 0.0, 0.0), target=(0.0, 0.0, 0.0), fovy=FOVY, width=large, height=large
    )
    try:
        picture = _renderer.color(world, data, _view_name(view), camera)
    except (ImportError, AttributeError, RuntimeError, mujoco.FatalError) as error:
        raise JudgeError(
            f"no picture without off-screen OpenGL ({error}); set MUJOCO_GL=egl and install "
            "libegl1 and libgl1-mesa-dri, or use the geometric judge"
        ) from error
    return np.asarray(Image.fromarray(picture).reduce(OVERSAMPLING))


def _place(data: mujoco.MjData, poses: list[Array]) -> None:
    stacked = np.array(poses)
    data.mocap_pos[:] = stacked[:, :3, 3]
    data.mocap_quat[:] = quaternion_from_pose(stacked)


def _view_name(view: int) -> str:
    return f"view_{view}"


@lru_cache(maxsize=8)
def _world(hand: HandModel, model: ObjectModel, views: int, size: int) -> mujoco.MjModel:
    """A world in the object's frame whose links and cameras are placed freely."""
    spec = mujoco.MjSpec()
    _look(spec, size)
    _lights(spec, model.T_table_object[:3, :3].T)
    spec.add_mesh(
        name=OBJECT_MESH,
        uservert=np.asarray(model.mesh.vertices, dtype=np.float32).ravel(),
        userface=np.asarray(model.mesh.faces, dtype=np.int32).ravel(),
        inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX,
    )
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH, meshname=OBJECT_MESH, rgba=OBJECT_COLOR,
        contype=0, conaffinity=0,
    )  # fmt: skip
    for index, link in enumerate(hand.links):
        body = spec.worldbody.add_body(name=f"link_{link.name}", mocap=True)
        for primitive in hand.link_primitives(index):
            _geom(body, primitive, tip=index in hand.distal_links)
    for view in range(views):
        body = spec.worldbody.add_body(name=f"body_{_view_name(view)}", mocap=True)
        body.add_camera(name=_view_name(view), fovy=np.degrees(FOVY))
    return spec.compile()


def _look(spec: mujoco.MjSpec, size: int) -> None:
    spec.visual.global_.offwidth = spec.visual.global_.offheight = OVERSAMPLING * size
    spec.visual.quality.offsamples = 0
    spec.visual.quality.shadowsize = 0
    spec.visual.headlight.ambient = [0.38, 0.38, 0.38]
    spec.visual.headlight.diffuse = [0.28, 0.28, 0.28]
    spec.visual.headlight.specular = [0.08, 0.08, 0.08]
    spec.visual.map.znear = 0.02
    spec.visual.map.zfar = 10.0
    spec.add_texture(
        name="background", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT, rgb1=BACKGROUND, rgb2=BACKGROUND,
        width=16, height=96,
    )  # fmt: skip


def _lights(spec: mujoco.MjSpec, up_axes: Array) -> None:
    """A key light from above and a weaker one from the other side; up_axes (3, 3): the table's."""
    for direction, strength in ((KEY_LIGHT, 0.5), (FILL_LIGHT, 0.2)):
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, dir=up_axes @ np.array(direction),
            pos=-2.0 * (up_axes @ np.array(direction)), diffuse=[strength] * 3,
            specular=[0.12] * 3, castshadow=False,
        )  # fmt: skip


def _geom(body: mujoco.MjsBody, primitive: Primitive, tip: bool) -> None:
    size = np.zeros(3)
    size[: len(primitive.size)] = primitive.size
    half = 0.5 * size if primitive.kind == "box" else size * [1.0, 0.5, 1.0]
    body.add_geom(
        type=GEOM_TYPES[primitive.kind], size=half, pos=primitive.T_link_primitive[:3, 3],
        quat=quaternion_from_pose(primitive.T_link_primitive), contype=0, conaffinity=0,
        rgba=TIP_COLOR if tip else HAND_COLOR,
    )  # fmt: skip
