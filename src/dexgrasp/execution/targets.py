"""Where palm and joints shall be in each phase, in the worlds that are in it."""

from __future__ import annotations

import numpy as np

from dexgrasp.execution.config import ExecutionConfig
from dexgrasp.execution.control import Controller
from dexgrasp.execution.phases import Fault
from dexgrasp.execution.sensing import Felt
from dexgrasp.execution.slip import SlipWatch
from dexgrasp.geometry import interpolate_poses, minimum_jerk, rotation_between
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Observation

Targets = tuple[Array, Array, Array, Array]
"""Palm poses (k, 4, 4), joint targets (k, J), done (k,) bool, fault (k,) of k worlds."""


class PhaseTargets:
    """The phases of `GraspExecutor`, which fills these fields and decides what comes next.

    felt: what the fingers feel now.  _dt: (N,) [s] since the last step.  _palm, _joints: last
    targets; _start_palm, _start_joints: those in force when the phase began.  _grasp_palm,
    _approach, _pregrasp, _grasp, _squeeze: of the grasp.  _held_joints: targets at the touch.
    _latched, _stroke: (N, F) fingers that touched in the closure, and how far they have closed.
    _lost_since [s], _waited [s], _entered [s]: (N,).
    """

    hand: HandModel
    config: ExecutionConfig
    controller: Controller
    felt: Felt
    time_in_phase: Array
    _slip: SlipWatch
    _dt: Array
    _entered: Array
    _waited: Array
    _lost_since: Array
    _palm: Array
    _joints: Array
    _start_palm: Array
    _start_joints: Array
    _grasp_palm: Array
    _approach: Array
    _pregrasp: Array
    _grasp: Array
    _squeeze: Array
    _held_joints: Array
    _latched: Array
    _stroke: Array
    _joint_of_finger: Array

    def _felt(self, rows: Array) -> Array:
        """(k, F) fingers whose touch ends a motion."""
        return self.felt.touching[rows] & self.controller.feels

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
        self._stroke[rows] = np.where(self._latched[rows], self._stroke[rows], stroke[:, None])
        # A target runs ahead of its joint: left there, the first finger would push the object
        # away from the others.
        reached = np.minimum(self._reached(rows, observation), stroke[:, None])
        self._stroke[rows] = np.where(newly, reached, self._stroke[rows])
        self._latched[rows] |= newly
        share = self._stroke[rows] @ self._joint_of_finger.astype(float)
        idle = ~self._joint_of_finger.any(axis=0)
        share[:, idle] = np.minimum(stroke, 1.0)[:, None]
        joints = self._pregrasp[rows] + share * (self._grasp[rows] - self._pregrasp[rows])
        done = self._latched[rows].all(axis=1) | (stroke >= longest)
        self._held_joints[rows[done]] = joints[done]
        return self._palm[rows], joints, done, self._ok(rows)

    def _reached(self, rows: Array, observation: Observation) -> Array:
        """(k, F) how far the fingers have closed, as a share of their stroke."""
        way = self._grasp[rows] - self._pregrasp[rows]
        gone = observation.joint_position[rows] - self._pregrasp[rows]
        # Sums, not a matrix product, which rounds by how many rows it has: worlds are independent.
        along, square = (
            np.where(self._joint_of_finger, product[:, None], 0.0).sum(axis=2)
            for product in (gone * way, way * way)
        )
        return along / np.maximum(square, 1e-9)

    def _full_grasp_phase(self, rows: Array, observation: Observation) -> Targets:
        """Ramp from the touch to the squeeze targets, settle, and count who carries."""
        ramp = minimum_jerk(self.time_in_phase[rows] / self.config.squeeze_time)[:, None]
        joints = self._held_joints[rows] + ramp * (self._squeeze[rows] - self._grasp[rows])
        done = self.time_in_phase[rows] > self.config.squeeze_time + self.config.settle_time
        empty = done & (self.felt.touching[rows].sum(axis=1) < 2) & self.controller.feels
        fault = np.where(empty, Fault.NOTHING_GRASPED, Fault.NONE)
        return self._palm[rows], joints, done, fault

    def _lost(self, rows: Array, observation: Observation) -> Array:
        """Fault OBJECT_LOST where fewer than two fingers have carried for `lost_time`."""
        force = observation.finger_force[rows]
        carrying = np.where(
            np.isnan(force), self.felt.touching[rows], force > self.config.lost_force
        )
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
        """Rise; wait while the grip is made tighter, or gives way and is brought back."""
        waiting = self._slip.yielding[rows] & self.controller.feels
        waiting |= self._slip.drifting[rows] & self.controller.holds
        waiting &= self._waited[rows] < self.config.slip.longest_wait
        pause = self._dt[rows] * waiting
        self._waited[rows] += pause
        self._entered[rows] += pause
        self.time_in_phase[rows] -= pause
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
