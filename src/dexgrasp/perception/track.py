"""Whether a held object moves in the hand: its seen points, registered from view to view."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from dexgrasp.errors import SceneError
from dexgrasp.geometry import inverse, transform_points
from dexgrasp.perception.cloud import surface_normals, thin_to
from dexgrasp.types import Array

SPACING, MOST_POINTS = 0.004, 400  # [m] of the reference, and how many it has at most
FEWEST_POINTS = 30
ROUNDS = 8  # of closest points
PAIRED = 0.008  # [m] between two points that may be the same
LEAST_PAIRED = 0.4  # of the reference; with less too much is hidden to tell
# What the points do not show, such as the turn of a bottle about its axis, is taken for rest.
REST = 0.02


class HeldObject:
    """An object between fingers, as seen when the lift begins.

    cloud: (n, 3) its visible points in the world [m].  view_point: (3,) camera [m].
    T_world_palm: (4, 4) then. Raises SceneError for a cloud of less than FEWEST_POINTS.
    """

    def __init__(self, cloud: Array, T_world_palm: Array) -> None:
        cloud = thin_to(np.asarray(cloud, float), SPACING, MOST_POINTS)
        if len(cloud) < FEWEST_POINTS:
            raise SceneError(
                f"{len(cloud)} points are seen in the hand; {FEWEST_POINTS} are needed"
            )
        self._reference = transform_points(inverse(T_world_palm), cloud)
        self._center = self._reference.mean(axis=0)
        self._radius = float(np.sqrt(((self._reference - self._center) ** 2).sum(axis=1).mean()))
        self._motion = np.eye(4)

    def follow(self, cloud: Array, view_point: Array, T_world_palm: Array) -> Array | None:
        """(4, 4) the pose in the world of a frame that is fixed to the object and began as the
        palm's; None when too little of the object is seen.

        cloud: (n, 3) points near the hand that are not the hand's [m].  view_point: (3,) [m].
        Point-to-plane registration (Chen and Medioni, 1992) from the last estimate on.
        """
        T_palm_world = inverse(T_world_palm)
        points = transform_points(T_palm_world, np.asarray(cloud, float))
        if len(points) < FEWEST_POINTS:
            return None
        normals = surface_normals(points, transform_points(T_palm_world, view_point[None])[0])
        tree, motion = KDTree(points), self._motion
        for _ in range(ROUNDS):
            moved = transform_points(motion, self._reference)
            gap, nearest = (np.asarray(found) for found in tree.query(moved))
            paired = gap < PAIRED
            if paired.mean() < LEAST_PAIRED:
                return None
            there = points[nearest[paired]], normals[nearest[paired]]
            motion = self._step(moved[paired], *there, self._so_far(motion)) @ motion
        self._motion = motion
        return T_world_palm @ motion

    def _so_far(self, motion: Array) -> Array:
        """(6,) turn, times the radius, and way of the centre of a motion (4, 4) [m]."""
        turn = Rotation.from_matrix(motion[:3, :3]).as_rotvec()
        way = transform_points(motion, self._center[None])[0] - self._center
        return np.concatenate([self._radius * turn, way])

    def _step(self, moved: Array, points: Array, normals: Array, so_far: Array) -> Array:
        """(4, 4) small motion of points (m, 3) towards the planes through others (m, 3).

        so_far: of `_so_far`; what the planes do not tell goes back to rest.
        """
        arms = (moved - self._center) / self._radius
        rows = np.concatenate([np.cross(arms, normals), normals], axis=1)
        gaps = ((points - moved) * normals).sum(axis=1)
        rest = REST * len(rows)
        x = np.linalg.solve(rows.T @ rows + rest * np.eye(6), rows.T @ gaps - rest * so_far)
        step = np.eye(4)
        step[:3, :3] = Rotation.from_rotvec(x[:3] / self._radius).as_matrix()
        step[:3, 3] = x[3:] + self._center - step[:3, :3] @ self._center
        return step
