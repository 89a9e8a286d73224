"""What IsaacLab is told of physics and scene. Imported in IsaacLab's environment alone."""

from __future__ import annotations

from typing import Any

from isaaclab.actuators import ImplicitActuatorCfg
from isaaclab.assets import ArticulationCfg, AssetBaseCfg, RigidObjectCfg
from isaaclab.scene import InteractiveSceneCfg
from isaaclab.sensors import CameraCfg, ContactSensorCfg
from isaaclab.sim import PinholeCameraCfg, UsdFileCfg
from isaaclab.utils.configclass import configclass
from isaaclab_newton.physics import MJWarpSolverCfg, NewtonCfg, NewtonManager, NewtonShapeCfg
from isaaclab_newton.physics.mjwarp_manager import NewtonMJWarpManager
from isaaclab_newton.renderers import NewtonWarpRendererCfg

from dexgrasp.simulation.config import CameraConfig, SimulationConfig
from dexgrasp.simulation.isaaclab.base import FAR, camera_matrix
from dexgrasp.simulation.isaaclab.wire import Recipe, pack_poses

CONTACTS, ROWS = 256, 512  # of one world; pairs of the broad phase count, too
ENV = "{ENV_REGEX_NS}"


class NewtonNativeManager(NewtonMJWarpManager):
    """Newton with MuJoCo proper: IsaacLab 3.0 asks that one for buffers that it does not have."""

    @classmethod
    def _initialize_contacts(cls) -> None:
        NewtonManager._contacts = None


def physics(config: SimulationConfig, native: bool) -> NewtonCfg:
    manager = NewtonNativeManager if native else NewtonMJWarpManager
    solver = MJWarpSolverCfg(
        # By name: IsaacLab validates the attributes of a class, some of which are without end.
        class_type=f"{manager.__module__}:{manager.__name__}",
        use_mujoco_cpu=native,
        integrator="implicitfast",
        cone="elliptic",
        impratio=config.impratio,
        iterations=config.iterations,
        tolerance=1e-8,
        enable_multiccd=True,  # as in MuJoCo: a flat finger touches in more points than one
        nconmax=CONTACTS,
        njmax=ROWS,
    )
    return NewtonCfg(solver_cfg=solver, default_shape_cfg=NewtonShapeCfg(margin=0.0, gap=0.0))


def scene(recipe: Recipe, config: SimulationConfig, touch: bool) -> InteractiveSceneCfg:
    """Every world at the origin: Newton's worlds do not touch each other."""
    parts: dict[str, Any] = {
        "table": AssetBaseCfg(prim_path=f"{ENV}/Table", spawn=UsdFileCfg(usd_path=recipe.table)),
        "hand": ArticulationCfg(
            prim_path=f"{ENV}/Hand",
            spawn=UsdFileCfg(usd_path=recipe.hand, activate_contact_sensors=True),
            init_state=ArticulationCfg.InitialStateCfg(
                joint_pos=dict(zip(recipe.joints, recipe.open, strict=True))
            ),
            # Gains, limits and friction are those of the file.
            actuators={
                "servos": ImplicitActuatorCfg(joint_names_expr=[".*"], stiffness=None, damping=None)
            },
        ),
    }
    for i, path in enumerate(recipe.objects):
        parts[f"object_{i}"] = RigidObjectCfg(
            prim_path=f"{ENV}/object_{i}",
            spawn=UsdFileCfg(usd_path=path, activate_contact_sensors=True),
        )
    if touch:
        parts["touch"] = ContactSensorCfg(
            prim_path=f"{ENV}/Hand/({'|'.join(recipe.tips)})",
            filter_prim_paths_expr=[f"{ENV}/object_{i}" for i in range(len(recipe.objects))],
        )
    if recipe.cameras:
        parts["depth"] = _camera("depth", config.camera, "distance_to_image_plane")
        parts["overview"] = _camera("overview", config.overview, "rgb")
    made: type[InteractiveSceneCfg] = configclass(
        type("HandOnTable", (InteractiveSceneCfg,), parts)
    )
    return made(num_envs=recipe.worlds, env_spacing=0.0)


def _camera(name: str, camera: CameraConfig, kind: str) -> CameraCfg:
    pose = [float(figure) for figure in pack_poses(camera.T_world_camera)]
    return CameraCfg(
        prim_path=f"{ENV}/{name}_camera",
        width=camera.width,
        height=camera.height,
        data_types=[kind],
        offset=CameraCfg.OffsetCfg(
            pos=(pose[0], pose[1], pose[2]),
            rot=(pose[3], pose[4], pose[5], pose[6]),
            convention="ros",
        ),
        spawn=PinholeCameraCfg.from_intrinsic_matrix(
            camera_matrix(camera), camera.width, camera.height, clipping_range=(0.01, FAR)
        ),
        renderer_cfg=NewtonWarpRendererCfg(),
    )
