"""Motions of `carry` in the shape in which `GraspExecutor` runs a grasp: with phases and faults.

Withdrawing after a failed grasp, and what becomes of a held object: carried, placed elsewhere,
handed over to a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dexgrasp.errors import ExecutionError
from dexgrasp.execution.carry import Leg, Motion, carried, placed, released
from dexgrasp.execution.config import ExecutionConfig
from dexgrasp.execution.handover import PullWatch
from dexgrasp.execution.phases import FINISHED, LONGEST_GAP, Fault, Phase
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, GraspSet, Observation

FOREVER = 1e9  # [s]
Stage = tuple[Phase, Leg]


@dataclass(frozen=True)
class Held:
    """What N hands hold after a grasp.

    grasps: the N that were executed, in the world.  T_world_grasp: (N, 4, 4) the palm's targets
    when the lift began.  targets: those in force now.
    """

    grasps: GraspSet
    T_world_grasp: Array
    targets: Command

    def turned(self, T_world_palm: Array) -> GraspSet:
        """The grasps as they are when the palms have gone to (N, 4, 4)."""
        turn = T_world_palm[:, :3, :3] @ self.T_world_grasp[:, :3, :3].swapaxes(1, 2)
        return replace(self.grasps, approach=np.einsum("nij,nj->ni", turn, self.grasps.approach))


class PhasedMotion:
    """Runs a motion in N worlds; each leg belongs to a phase, and after the last comes DONE.

    phase, fault, time_in_phase [s]: (N,).  touching: (N, F), by force; never where none is sensed.
    holding: (N,) bool, the object is still meant to be in the hand.  pulled: (N,) bool, a wait in
    the phase HAND_OVER ended by a pull.  What is lost, cancelled or has a bad observation stops.
    """

    def __init__(
        self, motion: Motion, phases: Sequence[Phase], hand: HandModel, config: ExecutionConfig
    ) -> None:
        """phases: one for each leg of the motion."""
        worlds = len(motion.start.T_world_palm)
        self._motion = motion
        self._phases = np.array(phases)
        self._holds = np.array(
            [
                leg.holding or phase == Phase.HAND_OVER
                for phase, leg in zip(phases, motion.legs, strict=True)
            ]
        )
        self._pull = PullWatch(hand, worlds)
        self._command = motion.start
        self._touch_force = config.touch_force
        self._entered = np.full(worlds, np.nan)
        self._last = np.full(worlds, np.nan)
        self.phase = np.full(worlds, self._phases[0])
        self.fault = np.full(worlds, Fault.NONE, dtype=np.int64)
        self.time_in_phase = np.zeros(worlds)
        self.touching = np.zeros((worlds, len(hand.finger_names)), dtype=bool)
        self.pulled = np.zeros(worlds, dtype=bool)

    @property
    def finished(self) -> Array:
        """(N,) bool: done or failed."""
        return np.isin(self.phase, FINISHED)

    @property
    def holding(self) -> Array:
        """(N,) bool: the fingers have not begun to open, nor lost the object."""
        opened = ~self._holds[self._motion.leg] | (self.phase == Phase.DONE) & ~self._holds[-1]
        return ~(opened | self._motion.lost)

    def step(self, observation: Observation) -> Command:
        """Advance every world to `observation.time` and return the targets to send."""
        self._check(observation)
        self.touching = observation.finger_force > self._touch_force
        running = ~self.finished
        self._entered = np.where(np.isnan(self._entered), observation.time, self._entered)
        waiting = running & (self.phase == Phase.HAND_OVER)
        if waiting.any():
            pulled = waiting & self._pull.update(self._command.joint_position, observation)
            self.pulled |= pulled
            self._motion.skip(pulled)
        command = self._motion.step(observation)
        # Where nothing runs any more, what was sent last stays in force.
        self._command = Command(
            np.where(running[:, None], command.joint_position, self._command.joint_position),
            np.where(running[:, None, None], command.T_world_palm, self._command.T_world_palm),
        )
        self.time_in_phase = np.where(running, observation.time - self._entered, self.time_in_phase)
        self._move_on(running, observation.time)
        return self._command

    def _move_on(self, running: Array, now: Array) -> None:
        ended = np.where(self._motion.finished, Phase.DONE, self._phases[self._motion.leg])
        phase = np.where(running, ended, self.phase)
        self._entered = np.where(phase != self.phase, now, self._entered)
        self.phase = phase
        self._fail(running & self._motion.lost, Fault.OBJECT_LOST)

    def _check(self, observation: Observation) -> None:
        usable = np.isfinite(observation.joint_position).all(axis=1)
        usable &= np.isfinite(observation.T_world_palm).all(axis=(1, 2))
        usable &= ~(observation.time < self._last)
        usable &= ~(observation.time > self._last + LONGEST_GAP)
        self._last = observation.time.copy()
        self._fail(~usable & ~self.finished, Fault.BAD_OBSERVATION)

    def _fail(self, worlds: Array, fault: Fault) -> None:
        self.phase = np.where(worlds, Phase.FAILED, self.phase)
        self.fault = np.where(worlds, fault, self.fault)

    def cancel(self) -> None:
        """Stop every world where it is; what is held stays held."""
        self._fail(~self.finished, Fault.CANCELLED)


def staged(
    start: Command, stages: Sequence[Stage], hand: HandModel, config: ExecutionConfig
) -> PhasedMotion:
    """The stages one after the other. start: the targets in force. Raises ExecutionError."""
    motion = Motion(start, [leg for _, leg in stages], hand, config)
    return PhasedMotion(motion, [phase for phase, _ in stages], hand, config)


def carry_stages(
    waypoints: Sequence[Array], config: ExecutionConfig, seconds: float
) -> list[Stage]:
    """Through palm poses (N, 4, 4), then still for `seconds`."""
    return [(Phase.CARRY, leg) for leg in carried(waypoints, config, seconds)]


def place_stages(
    held: Held, waypoints: Sequence[Array], center: Array, pose: Array, config: ExecutionConfig
) -> list[Stage]:
    """From the last of the waypoints, where there are some, down to `pose`; see `carry.placed`."""
    last = waypoints[-1] if waypoints else held.targets.T_world_palm
    now = Command(held.targets.joint_position, last)
    above, *rest = placed(now, held.grasps, held.T_world_grasp, center, pose, config)
    down, still, opened, away = rest
    return [
        (Phase.CARRY, above),
        (Phase.PLACE, down),
        (Phase.PLACE, still),
        (Phase.RELEASE, opened),
        (Phase.RETREAT, away),
    ]


def hand_over_stages(
    held: Held, waypoints: Sequence[Array], config: ExecutionConfig, timeout: float
) -> list[Stage]:
    """Wait at the last of the waypoints for a pull, at most `timeout` [s] (0: for ever); let go."""
    last = waypoints[-1] if waypoints else held.targets.T_world_palm
    opened, away = released(last, held.turned(last), config)
    wait = Leg(seconds=timeout or FOREVER, holding=False)
    return [(Phase.HAND_OVER, wait), (Phase.RELEASE, opened), (Phase.RETREAT, away)]


def check_on_table(pose: Array, half_size: Array) -> None:
    """Raise ExecutionError unless every place of `pose` (N, 3) is on the table.

    half_size: (2,) of the table about the world's origin [m].
    """
    if not np.isfinite(pose).all():
        raise ExecutionError("where to place the object holds NaN or infinity")
    beyond = (np.abs(pose[:, :2]) > half_size).any(axis=1)
    if beyond.any():
        x, y = pose[beyond][0, :2]
        raise ExecutionError(
            f"({x:.2f}, {y:.2f}) is not on the table, which reaches {half_size[0]:.2f} m in x and "
            f"{half_size[1]:.2f} m in y from the middle"
        )


def check_reach(stages: Sequence[Stage], low: Array, high: Array) -> None:
    """Raise ExecutionError when a palm would have to leave the workspace from low to high (3,)."""
    for phase, leg in stages:
        if leg.T_world_palm is None:
            continue
        position = leg.T_world_palm[:, :3, 3]
        outside = ((position < low) | (position > high)).any(axis=1)
        if outside.any():
            x, y, z = position[outside][0]
            raise ExecutionError(
                f"{phase.name} would take the palm to ({x:.2f}, {y:.2f}, {z:.2f}), outside of the "
                f"workspace from {tuple(np.round(low, 3))} to {tuple(np.round(high, 3))}"
            )
