"""The phase machine that turns grasps into commands, over N worlds at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dexgrasp.errors import ExecutionError
from dexgrasp.execution.config import ExecutionConfig
from dexgrasp.execution.control import make_controller
from dexgrasp.execution.phases import CARRYING, FINISHED, LONGEST_GAP, NEXT_PHASE, Fault, Phase
from dexgrasp.execution.stuck import StuckJoints
from dexgrasp.geometry import interpolate_poses, minimum_jerk, rotation_between
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, GraspSet, Observation

Targets = tuple[Array, Array, Array, Array]
"""Palm poses (k, 4, 4), joint targets (k, J), done (k,) bool, fault (k,) of k worlds."""


class GraspExecutor:
    """Runs one grasp in each of N worlds: approach, cover, closure, squeeze, lift, hold.

    `phase` (N,) and `fault` (N,) tell where each world is; `touching` (N, F) which fingers
    feel the object. N = 1 on a robot, N = many in evaluation: the code is the same.
    """

    def __init__(
        self,
        hand: HandModel,
        config: ExecutionConfig,
        worlds: int = 1,
        controller: str = "reactive",
    ) -> None:
        """controller: of `dexgrasp.execution.control.CONTROLLERS`. Raises ConfigError."""
        self.hand = hand
        self.config = config
        self.controller = make_controller(controller, hand, config, worlds)
        self.phase = np.full(worlds, Phase.IDLE, dtype=np.int64)
        self.fault = np.full(worlds, Fault.NONE, dtype=np.int64)
        self.touching = np.zeros((worlds, len(hand.finger_names)), dtype=bool)
        self.time_in_phase = np.zeros(worlds)
        self._entered = np.zeros(worlds)
        self._last_time = np.full(worlds, np.nan)
        self._palm = np.zeros((worlds, 4, 4))
        self._joints = np.zeros((worlds, hand.joint_count))
        self._sent = np.zeros((worlds, hand.joint_count))
        self._has_target = np.zeros(worlds, dtype=bool)
        self._start_palm = np.zeros((worlds, 4, 4))
        self._start_joints = np.zeros((worlds, hand.joint_count))
        self._grasp_palm = np.tile(np.eye(4), (worlds, 1, 1))
        self._approach = np.zeros((worlds, 3))
        self._pregrasp = np.zeros((worlds, hand.joint_count))
        self._grasp = np.zeros((worlds, hand.joint_count))
        self._squeeze = np.zeros((worlds, hand.joint_count))
        self._held_joints = np.zeros((worlds, hand.joint_count))
        self._latched = np.zeros((worlds, len(hand.finger_names)), dtype=bool)
        self._stroke = np.zeros((worlds, len(hand.finger_names)))
        self._lost_since = np.full(worlds, np.nan)
        self._place_back = np.zeros(worlds, dtype=bool)
        self._cancelled = np.zeros(worlds, dtype=bool)
        self._stuck = StuckJoints(hand, worlds)
        self._joint_of_finger = hand.finger_joint_mask  # (F, J) bool
        self._run: dict[Phase, Callable[[Array, Observation], Targets]] = {
            Phase.APPROACH: self._approach_phase,
            Phase.COVER: self._cover_phase,
            Phase.PREGRASP_CLOSURE: self._closure_phase,
            Phase.FULL_GRASP: self._full_grasp_phase,
            Phase.LIFT: self._lift_phase,
            Phase.HOLD: self._hold_phase,
            Phase.PLACE: self._place_phase,
            Phase.RELEASE: self._release_phase,
            Phase.RETREAT: self._retreat_phase,
        }

    @property
    def finished(self) -> Array:
        """(N,) bool: the world is idle, done or failed."""
        return np.isin(self.phase, FINISHED)

    def start(
        self, grasps: GraspSet, worlds: Array | None = None, place_back: bool = False
    ) -> None:
        """Begin grasp i of `grasps` (frame `world`) in `worlds[i]` (None: world i).

        place_back: put the object down again after the hold. Raises GraspError for a bad
        grasp and ExecutionError while one of these worlds is still busy.
        """
        grasps.validate(self.hand.joint_count)
        rows = np.arange(len(grasps)) if worlds is None else np.asarray(worlds)
        if grasps.hand != self.hand.name:
            raise ExecutionError(
                f"the grasp is for hand {grasps.hand!r}; this executor drives {self.hand.name!r}"
            )
        if len(rows) != len(grasps):
            raise ExecutionError(f"{len(grasps)} grasps given for {len(rows)} worlds")
        if not self.finished[rows].all():
            raise ExecutionError("a goal is still running; cancel it or wait until it ends")
        self._grasp_palm[rows] = grasps.T_frame_palm
        self._approach[rows] = grasps.approach
        self._pregrasp[rows] = self.hand.clip(grasps.pregrasp)
        self._grasp[rows] = self.hand.clip(grasps.grasp)
        self._squeeze[rows] = self.hand.clip(grasps.squeeze)
        self._place_back[rows] = place_back
        self._cancelled[rows] = False
        self._last_time[rows] = np.nan  # a simulator may have gone back to zero since
        self.fault[rows] = Fault.NONE
        self.controller.start(rows, grasps)
        self._enter(rows, Phase.APPROACH)

    def cancel(self, worlds: Array | None = None) -> None:
        """End the goals safely: a held object is put down first, else the hand stops."""
        rows = self._rows(worlds)
        rows = rows[~self.finished[rows]]
        self._cancelled[rows] = True
        carrying = np.isin(self.phase[rows], CARRYING)
        self._enter(rows[carrying], Phase.PLACE)
        stopped = np.isin(self.phase[rows], (Phase.APPROACH, Phase.COVER, Phase.PREGRASP_CLOSURE))
        self._fail(rows[stopped], Fault.CANCELLED)

    def release(self, worlds: Array | None = None) -> None:
        """Put down what is still held after a goal that ended in DONE."""
        rows = self._rows(worlds)
        rows = rows[self.phase[rows] == Phase.DONE]
        self._last_time[rows] = np.nan  # nobody need have stepped since
        self._enter(rows, Phase.PLACE)

    def step(self, observation: Observation) -> Command:
        """Advance every world to `observation.time` and return the targets to send.

        Raises ExecutionError when the first observation of a world is unusable: without one
        there is nothing safe to command. A later one fails its world, which keeps its targets.
        """
        usable = self._check(observation)
        dt = np.where(np.isnan(self._last_time), 0.0, observation.time - self._last_time)
        self._last_time = observation.time.copy()
        fresh = ~self._has_target
        if (fresh & ~usable).any():
            raise ExecutionError("the first observation holds NaN: there is nothing to hold yet")
        self._palm[fresh] = observation.T_world_palm[fresh]
        self._joints[fresh] = self._sent[fresh] = observation.joint_position[fresh]
        self._has_target[:] = True
        self.touching = self._sense(observation)
        air = self.phase == Phase.APPROACH
        stuck = self._stuck.update(air, self._sent, observation, dt)
        self._fail(np.flatnonzero(stuck), Fault.JOINT_STUCK)
        for phase, run in self._run.items():
            rows = np.flatnonzero((self.phase == phase) & (self.fault != Fault.BAD_OBSERVATION))
            if len(rows):
                self._advance(rows, phase, run, observation)
        limit = np.minimum(self.config.joint_speed_limit, self.hand.velocity_limit)
        reach = limit * np.maximum(dt, 0.0)[:, None]
        nominal = Command(self._joints.copy(), self._palm.copy())
        command = self.controller.command(self.phase, nominal, observation)
        within = np.clip(command.joint_position, self._sent - reach, self._sent + reach)
        # Where nothing runs any more, what was sent last stays in force.
        self._sent = np.where(self.finished[:, None], self._sent, self.hand.clip(within))
        return Command(self._sent.copy(), command.T_world_palm)

    def _rows(self, worlds: Array | None) -> Array:
        return np.arange(len(self.phase)) if worlds is None else np.asarray(worlds)

    def _check(self, observation: Observation) -> Array:
        """(N,) bool, usable. A world whose observation is not fails and keeps its targets."""
        finite = np.isfinite(observation.joint_position).all(axis=1)
        finite &= np.isfinite(observation.T_world_palm).all(axis=(1, 2))
        finite &= ~(observation.time < self._last_time)
        finite &= ~(observation.time > self._last_time + LONGEST_GAP)
        bad = np.flatnonzero(~finite & ~self.finished)
        self._fail(bad, Fault.BAD_OBSERVATION)
        return finite

    def _advance(
        self,
        rows: Array,
        phase: Phase,
        run: Callable[[Array, Observation], Targets],
        observation: Observation,
    ) -> None:
        now = observation.time[rows]
        new = np.isnan(self._entered[rows])
        self._entered[rows[new]] = now[new]
        self._start_palm[rows[new]] = self._palm[rows[new]]
        self._start_joints[rows[new]] = self._joints[rows[new]]
        self.time_in_phase[rows] = now - self._entered[rows]
        palm, joints, done, fault = run(rows, observation)
        self._palm[rows], self._joints[rows] = palm, joints
        limit = getattr(self.config.timeouts, phase.name.lower())
        late = (self.time_in_phase[rows] > limit) & ~done & (fault == Fault.NONE)
        fault = np.where(late, Fault[f"{phase.name}_TIMEOUT"], fault)
        for value in np.unique(fault[fault != Fault.NONE]):
            self._fail(rows[fault == value], Fault(value))
        self._leave(rows[done & (fault == Fault.NONE)], phase)

    def _leave(self, rows: Array, phase: Phase) -> None:
        back = rows[self._place_back[rows]] if phase == Phase.HOLD else rows[:0]
        self._enter(np.setdiff1d(rows, back), NEXT_PHASE[phase])
        self._enter(back, Phase.PLACE)
        if phase == Phase.RETREAT:
            self._fail(rows[self._cancelled[rows]], Fault.CANCELLED)

    def _enter(self, rows: Array, phase: Phase) -> None:
        self.phase[rows] = phase
        self._entered[rows] = np.nan
        self._lost_since[rows] = np.nan
        if phase == Phase.PREGRASP_CLOSURE:
            self._latched[rows] = False
            self._stroke[rows] = 0.0

    def _fail(self, rows: Array, fault: Fault) -> None:
        self.phase[rows] = Phase.FAILED
        self.fault[rows] = fault

    def _sense(self, observation: Observation) -> Array:
        """(N, F) fingers that feel something, by force where sensed, else by stalled joints."""
        lag = np.abs(self._sent - observation.joint_position)
        stalled = (lag > 0.06) & (np.abs(observation.joint_velocity) < 0.05)
        by_stall = (stalled[:, None, :] & self._joint_of_finger[None]).any(axis=2)
        force = observation.finger_force
        return np.where(np.isnan(force), by_stall, force > self.config.touch_force)

    def _felt(self, rows: Array) -> Array:
        """(k, F) fingers whose touch ends a motion."""
        return self.touching[rows] & self.controller.feels

    def _timed_pose(self, rows: Array, goal: Array, speed: float) -> tuple[Array, Array]:
        """Palm targets on the way to `goal` since the phase began, and whether it ended."""
        start = self._start_palm[rows]
        distance = np.linalg.norm(goal[:, :3, 3] - start[:, :3, 3], axis=1)
        angle = np.linalg.norm(rotation_between(start, goal), axis=1)
        # A minimum-jerk motion peaks at 1.875 times its mean speed.
        duration = 1.875 * np.maximum(distance / speed, angle / self.config.palm_turn_speed)
        fraction = self.time_in_phase[rows] / np.maximum(duration, 1e-6)
        return interpolate_poses(start, goal, minimum_jerk(fraction)), fraction >= 1.0

    def _arrived(self, rows: Array, goal: Array, observation: Observation) -> Array:
        palm = observation.T_world_palm[rows]
        near = np.linalg.norm(palm[:, :3, 3] - goal[:, :3, 3], axis=1)
        turn = np.linalg.norm(rotation_between(palm, goal), axis=1)
        config = self.config
        return (near < config.position_tolerance) & (turn < config.rotation_tolerance)

    def _standoff(self, rows: Array) -> Array:
        pose = self._grasp_palm[rows].copy()
        pose[:, :3, 3] -= self.config.clearance * self._approach[rows]
        return pose

    def _ok(self, rows: Array) -> Array:
        return np.full(len(rows), Fault.NONE, dtype=np.int64)

    def _approach_phase(self, rows: Array, observation: Observation) -> Targets:
        """Travel above the stand-off with open fingers, preshape, then descend to it."""
        goal = self._standoff(rows)
        above = goal.copy()
        above[:, 2, 3] = np.maximum(
            goal[:, 2, 3] + self.config.travel_height, self._start_palm[rows, 2, 3]
        )
        travel, there = self._timed_pose(rows, above, self.config.palm_speed)
        drop = np.linalg.norm(above[:, :3, 3] - goal[:, :3, 3], axis=1)
        descent = 1.875 * drop / self.config.palm_speed
        travel_time = self._travel_time(rows, above)
        fraction = (self.time_in_phase[rows] - travel_time) / np.maximum(descent, 1e-6)
        palm = np.where(
            there[:, None, None], interpolate_poses(above, goal, minimum_jerk(fraction)), travel
        )
        # Open first, then shaped before the descent: an open thumb may reach beyond the stand-off.
        share = self.time_in_phase[rows] / np.maximum(travel_time, 0.5)
        opened = np.broadcast_to(self.hand.postures["open"], (len(rows), self.hand.joint_count))
        start = self._start_joints[rows]
        joints = start + minimum_jerk(2.0 * share)[:, None] * (opened - start)
        joints += minimum_jerk(2.0 * share - 1.0)[:, None] * (self._pregrasp[rows] - joints)
        done = (fraction >= 1.0) & self._arrived(rows, goal, observation)
        return palm, joints, done, self._ok(rows)

    def _travel_time(self, rows: Array, goal: Array) -> Array:
        start = self._start_palm[rows]
        distance = np.linalg.norm(goal[:, :3, 3] - start[:, :3, 3], axis=1)
        angle = np.linalg.norm(rotation_between(start, goal), axis=1)
        return 1.875 * np.maximum(
            distance / self.config.palm_speed, angle / self.config.palm_turn_speed
        )

    def _cover_phase(self, rows: Array, observation: Observation) -> Targets:
        """Move along the approach axis until the grasp pose, or a touch close to it.

        A touch farther out is pushed through only as long as the palm keeps up.
        """
        goal = self._grasp_palm[rows]
        palm, ended = self._timed_pose(rows, goal, self.config.cover_speed)
        measured = observation.T_world_palm[rows, :3, 3]
        remaining = np.linalg.norm(goal[:, :3, 3] - measured, axis=1)
        lag = np.linalg.norm(palm[:, :3, 3] - measured, axis=1)
        touched = self._felt(rows).any(axis=1) & (remaining < self.config.cover_slack)
        done = touched | (ended & self._arrived(rows, goal, observation))
        fault = np.where(lag > self.config.blocked_lag, Fault.COVER_BLOCKED, Fault.NONE)
        return palm, self._pregrasp[rows], done, fault

    def _closure_phase(self, rows: Array, observation: Observation) -> Targets:
        """Close each finger along its stroke until it touches; those that touch wait."""
        travel = np.abs(self._grasp[rows] - self._pregrasp[rows]).max(axis=1)
        pace = self.config.closing_speed / np.maximum(travel, 1e-3)
        longest = 1.0 + self.config.overclose * self.controller.feels
        stroke = np.minimum(self.time_in_phase[rows] * pace, longest)
        newly = self._felt(rows) & ~self._latched[rows] & (stroke > 0.3)[:, None]
        self._latched[rows] |= newly
        self._stroke[rows] = np.where(self._latched[rows], self._stroke[rows], stroke[:, None])
        share = self._stroke[rows] @ self._joint_of_finger.astype(float)
        idle = ~self._joint_of_finger.any(axis=0)
        share[:, idle] = np.minimum(stroke, 1.0)[:, None]
        joints = self._pregrasp[rows] + share * (self._grasp[rows] - self._pregrasp[rows])
        done = self._latched[rows].all(axis=1) | (stroke >= longest)
        self._held_joints[rows[done]] = joints[done]
        return self._palm[rows], joints, done, self._ok(rows)

    def _full_grasp_phase(self, rows: Array, observation: Observation) -> Targets:
        """Ramp from the touch to the squeeze targets, settle, and count who carries."""
        ramp = minimum_jerk(self.time_in_phase[rows] / self.config.squeeze_time)[:, None]
        joints = self._held_joints[rows] + ramp * (self._squeeze[rows] - self._grasp[rows])
        done = self.time_in_phase[rows] > self.config.squeeze_time + self.config.settle_time
        empty = done & (self.touching[rows].sum(axis=1) < 2) & self.controller.feels
        fault = np.where(empty, Fault.NOTHING_GRASPED, Fault.NONE)
        return self._palm[rows], joints, done, fault

    def _lost(self, rows: Array, observation: Observation) -> Array:
        """Fault OBJECT_LOST where fewer than two fingers have carried for `lost_time`."""
        force = observation.finger_force[rows]
        carrying = np.where(np.isnan(force), self.touching[rows], force > self.config.lost_force)
        loose = (carrying.sum(axis=1) < 2) & self.controller.feels
        since = np.where(
            np.isnan(self._lost_since[rows]), observation.time[rows], self._lost_since[rows]
        )
        self._lost_since[rows] = np.where(loose, since, np.nan)
        lost = loose & (observation.time[rows] - since > self.config.lost_time)
        return np.where(lost, Fault.OBJECT_LOST, Fault.NONE)

    def _lifted(self, rows: Array) -> Array:
        pose = self._grasp_palm[rows].copy()
        pose[:, :2, 3] = self._start_palm[rows, :2, 3]
        pose[:, 2, 3] = self._start_palm[rows, 2, 3] + self.config.lift_height
        pose[:, :3, :3] = self._start_palm[rows, :3, :3]
        return pose

    def _lift_phase(self, rows: Array, observation: Observation) -> Targets:
        goal = self._lifted(rows)
        palm, ended = self._timed_pose(rows, goal, self.config.lift_speed)
        done = ended & self._arrived(rows, goal, observation)
        return palm, self._joints[rows], done, self._lost(rows, observation)

    def _hold_phase(self, rows: Array, observation: Observation) -> Targets:
        done = self.time_in_phase[rows] >= self.config.hold_time
        return self._palm[rows], self._joints[rows], done, self._lost(rows, observation)

    def _place_phase(self, rows: Array, observation: Observation) -> Targets:
        """Lower the palm to where it grasped; the object stands on the table again."""
        goal = self._start_palm[rows].copy()
        goal[:, :3, 3] = self._grasp_palm[rows, :3, 3]
        palm, ended = self._timed_pose(rows, goal, self.config.lift_speed)
        return palm, self._joints[rows], ended, self._ok(rows)

    def _release_phase(self, rows: Array, observation: Observation) -> Targets:
        fraction = minimum_jerk(self.time_in_phase[rows] / self.config.release_time)[:, None]
        start = self._start_joints[rows]
        joints = start + fraction * (self._pregrasp[rows] - start)
        done = self.time_in_phase[rows] >= 1.3 * self.config.release_time
        return self._palm[rows], joints, done, self._ok(rows)

    def _retreat_phase(self, rows: Array, observation: Observation) -> Targets:
        goal = self._start_palm[rows].copy()
        goal[:, :3, 3] -= self.config.clearance * self._approach[rows]
        palm, ended = self._timed_pose(rows, goal, self.config.palm_speed)
        return palm, self._joints[rows], ended, self._ok(rows)
