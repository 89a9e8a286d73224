"""Tries grasps in physics on the perceived shape, with the very executor that runs later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dexgrasp.execution import ExecutionConfig, GraspExecutor, Phase
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel
from dexgrasp.simulation import MujocoBackend, SimulationConfig
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.types import GraspSet, ObjectPlacement

CONTROL_PERIOD = 0.02
LIFT = 0.08


def check_execution(config: SynthesisConfig) -> ExecutionConfig:
    """The executor's own figures with a short approach, lift and hold."""
    return ExecutionConfig.load().model_copy(
        update={
            "clearance": config.check_clearance,
            "travel_height": 0.0,
            "cover_speed": 0.25,
            "lift_height": LIFT,
            "hold_time": 0.3,
        }
    )


def try_in_physics(
    hand: HandModel, geometry: GraspGeometry, grasps: GraspSet, config: SynthesisConfig
) -> GraspSet:
    """The grasps that lift the perceived shape, steadiest first; the others after them.

    The score becomes 0.5 + 0.5 / (1 + slip / 1 cm) for those that lift it, where slip is
    the motion of the object in the palm during the lift, and a tenth of it for the rest.
    """
    simulation = SimulationConfig.load().model_copy(
        update={"timestep": config.check_timestep, "table_height": geometry.table_height}
    )
    placement = ObjectPlacement(geometry.model, geometry.T_world_object)
    backend = MujocoBackend(hand, simulation, worlds=len(grasps))
    backend.load([placement])
    execution = check_execution(config)
    executor = GraspExecutor(hand, execution, len(grasps))
    start = grasps.T_frame_palm.copy()
    start[:, :3, 3] -= execution.clearance * grasps.approach
    backend.reset(T_world_palm=start, joint_position=grasps.pregrasp)
    executor.start(grasps)
    first = backend.truth()
    grip = np.full((len(grasps), 4, 4), np.nan)
    for _ in range(int(8.0 / CONTROL_PERIOD)):
        observation = backend.observe()
        truth = backend.truth()
        settled = (executor.phase == Phase.LIFT) & np.isnan(grip[:, 0, 0])
        grip[settled] = relative(observation.T_world_palm, truth.T_world_object[:, 0])[settled]
        backend.step(executor.step(observation), CONTROL_PERIOD)
        if executor.finished.all():
            break
    truth = backend.truth()
    rise = truth.object_com[:, 0, 2] - first.object_com[:, 0, 2]
    held = (executor.phase == Phase.DONE) & (rise > 0.8 * LIFT)
    final = relative(backend.observe().T_world_palm, truth.T_world_object[:, 0])
    slip = np.linalg.norm(final[:, :3, 3] - grip[:, :3, 3], axis=1)
    fingers = (truth.finger_object_force > execution.lost_force).sum(axis=1)
    backend.close()
    steady = 0.5 + 0.5 / (1.0 + np.where(np.isnan(slip), 1.0, slip) / 0.01)
    score = np.where(held, steady * np.where(fingers >= 3, 1.0, 0.8), 0.1 * grasps.score)
    order = np.argsort(-score, kind="stable")
    return replace(grasps, score=score)[order]


def relative(palm: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n, 4, 4) pose of the object in the palm."""
    return inverse(palm) @ other
