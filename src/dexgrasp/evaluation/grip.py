"""How far an object moves in the hand while it is held."""

from __future__ import annotations

import numpy as np

from dexgrasp.geometry import inverse, rotation_between, transform_points
from dexgrasp.types import Array, GroundTruth

SLIP_DISTANCE = 0.01  # [m] and
SLIP_ANGLE = np.deg2rad(10.0)  # beyond which the object has slipped (issue 5)


class GripWatch:
    """Motion of object 0 in the palm's frame of N worlds since the first update.

    Feed it from the end of the full grasp to the end of the hold.
    drift: (N,) largest displacement of the centre of mass [m]; turn: (N,) largest rotation [rad].
    """

    def __init__(self, worlds: int) -> None:
        self.drift = np.zeros(worlds)
        self.turn = np.zeros(worlds)
        self._first: tuple[Array, Array] | None = None

    def update(self, T_world_palm: Array, truth: GroundTruth) -> None:
        """One instant; T_world_palm: (N, 4, 4), where the palm truly is."""
        T_palm_world = inverse(T_world_palm)
        pose = T_palm_world @ truth.T_world_object[:, 0]
        com = transform_points(T_palm_world, truth.object_com[:, :1])[:, 0]
        if self._first is None:
            self._first = pose, com
        first_pose, first_com = self._first
        self.drift = np.fmax(self.drift, np.linalg.norm(com - first_com, axis=1))
        angle = np.linalg.norm(rotation_between(first_pose, pose), axis=1)
        self.turn = np.fmax(self.turn, angle)

    @property
    def held(self) -> bool:
        """Whether there was anything to watch."""
        return self._first is not None

    @property
    def slipped(self) -> Array:
        """(N,) bool: the object moved beyond SLIP_DISTANCE or SLIP_ANGLE."""
        return (self.drift > SLIP_DISTANCE) | (self.turn > SLIP_ANGLE)
