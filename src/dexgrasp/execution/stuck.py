"""Joints that do not move in the air."""

from __future__ import annotations

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Observation

LAG = 0.15  # [rad]; a free servo's lag at 6 rad/s, its damping over its stiffness, is 0.3 rad
STILL = 0.05  # [rad/s]; but what lags so far and is still has stopped
STUCK_TIME = 0.10  # [s]
# [m] between covering spheres of two fingers, below which they may block each other: 5 mm was seen
# where they did (LEAP), 6.6 mm are between its open ones.
NEAR = 0.006


class StuckJoints:
    """Finds joints of N worlds that are far from their targets and stand still.

    In the air only: a finger that touches something stands still because it should, and so
    does one that another finger is in the way of.
    """

    def __init__(self, hand: HandModel, worlds: int) -> None:
        self._hand = hand
        self._since = np.zeros((worlds, hand.joint_count))

    def update(self, free: Array, sent: Array, observation: Observation, dt: Array) -> Array:
        """(N,) bool: a joint is stuck.

        free: (N,) bool, the hand is in the air.  sent: (N, J) the targets in force [rad].
        dt: (N,) since the last call [s].
        """
        lag = np.abs(sent - observation.joint_position)
        still = (lag > LAG) & (np.abs(observation.joint_velocity) < STILL) & free[:, None]
        self._since = np.where(still, self._since + np.maximum(dt, 0.0)[:, None], 0.0)
        stuck = np.any(self._since > STUCK_TIME, axis=1)
        if stuck.any():
            rows = np.flatnonzero(stuck)
            stuck[rows] = self._hand.self_gap(observation.joint_position[rows]) > NEAR
        return stuck
