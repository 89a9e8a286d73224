"""When somebody pulls at what the hand holds out: felt by the joints, without touch sensors."""

from __future__ import annotations

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Observation

PULL_FORCE = 0.5  # [N] felt on all fingers together: at least so much of a pull of 5 N (simulated)
PULL_TIME = 0.10  # [s] for which it lasts
SETTLE_TIME = 0.5  # [s] in which the hand comes to rest and nothing counts
FORGET_TIME = 3.0  # [s] in which what changes slowly, such as creep, becomes the usual
LEVER = 0.10  # [m] from a finger's first joint to its tip


class PullWatch:
    """Notices in N worlds that the load on the fingers differs from the usual one.

    The servos are springs of a known stiffness, so that their lag is a torque; whoever pulls
    the object, whichever way, moves the fingers and changes it. Only changes count: the weight
    of the object and the squeeze are the usual.
    """

    def __init__(self, hand: HandModel, worlds: int) -> None:
        self._hand = hand
        self._fingers = hand.finger_joint_mask  # (F, J)
        self._usual = np.full((worlds, hand.joint_count), np.nan)
        self._watched = np.zeros(worlds)
        self._pulling = np.zeros(worlds)
        self._last = np.full(worlds, np.nan)
        self.force = np.zeros(worlds)

    def update(self, joints: Array, observation: Observation) -> Array:
        """(N,) bool: pulled for long enough. joints: (N, J) the targets in force [rad].

        `force` (N,) is then about how hard [N]. Time that stands still or runs backwards is none.
        """
        dt = np.where(np.isnan(self._last), 0.0, observation.time - self._last)
        dt = np.maximum(dt, 0.0)
        self._last = observation.time.copy()
        self._watched += dt
        torque = self._hand.stiffness * (joints - observation.joint_position)
        self._usual = np.where(np.isnan(self._usual), torque, self._usual)
        change = (torque - self._usual)[:, None, :] * self._fingers
        self.force = np.linalg.norm(change, axis=2).sum(axis=1) / LEVER
        settled = self._watched > SETTLE_TIME
        pulled = settled & (self.force > PULL_FORCE)
        self._pulling = np.where(pulled, self._pulling + dt, 0.0)
        share = np.minimum(dt / np.where(settled, FORGET_TIME, 0.2 * SETTLE_TIME), 1.0)
        share = np.where(pulled, 0.0, share)[:, None]
        self._usual += share * (torque - self._usual)
        return self._pulling > PULL_TIME
