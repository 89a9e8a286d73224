"""Tries grasps in physics on the perceived shape, with the very executor that runs later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dexgrasp.evaluation.grip import GripWatch
from dexgrasp.execution import ExecutionConfig, GraspExecutor, Phase
from dexgrasp.hands import HandModel
from dexgrasp.simulation import MujocoBackend, SimulationConfig
from dexgrasp.synthesis.config import CheckConfig
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.types import Array, GraspSet, ObjectPlacement

CONTROL_PERIOD = 0.02
LIFT = 0.06
HEAVIER, SLIPPERIER = 1.1, 0.8  # the stressed object against the perceived one
SIDES = 3  # to which the palm is displaced under stress
LONGEST = 8.0  # [s] of one trial


def check_execution(config: CheckConfig) -> ExecutionConfig:
    """The executor's own figures with a short approach, lift and hold."""
    return ExecutionConfig.load().model_copy(
        update={
            "clearance": config.clearance,
            "travel_height": 0.0,
            "cover_speed": 0.25,
            "lift_height": LIFT,
            "settle_time": 0.15,
            "hold_time": 0.25,
        }
    )


def try_in_physics(
    hand: HandModel, geometry: GraspGeometry, grasps: GraspSet, config: CheckConfig
) -> GraspSet:
    """The grasps ordered by how well they lift the perceived shape, and scored so.

    Every grasp is tried as planned; those that lift are tried again with the palm displaced
    by `shift` to SIDES sides on a heavier, more slippery object. The score is the mean
    steadiness, 1 / (1 + motion in the hand as a share of a slip) of those that lift and 0 of
    the others, less a fifth for fewer than three touching fingers; grasps that never lift keep
    a tenth of theirs.
    """
    planned = steadiness(hand, geometry, grasps, config, np.zeros((len(grasps), 3)))
    score = 0.1 * grasps.score
    best = np.flatnonzero(planned > 0.0)
    best = best[np.argsort(-planned[best], kind="stable")][: config.survivors]
    if len(best):
        shifts = config.shift * np.concatenate(around(grasps.approach[best]))
        model = geometry.model
        worse = replace(
            geometry,
            model=replace(
                model,
                mass=HEAVIER * model.mass,
                inertia=HEAVIER * model.inertia,
                friction=SLIPPERIER * model.friction,
                solids=model.parts,
            ),
        )
        again = grasps[np.tile(best, SIDES)]
        stressed = steadiness(hand, worse, again, config, shifts).reshape(SIDES, -1)
        survivors = (planned[best] + stressed.sum(axis=0)) / (1 + SIDES)
        score[planned > 0.0] = 0.2 * planned[planned > 0.0]
        score[best] = 0.2 + 0.8 * survivors
    order = np.argsort(-score, kind="stable")
    return replace(grasps, score=score)[order]


def around(approach: Array) -> Array:
    """(SIDES, n, 3) unit vectors around and across the approach directions (n, 3)."""
    level = np.cross(approach, [0.0, 0.0, 1.0])
    length = np.linalg.norm(level, axis=1, keepdims=True)
    first = np.where(length > 0.1, level / np.maximum(length, 1e-9), [[1.0, 0.0, 0.0]])
    first = first - (first * approach).sum(axis=1, keepdims=True) * approach
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(approach, first)
    angles = 2.0 * np.pi * np.arange(SIDES) / SIDES
    return np.cos(angles)[:, None, None] * first + np.sin(angles)[:, None, None] * second


def steadiness(
    hand: HandModel,
    geometry: GraspGeometry,
    grasps: GraspSet,
    config: CheckConfig,
    shifts: np.ndarray,
) -> np.ndarray:
    """(n,) steadiness in [0, 1] of grasps whose palm is displaced by `shifts` (n, 3) [m]."""
    simulation = SimulationConfig.load().model_copy(
        update={
            "timestep": config.timestep,
            "table_height": geometry.table_height,
            "noslip_iterations": 0,  # creep does not show in three seconds
        }
    )
    backend = MujocoBackend(hand, simulation, worlds=len(grasps))
    backend.load([ObjectPlacement(geometry.model, geometry.T_world_object)])
    moved = grasps.T_frame_palm.copy()
    moved[:, :3, 3] += shifts
    grasps = replace(grasps, T_frame_palm=moved)
    execution = check_execution(config)
    start = moved.copy()
    start[:, :3, 3] -= execution.clearance * grasps.approach
    backend.reset(T_world_palm=start, joint_position=grasps.pregrasp)
    executor = GraspExecutor(hand, execution, len(grasps))
    executor.start(grasps)
    first = backend.truth()
    grip = GripWatch(len(grasps))
    for _ in range(int(LONGEST / CONTROL_PERIOD)):
        running = np.flatnonzero(~executor.finished)
        if not len(running):
            break
        observation = backend.observe()
        begun = (executor.phase == Phase.LIFT) & ~grip.watched
        if begun.any():
            grip.update(observation.T_world_palm, backend.truth(), begun)
        backend.step(executor.step(observation), CONTROL_PERIOD, running.tolist())
    truth = backend.truth()
    grip.update(backend.observe().T_world_palm, truth, grip.watched)
    rise = truth.object_com[:, 0, 2] - first.object_com[:, 0, 2]
    held = (executor.phase == Phase.DONE) & (rise > 0.8 * LIFT)
    fingers = (truth.finger_object_force > execution.lost_force).sum(axis=1)
    backend.close()
    return np.where(held, np.where(fingers >= 3, 1.0, 0.8) / (1.0 + grip.share), 0.0)
