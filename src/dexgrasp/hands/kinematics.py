"""Batched forward kinematics and Jacobians of a tree of hinges, in the palm's frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dexgrasp.hands.urdf import Link
from dexgrasp.types import Array


@dataclass(frozen=True)
class KinematicArrays:
    """The tree as plain arrays, L links, parents before children, for compiled loops too.

    parent: (L,) int, -1 for the palm.  joint: (L,) int, -1 for the palm.
    rotation (L, 3, 3), position (L, 3) [m]: T_parent_link at angle 0.  axis: (L, 3) in the link.
    moves: (L, J) bool, which joints move which link.  link_of_joint: (J,).
    """

    parent: Array
    joint: Array
    rotation: Array
    position: Array
    axis: Array
    moves: Array
    link_of_joint: Array
    _levels: tuple[tuple[Array, Array], ...]
    _constant: Array
    _sine: Array
    _versine: Array

    @classmethod
    def build(cls, links: Sequence[Link]) -> KinematicArrays:
        """Arrays of `links`, whose parents come first."""
        parent = np.array([link.parent for link in links], dtype=np.int64)
        joint = np.array([link.joint for link in links], dtype=np.int64)
        count = int(joint.max()) + 1
        moves = np.zeros((len(links), count), dtype=bool)
        depth = np.zeros(len(links), dtype=int)
        for index, link in enumerate(links):
            if link.parent >= 0:
                moves[index] = moves[link.parent]
                moves[index, link.joint] = True
                depth[index] = depth[link.parent] + 1
        levels = tuple(
            (np.flatnonzero(depth == d), parent[depth == d]) for d in range(1, depth.max() + 1)
        )
        rotation = np.array([link.T_parent_link[:3, :3] for link in links])
        axis = np.array([link.axis for link in links])
        cross = np.cross(axis[:, None, :], np.eye(3)[None]).swapaxes(1, 2)
        return cls(
            parent=parent,
            joint=joint,
            rotation=rotation,
            position=np.array([link.T_parent_link[:3, 3] for link in links]),
            axis=axis,
            moves=moves,
            link_of_joint=np.argsort(joint)[-count:],
            _levels=levels,
            # Rodrigues: R(q) = 1 + sin q K + (1 - cos q) K^2, multiplied by the offset once
            _constant=rotation,
            _sine=rotation @ cross,
            _versine=rotation @ cross @ cross,
        )

    def forward(self, q: Array) -> Array:
        """(n, L, 4, 4) poses of the links in the palm at joints q (n, J) [rad]."""
        angle = q[:, self.joint]  # the palm's -1 reads some joint, and is not used
        sine, versine = np.sin(angle)[..., None, None], (1.0 - np.cos(angle))[..., None, None]
        turn = self._constant + sine * self._sine + versine * self._versine
        rotation = np.broadcast_to(np.eye(3), turn.shape).copy()
        position = np.zeros(turn.shape[:3])
        for links, parents in self._levels:
            up = rotation[:, parents]
            rotation[:, links] = up @ turn[:, links]
            moved = (up @ self.position[links][..., None])[..., 0]
            position[:, links] = position[:, parents] + moved
        poses = np.zeros((*angle.shape, 4, 4))
        poses[..., :3, :3], poses[..., :3, 3], poses[..., 3, 3] = rotation, position, 1.0
        return poses

    def axes(self, poses: Array) -> Array:
        """(n, J, 3) joint axes in the palm, from link poses (n, L, 4, 4)."""
        own = self.link_of_joint
        return (poses[:, own, :3, :3] @ self.axis[own][..., None])[..., 0]

    def jacobian(self, poses: Array, links: Array, points: Array) -> Array:
        """(n, k, 3, J) velocity of `points` (n, k, 3) in the palm, fixed to `links` (k,)."""
        origins = poses[:, self.link_of_joint][..., :3, 3]
        arms = points[:, :, None] - origins[:, None]  # (n, k, J, 3)
        columns = np.cross(self.axes(poses)[:, None], arms)
        columns *= self.moves[links][None, :, :, None]
        return columns.swapaxes(2, 3)

    def angular_jacobian(self, poses: Array, links: Array) -> Array:
        """(n, k, 3, J) angular velocity of `links` (k,) in the palm."""
        columns = self.axes(poses)[:, None] * self.moves[links][None, :, :, None]
        return columns.swapaxes(2, 3)
