"""What IsaacLab 2.3 is told of physics and scene. Imported in its environment alone."""

from __future__ import annotations

from typing import Any

from isaaclab.actuators import ImplicitActuatorCfg
from isaaclab.assets import ArticulationCfg, AssetBaseCfg, RigidObjectCfg
from isaaclab.scene import InteractiveSceneCfg
from isaaclab.sensors import CameraCfg, ContactSensorCfg
from isaaclab.sim import (
    ArticulationRootPropertiesCfg,
    DomeLightCfg,
    PhysxCfg,
    PinholeCameraCfg,
    SimulationCfg,
    UsdFileCfg,
)
from isaaclab.utils import configclass

from dexgrasp.simulation.config import CameraConfig, SimulationConfig
from dexgrasp.simulation.isaaclab.base import FAR, camera_matrix
from dexgrasp.simulation.isaaclab.physx import to_engine
from dexgrasp.simulation.isaaclab.wire import Recipe, pack_poses

SEEN_APART, APART = 10.0, 2.0  # [m] between worlds: one's camera sees the next, or there is none
CONTACTS = 32  # of one link
ENV = "{ENV_REGEX_NS}"


def physics(config: SimulationConfig, device: str) -> SimulationCfg:
    """Without gravity: PhysX has one for all worlds, so objects are pulled by forces instead."""
    return SimulationCfg(
        device=device,
        dt=config.timestep,
        gravity=(0.0, 0.0, 0.0),
        physx=PhysxCfg(
            solver_type=1,
            min_position_iteration_count=config.iterations,
            enable_external_forces_every_iteration=True,
        ),
    )


def scene(recipe: Recipe, config: SimulationConfig) -> InteractiveSceneCfg:
    """Every link has a contact sensor of its own: PhysX tells one body's others apart."""
    parts: dict[str, Any] = {
        "light": AssetBaseCfg(prim_path="/World/light", spawn=DomeLightCfg(intensity=1000.0)),
        "table": AssetBaseCfg(prim_path=f"{ENV}/Table", spawn=UsdFileCfg(usd_path=recipe.table)),
        "hand": ArticulationCfg(
            prim_path=f"{ENV}/Hand",
            spawn=UsdFileCfg(
                usd_path=recipe.hand,
                activate_contact_sensors=True,
                articulation_props=ArticulationRootPropertiesCfg(enabled_self_collisions=True),
            ),
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
    others = [f"{ENV}/object_{i}" for i in range(len(recipe.objects))]
    for link in recipe.links:
        parts[f"touch_{link}"] = ContactSensorCfg(
            prim_path=f"{ENV}/Hand/{link}",
            filter_prim_paths_expr=others,
            track_friction_forces=bool(others),
            max_contact_data_count_per_prim=CONTACTS,
        )
    if recipe.cameras:
        parts["depth"] = _camera("depth", config.camera, "distance_to_image_plane")
        parts["overview"] = _camera("overview", config.overview, "rgb")
    made: type[InteractiveSceneCfg] = configclass(
        type("HandOnTable", (InteractiveSceneCfg,), parts)
    )
    return made(num_envs=recipe.worlds, env_spacing=SEEN_APART if recipe.cameras else APART)


def _camera(name: str, camera: CameraConfig, kind: str) -> CameraCfg:
    packed = pack_poses(camera.T_world_camera)[None]
    pose = [float(figure) for figure in to_engine(packed, 0.0 * packed[:, :3])[0]]
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
    )
