"""How far an object moves in the hand while it is held."""

from __future__ import annotations

import numpy as np

from dexgrasp.geometry import inverse, rotation_between, transform_points
from dexgrasp.types import Array, GroundTruth

# Ours: the survey counts drops alone (`TrialCriteria`).
SLIP_DISTANCE = 0.01  # [m] and
SLIP_ANGLE = np.deg2rad(10.0)  # beyond which the object has slipped in the hand


class GripWatch:
    """Motion of object 0 in the palm's frame of N worlds since each one's first update.

    Feed it from the end of the full grasp to the end of the hold.
    drift: (N,) largest displacement of the centre of mass [m]; turn: (N,) largest rotation [rad].
    """

    def __init__(self, worlds: int) -> None:
        self.drift = np.zeros(worlds)
        self.turn = np.zeros(worlds)
        self.watched = np.zeros(worlds, dtype=bool)
        self._first_pose = np.tile(np.eye(4), (worlds, 1, 1))
        self._first_com = np.zeros((worlds, 3))

    def update(self, T_world_palm: Array, truth: GroundTruth, worlds: bool | Array = True) -> None:
        """One instant of some worlds, (N,) bool; T_world_palm: (N, 4, 4), the palm's truth."""
        T_palm_world = inverse(T_world_palm)
        pose = T_palm_world @ truth.T_world_object[:, 0]
        com = transform_points(T_palm_world, truth.object_com[:, :1])[:, 0]
        worlds = np.broadcast_to(worlds, self.watched.shape)
        new = worlds & ~self.watched
        self._first_pose[new], self._first_com[new] = pose[new], com[new]
        self.watched |= new
        drift = np.linalg.norm(com - self._first_com, axis=1)
        turn = np.linalg.norm(rotation_between(self._first_pose, pose), axis=1)
        self.drift = np.where(worlds, np.fmax(self.drift, drift), self.drift)
        self.turn = np.where(worlds, np.fmax(self.turn, turn), self.turn)

    @property
    def share(self) -> Array:
        """(N,) the motion as a share of what a slip is."""
        return np.fmax(self.drift / SLIP_DISTANCE, self.turn / SLIP_ANGLE)

    @property
    def slipped(self) -> Array:
        """(N,) bool: the object moved beyond SLIP_DISTANCE or SLIP_ANGLE."""
        return self.share > 1.0
