"""The symmetry about the vertical under which a half-seen object is consistent with its view.

A symmetry is acceptable when it moves no seen point into seen free space (Thrun and Wegbreit,
ICCV 2005, score mirrored points in the same way). The search is over vertical axes of
revolution and vertical mirror planes; the largest acceptable symmetry completes most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexgrasp.perception.view import ViewModel
from dexgrasp.types import Array

SEARCH_POINTS = 120
TURNS = 10
# A seen point moved further than this into free space contradicts the symmetry [m].
TOLERANCE = 0.005
# Beyond this a contradiction is as bad as it gets, so that a handle cannot move the axis [m].
SATURATION = 0.010
# Unseen images cost a little, so that of two consistent planes the one that adds less wins.
UNSEEN_WEIGHT, UNSEEN_DEPTH = 0.15, 0.05
# Largest share of contradicting points. A mug's handle is an eighth of what is seen of it;
# the corners of a square box seen as a cylinder are four tenths.
REVOLUTION_SHARE, MIRROR_SHARE = 0.2, 0.07


@dataclass(frozen=True)
class Symmetry:
    """A point group about the vertical.

    kind: `revolution`, `two_planes`, `plane` or `none`.
    center: (2,) a point of the axis or of the planes [m].
    yaw: direction of the first plane [rad]; the second is square to it.
    """

    kind: str
    center: Array
    yaw: float = 0.0

    def images(self, points: Array, turns: int = TURNS) -> Array:
        """(g, n, 3) images of points (n, 3) under the group, the points themselves first."""
        maps = self._maps(turns)
        center = np.append(self.center, 0.0).astype(points.dtype)
        return (points - center) @ np.swapaxes(maps, 1, 2).astype(points.dtype) + center

    def _maps(self, turns: int) -> Array:
        if self.kind == "revolution":
            return np.stack([_turn(a) for a in np.arange(turns) * 2.0 * np.pi / turns])
        if self.kind == "two_planes":
            return np.stack([np.eye(3), _mirror(self.yaw), _mirror(self.yaw + np.pi / 2), _turn(np.pi)])
        if self.kind == "plane":
            return np.stack([np.eye(3), _mirror(self.yaw)])
        return np.eye(3)[None]


def find_symmetry(cloud: Array, view: ViewModel) -> Symmetry:
    """The largest symmetry that the visible cloud (n, 3) and its free space allow."""
    points = cloud[np.linspace(0, len(cloud) - 1, min(len(cloud), SEARCH_POINTS)).astype(int)]
    points = points.astype(np.float32)
    toward = view.rotation[:2, 2] / max(np.linalg.norm(view.rotation[:2, 2]), 1e-6)
    frame = np.stack([toward, [-toward[1], toward[0]]])  # rows: away from the camera, across
    revolution = _search_axis(points, view, frame)
    if contradiction(revolution, points, view) < REVOLUTION_SHARE:
        return revolution
    planes = [p for p in _search_planes(points, view, frame) if _accepts(p, points, view)]
    for plane in planes:
        pair = _second_plane(plane, points, view)
        if _accepts(pair, points, view):
            return pair
    return planes[0] if planes else Symmetry("none", points[:, :2].mean(axis=0))


def contradiction(symmetry: Symmetry, points: Array, view: ViewModel) -> float:
    """Share of the points (n, 3) that some element of the group moves into free space."""
    return float((view.free(symmetry.images(points)).max(axis=0) > TOLERANCE).mean())


def _accepts(symmetry: Symmetry, points: Array, view: ViewModel) -> bool:
    return contradiction(symmetry, points, view) < MIRROR_SHARE


def _turn(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _mirror(yaw: float) -> Array:
    """Reflection at the vertical plane through the z axis that contains direction `yaw`."""
    c, s = np.cos(2.0 * yaw), np.sin(2.0 * yaw)
    return np.array([[c, s, 0.0], [s, -c, 0.0], [0.0, 0.0, 1.0]])


def _cost(free: Array) -> Array:
    """(k,) cost of k symmetries from the free margins (k, g, n) [m] of their images."""
    wrong = np.clip(free.max(axis=1) / SATURATION, 0.0, 1.0).mean(axis=-1)
    unseen = np.clip(-free / UNSEEN_DEPTH, 0.0, 1.0).mean(axis=(1, 2))
    return wrong + UNSEEN_WEIGHT * unseen


def _costs(symmetries: list[Symmetry], points: Array, view: ViewModel) -> Array:
    return _cost(view.free(np.stack([s.images(points) for s in symmetries])))


def _descend(start: Symmetry, steps: Array, points: Array, view: ViewModel) -> Symmetry:
    """Pattern search over (x, y, yaw): halve the steps (3,) where no neighbour is better."""
    best, cost = start, float(_costs([start], points, view)[0])
    moves = np.vstack([np.eye(3), -np.eye(3)]) * steps
    moves = moves[np.abs(moves).sum(axis=1) > 0.0]
    for _ in range(10):
        around = [Symmetry(best.kind, best.center + m[:2], best.yaw + m[2]) for m in moves]
        costs = _costs(around, points, view)
        if costs.min() < cost:
            best, cost = around[int(costs.argmin())], float(costs.min())
        else:
            moves = 0.5 * moves
    return best


def _search_axis(points: Array, view: ViewModel, frame: Array) -> Symmetry:
    local = points[:, :2] @ frame.T
    low, high = local.min(axis=0), local.max(axis=0)
    size = float((high - low).max())
    depth = np.linspace(low[0] + 0.2 * size, max(high[0], low[0] + 0.7 * size), 8)
    across = 0.5 * (low[1] + high[1]) + np.linspace(-0.3, 0.3, 7) * (high[1] - low[1])
    centers = np.stack(np.meshgrid(depth, across), axis=-1).reshape(-1, 2) @ frame
    starts = [Symmetry("revolution", c) for c in centers]
    best = starts[int(_costs(starts, points[::2], view).argmin())]
    step = 0.06 * size
    return _descend(best, np.array([step, step, 0.0]), points, view)


def _search_planes(points: Array, view: ViewModel, frame: Array) -> list[Symmetry]:
    """The best mirror planes of clearly different directions, best first."""
    middle = 0.5 * (points[:, :2].min(axis=0) + points[:, :2].max(axis=0))
    size = float(np.ptp(points[:, :2], axis=0).max())
    starts = [
        Symmetry("plane", middle + offset * np.array([-np.sin(yaw), np.cos(yaw)]), yaw)
        for yaw in np.arange(18) * np.pi / 18
        for offset in np.linspace(-0.45, 0.45, 13) * size
    ]
    costs = _costs(starts, points, view)
    found: list[Symmetry] = []
    for index in np.argsort(costs):
        turned = [abs((starts[index].yaw - f.yaw + np.pi / 2) % np.pi - np.pi / 2) for f in found]
        if min(turned, default=np.pi) > 0.3:
            steps = np.array([0.04 * size, 0.04 * size, 0.09])
            found.append(_descend(starts[index], steps, points, view))
        if len(found) == 4:
            break
    return sorted(found, key=lambda plane: float(_costs([plane], points, view)[0]))


def _second_plane(plane: Symmetry, points: Array, view: ViewModel) -> Symmetry:
    """The best group of `plane` and a plane square to it."""
    along = np.array([np.cos(plane.yaw), np.sin(plane.yaw)])
    place = (points[:, :2] - plane.center) @ along
    offsets = np.linspace(place.min(), place.max(), 17)
    starts = [Symmetry("two_planes", plane.center + o * along, plane.yaw) for o in offsets]
    best = starts[int(_costs(starts, points, view).argmin())]
    step = 0.5 * (offsets[1] - offsets[0])
    return _descend(best, np.array([step, step, 0.03]), points, view)
