"""Grasps tried in physics without a table: squeezed, then pulled six ways on a slippery object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dexgrasp.execution import ExecutionConfig, GraspExecutor, Phase
from dexgrasp.geometry import rotation_between
from dexgrasp.hands import HandModel
from dexgrasp.simulation import MujocoBackend, SimulationConfig
from dexgrasp.synthesis.config import ShakeConfig
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.types import Array, GraspSet, ObjectPlacement

CONTROL_PERIOD = 0.02
ELEVATION = 0.5  # [m] above the table, which no hand reaches from there
DIRECTIONS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
LOOK = 2  # control periods between two looks at the object: to look costs as much as to step
LONGEST = 6.0  # [s] of one trial; the phases' own timeouts come before


def shake(hand: HandModel, geometry: GraspGeometry, grasps: GraspSet, config: ShakeConfig) -> Array:
    """(n,) how far the object moved in the world, as a share of what is allowed; below 1: held.

    Each grasp closes and squeezes by the executor, then the object of `config.mass` and
    `config.friction` is pulled for a moment along +-x, +-y, +-z: DexGraspBench's six directions
    in a row. Infinite where the fingers find nothing.
    """
    n = len(grasps)
    backend = MujocoBackend(hand, _simulation(), worlds=n)
    lifted = geometry.T_world_object.copy()
    lifted[2, 3] += ELEVATION
    model = replace(geometry.model, solids=geometry.model.pieces)
    backend.load([ObjectPlacement(model, lifted)])
    moved = grasps.T_frame_palm.copy()
    moved[:, 2, 3] += ELEVATION
    grasps = replace(grasps, T_frame_palm=moved)
    execution = _execution(config)
    backend.vary(np.zeros((n, 3)), np.full(n, config.friction), np.full((n, 1), config.mass))
    backend.reset(T_world_palm=moved, joint_position=grasps.pregrasp)
    executor = GraspExecutor(hand, execution, n)
    executor.start(grasps)
    first = backend.truth()
    worst = np.zeros(n)
    for step in range(int(LONGEST / CONTROL_PERIOD)):
        running = ~executor.finished & (worst < 1.0)
        if not running.any():
            break
        command = executor.step(backend.observe())
        backend.vary(_pull(executor, config))
        backend.step(command, CONTROL_PERIOD, np.flatnonzero(running).tolist())
        if step % LOOK:
            continue
        truth = backend.truth()
        away = np.linalg.norm((truth.object_com - first.object_com)[:, 0], axis=1)
        turned = rotation_between(first.T_world_object[:, 0], truth.T_world_object[:, 0])
        share = np.maximum(away / config.distance, np.linalg.norm(turned, axis=1) / config.angle)
        worst = np.where(running, np.maximum(worst, share), worst)
    backend.close()
    return np.where((executor.phase == Phase.DONE) | (worst >= 1.0), worst, np.inf)


def held_when_expected(
    hand: HandModel, geometry: GraspGeometry, grasps: GraspSet, config: ShakeConfig
) -> Array:
    """(n,) bool: held for longer, at the friction that is expected instead of less."""
    update = {"friction": config.expected_friction, "seconds": config.expected_seconds}
    easier = config.model_copy(update=update)
    return shake(hand, geometry, grasps, easier) < config.allowed


def _pull(executor: GraspExecutor, config: ShakeConfig) -> Array:
    """(n, 3) acceleration of each world's object [m/s2]: one direction after the other."""
    turn = (executor.time_in_phase / config.seconds).astype(int) % len(DIRECTIONS)
    holding = executor.phase == Phase.HOLD
    return np.where(holding[:, None], config.acceleration * DIRECTIONS[turn], 0.0)


def _execution(config: ShakeConfig) -> ExecutionConfig:
    execution = ExecutionConfig.load()
    return execution.model_copy(
        update={
            "slip": execution.slip.model_copy(update={"tightest": 1.0}),  # as it is planned
            "clearance": 1e-4,
            "travel_height": 0.0,
            "cover_speed": 0.25,
            "closing_speed": config.closing_speed,
            "squeeze_time": config.squeeze_time,
            "settle_time": 0.0,
            "lift_height": 1e-4,
            "hold_time": config.seconds * len(DIRECTIONS),
            "lost_time": LONGEST,
        }
    )


def _simulation() -> SimulationConfig:
    config = SimulationConfig.load()
    return config.model_copy(
        update={"timestep": 0.004, "noslip_iterations": 0, "wrist": config.kinematic_wrist}
    )
