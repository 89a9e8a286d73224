"""Motions outside of the phases: withdraw after a failure, carry, place elsewhere, hand over.

A motion begins where the executor ended, at its last targets, and needs no phase: it is laid
down beforehand and runs by the clock. After it a new executor begins the next grasp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dexgrasp.errors import ExecutionError
from dexgrasp.execution.config import ExecutionConfig
from dexgrasp.geometry import interpolate_poses, minimum_jerk, rotation_between
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, GraspSet, Observation

PEAK = 1.875  # of a minimum-jerk motion's speed, over its mean
GIVEN_WAY = 0.15  # [rad]; a pull of 5 N at a held object moves its fingers by 0.05 rad (simulated)
HIGHER = 0.002  # [m] above the height of the grasp at which an object is let go: it has slipped


@dataclass(frozen=True)
class Leg:
    """One stretch of a motion in N worlds.

    T_world_palm: (N, 4, 4) where the palm ends; None: it stays.  joints: (N, J) [rad] where
    the targets end; None: they stay.  speed: of the palm [m/s], at most; inf: `seconds` alone
    decide.  seconds: the leg lasts at least so long.  holding: the object is in the hand.
    """

    T_world_palm: Array | None = None
    joints: Array | None = None
    speed: float = np.inf
    seconds: float = 0.0
    holding: bool = True


class Motion:
    """Runs legs one after the other in N worlds, each world by its own clock.

    start, legs: what it was made of.  finished, lost: (N,) bool. A world whose fingers lose the
    object on a leg that holds one stops where it is. A finger that moves in spite of targets that
    stay has nothing in its way any more; one that does not, and senses no force (NaN), holds.
    """

    def __init__(
        self, start: Command, legs: Sequence[Leg], hand: HandModel, config: ExecutionConfig
    ) -> None:
        """start: the targets in force. Raises ExecutionError for a goal that is not finite."""
        goals = [
            goal for leg in legs for goal in (leg.T_world_palm, leg.joints) if goal is not None
        ]
        if not (legs and all(np.isfinite(goal).all() for goal in goals)):
            raise ExecutionError("a motion needs at least one leg, and goals without NaN")
        palms, joints, seconds = [start.T_world_palm], [start.joint_position], []
        for leg in legs:
            palm = palms[-1] if leg.T_world_palm is None else leg.T_world_palm
            target = joints[-1] if leg.joints is None else hand.clip(leg.joints)
            seconds.append(_duration(palms[-1], palm, joints[-1], target, leg, config))
            palms.append(palm)
            joints.append(target)
        self.start, self.legs = start, tuple(legs)
        self._palms, self._joints = np.stack(palms), np.stack(joints)
        self._seconds = np.stack(seconds)  # (S, N)
        self._ends = np.cumsum(self._seconds, axis=0)
        self._holding = np.array([leg.holding for leg in legs])
        self._config = config
        worlds = len(start.T_world_palm)
        self._rows = np.arange(worlds)
        self._elapsed = np.zeros(worlds)
        self._last = np.full(worlds, np.nan)
        self._loose = np.zeros(worlds)
        self._fingers = hand.finger_joint_mask  # (F, J)
        self._gripping = np.full((worlds, hand.joint_count), np.nan)
        self.lost = np.zeros(worlds, dtype=bool)

    @property
    def finished(self) -> Array:
        """(N,) bool: all legs are done, or the object is lost."""
        return (self._elapsed >= self._ends[-1]) | self.lost

    @property
    def leg(self) -> Array:
        """(N,) index of the leg under way; the last one at the end."""
        return np.minimum((self._elapsed >= self._ends).sum(axis=0), len(self._ends) - 1)

    def skip(self, worlds: Array) -> None:
        """End the leg under way of `worlds`, a mask (N,): its goal is the next target at once."""
        self._elapsed = np.where(worlds, self._ends[self.leg, self._rows], self._elapsed)

    def step(self, observation: Observation) -> Command:
        """Advance every world to `observation.time` and return the targets to send.

        Time that stands still or runs backwards advances nothing.
        """
        dt = np.where(np.isnan(self._last), 0.0, observation.time - self._last)
        self._last = observation.time.copy()
        dt = np.maximum(dt, 0.0) * ~self.lost
        self._watch(observation, dt)
        self._elapsed += dt
        leg = self.leg
        seconds = self._seconds[leg, self._rows]
        left = self._ends[leg, self._rows] - self._elapsed
        share = minimum_jerk(1.0 - left / np.maximum(seconds, 1e-6))
        first, second = self._joints[leg, self._rows], self._joints[leg + 1, self._rows]
        palm = interpolate_poses(
            self._palms[leg, self._rows], self._palms[leg + 1, self._rows], share
        )
        return Command(first + share[:, None] * (second - first), palm)

    def _watch(self, observation: Observation, dt: Array) -> None:
        force, q = observation.finger_force, observation.joint_position
        self._gripping = np.where(np.isnan(self._gripping), q, self._gripping)
        gave_way = (np.abs(q - self._gripping) > GIVEN_WAY)[:, None, :] & self._fingers
        feels = np.isnan(force) | (force > self._config.lost_force)
        carrying = feels & ~gave_way.any(axis=2)
        loose = (carrying.sum(axis=1) < 2) & self._holding[self.leg] & ~self.finished
        self._loose = np.where(loose, self._loose + dt, 0.0)
        self.lost |= self._loose > self._config.lost_time


def _duration(
    first: Array, second: Array, joints: Array, target: Array, leg: Leg, config: ExecutionConfig
) -> Array:
    """(N,) [s] of a leg within the limits of speed of the palm and of the joints."""
    distance = np.linalg.norm(second[:, :3, 3] - first[:, :3, 3], axis=1)
    angle = np.linalg.norm(rotation_between(first, second), axis=1)
    speed = min(leg.speed, config.palm_speed)
    travel = np.abs(target - joints).max(axis=1)
    palm = np.maximum(distance / speed, angle / config.palm_turn_speed)
    return np.maximum(PEAK * np.maximum(palm, travel / config.joint_speed_limit), leg.seconds)


def withdrawal(
    joints: Array,
    observation: Observation,
    grasps: GraspSet,
    T_world_palm: Array,
    hand: HandModel,
    config: ExecutionConfig,
) -> Motion:
    """Let go of whatever is touched, back out along the approach, up, and to `T_world_palm`.

    joints: (N, J) the targets of the goal that failed.  observation: where the hands are; their
    palms start from there, because a blocked one must stop to press.  grasps: the N that failed.
    T_world_palm: (N, 4, 4) from where the object is seen past the hand, such as where the goal
    began.
    """
    now = Command(joints, observation.T_world_palm.copy())
    out = released(now.T_world_palm, grasps, config)
    high = now.T_world_palm.copy()
    high[:, :3, 3] -= config.clearance * grasps.approach
    high[:, 2, 3] = np.maximum(high[:, 2, 3], T_world_palm[:, 2, 3])
    opened = np.broadcast_to(hand.postures["open"], joints.shape)
    up = Leg(high, speed=config.palm_speed, holding=False)
    home = Leg(T_world_palm, opened, config.palm_speed, holding=False)
    return Motion(now, [*out, up, home], hand, config)


def released(T_world_palm: Array, grasps: GraspSet, config: ExecutionConfig) -> list[Leg]:
    """Open the fingers at the palm poses (N, 4, 4) and back out along the approach.

    grasps: the N that hold, turned as the palm is.
    """
    away = T_world_palm.copy()
    away[:, :3, 3] -= config.clearance * grasps.approach
    return [
        Leg(joints=grasps.pregrasp, seconds=config.release_time, holding=False),
        Leg(away, speed=config.palm_speed, holding=False),
    ]


def carried(waypoints: Sequence[Array], config: ExecutionConfig, seconds: float = 0.0) -> list[Leg]:
    """Through palm poses (N, 4, 4) with the object in the hand, then still for `seconds`."""
    return [*(Leg(pose, speed=config.lift_speed) for pose in waypoints), Leg(seconds=seconds)]


def placed(
    now: Command,
    grasps: GraspSet,
    T_world_grasp: Array,
    center: Array,
    pose: Array,
    config: ExecutionConfig,
) -> list[Leg]:
    """Put the held objects down elsewhere on the table, let go and back out.

    now: the targets that hold.  grasps: the N grasps that were executed.
    T_world_grasp: (N, 4, 4) the palm's targets when the lift began.
    center: (N, 2) where the objects stood then [m].
    pose: (N, 3) x, y [m] where they go, and yaw [rad] by which they turn about the vertical.
    An object stands as upright as it did, as far as it did not slip.
    """
    move = _planar(center, pose)
    down = move @ T_world_grasp
    down[:, 2, 3] += HIGHER
    above = down.copy()
    above[:, 2, 3] = np.maximum(down[:, 2, 3] + config.clearance, now.T_world_palm[:, 2, 3])
    turned = np.einsum("nij,nj->ni", move[:, :3, :3], grasps.approach)
    return [
        *carried([above, down], config, config.settle_time),
        *released(down, replace(grasps, approach=turned), config),
    ]


def _planar(center: Array, pose: Array) -> Array:
    """(N, 4, 4) turns by yaw about the vertical through center (N, 2), then to x, y of pose."""
    move = np.tile(np.eye(4), (len(pose), 1, 1))
    cos, sin = np.cos(pose[:, 2]), np.sin(pose[:, 2])
    move[:, 0, 0], move[:, 0, 1], move[:, 1, 0], move[:, 1, 1] = cos, -sin, sin, cos
    move[:, :2, 3] = pose[:, :2] - np.einsum("nij,nj->ni", move[:, :2, :2], center)
    return move
