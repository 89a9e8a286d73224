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
PLANES = 4
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
        parameters = np.array([[*self.center, self.yaw]])
        return _images(self.kind, parameters, points, turns)[0]


def _images(kind: str, parameters: Array, points: Array, turns: int = TURNS) -> Array:
    """(k, g, n, 3) images of points (n, 3) under k groups of one kind: (x, y, yaw) (k, 3)."""
    maps = _maps(kind, parameters[:, 2], turns).astype(points.dtype)
    center = parameters[:, None, None, :2].astype(points.dtype)
    result = np.empty((*maps.shape[:2], *points.shape), points.dtype)
    result[..., :2] = (points[:, :2] - center) @ np.swapaxes(maps, 2, 3) + center
    result[..., 2] = points[:, 2]
    return result


def _maps(kind: str, yaw: Array, turns: int) -> Array:
    """(k, g, 2, 2) the level maps of k groups, identity first."""
    if kind == "none":
        return _turns(0.0 * yaw)[:, None]
    if kind == "revolution":
        circle = _turns(np.arange(turns) * 2.0 * np.pi / turns)
        return np.broadcast_to(circle, (len(yaw), turns, 2, 2))
    maps = [_turns(0.0 * yaw), _mirrors(yaw)]
    if kind == "two_planes":
        maps += [_mirrors(yaw + np.pi / 2), _turns(0.0 * yaw + np.pi)]
    return np.stack(maps, axis=1)


def _turns(angle: Array) -> Array:
    """(k, 2, 2) rotations by angles (k,)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([c, -s], axis=-1), np.stack([s, c], axis=-1)], axis=-2)


def _mirrors(yaw: Array) -> Array:
    """(k, 2, 2) reflections at the lines of directions (k,)."""
    c, s = np.cos(2.0 * yaw), np.sin(2.0 * yaw)
    return np.stack([np.stack([c, s], axis=-1), np.stack([s, -c], axis=-1)], axis=-2)


def find_symmetry(cloud: Array, view: ViewModel) -> Symmetry:
    """The largest symmetry that the visible cloud (n, 3) and its free space allow."""
    points = cloud[np.linspace(0, len(cloud) - 1, min(len(cloud), SEARCH_POINTS)).astype(int)]
    points = points.astype(np.float32)
    toward = view.rotation[:2, 2] / max(np.linalg.norm(view.rotation[:2, 2]), 1e-6)
    frame = np.stack([toward, [-toward[1], toward[0]]])  # rows: away from the camera, across
    revolution = _search_axis(points, view, frame)
    if contradiction(revolution, points, view) < REVOLUTION_SHARE:
        return revolution
    planes = [p for p in _search_planes(points, view) if _accepts(p, points, view)]
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


def _cost(free: Array) -> Array:
    """(k,) cost of k symmetries from the free margins (k, g, n) [m] of their images."""
    wrong = np.clip(free.max(axis=1) / SATURATION, 0.0, 1.0).mean(axis=-1)
    unseen = np.clip(-free / UNSEEN_DEPTH, 0.0, 1.0).mean(axis=(1, 2))
    return wrong + UNSEEN_WEIGHT * unseen


def _costs(kind: str, parameters: Array, points: Array, view: ViewModel) -> Array:
    return _cost(view.free(_images(kind, parameters, points)))


def _descend(kind: str, start: Array, steps: Array, points: Array, view: ViewModel) -> Symmetry:
    """Pattern search over (x, y, yaw): halve the steps (3,) where no neighbour is better."""
    best, cost = start, float(_costs(kind, start[None], points, view)[0])
    moves = np.vstack([np.diag(steps), -np.diag(steps)])
    moves = moves[np.abs(moves).sum(axis=1) > 0.0]
    for _ in range(10):
        around = best + moves
        costs = _costs(kind, around, points, view)
        if costs.min() < cost:
            best, cost = around[int(costs.argmin())], float(costs.min())
        else:
            moves = 0.5 * moves
    return Symmetry(kind, best[:2], float(best[2]))


def _search_axis(points: Array, view: ViewModel, frame: Array) -> Symmetry:
    local = points[:, :2] @ frame.T
    low, high = local.min(axis=0), local.max(axis=0)
    size = float((high - low).max())
    depth = np.linspace(low[0] + 0.2 * size, max(high[0], low[0] + 0.7 * size), 8)
    across = 0.5 * (low[1] + high[1]) + np.linspace(-0.3, 0.3, 7) * (high[1] - low[1])
    starts = np.zeros((len(depth) * len(across), 3))
    starts[:, :2] = np.stack(np.meshgrid(depth, across), axis=-1).reshape(-1, 2) @ frame
    best = starts[int(_costs("revolution", starts, points[::2], view).argmin())]
    step = 0.06 * size
    return _descend("revolution", best, np.array([step, step, 0.0]), points, view)


def _search_planes(points: Array, view: ViewModel) -> list[Symmetry]:
    """The best mirror planes of clearly different directions, best first."""
    middle = 0.5 * (points[:, :2].min(axis=0) + points[:, :2].max(axis=0))
    size = float(np.ptp(points[:, :2], axis=0).max())
    yaw, offset = np.meshgrid(np.arange(18) * np.pi / 18, np.linspace(-0.45, 0.45, 13) * size)
    yaw, offset = yaw.ravel(), offset.ravel()
    starts = np.stack([middle[0] - offset * np.sin(yaw), middle[1] + offset * np.cos(yaw), yaw], 1)
    costs = _costs("plane", starts, points, view)
    steps = np.array([0.04 * size, 0.04 * size, 0.09])
    chosen: list[int] = []
    for index in np.argsort(costs):
        turned = np.abs((yaw[index] - yaw[chosen] + np.pi / 2) % np.pi - np.pi / 2)
        if turned.min(initial=np.pi) > 0.3:
            chosen.append(int(index))
        if len(chosen) == PLANES:
            break
    planes = [_descend("plane", starts[i], steps, points, view) for i in chosen]
    ends = np.array([[*plane.center, plane.yaw] for plane in planes])
    return [planes[i] for i in np.argsort(_costs("plane", ends, points, view))]


def _second_plane(plane: Symmetry, points: Array, view: ViewModel) -> Symmetry:
    """The best group of `plane` and a plane square to it."""
    along = np.array([np.cos(plane.yaw), np.sin(plane.yaw)])
    place = (points[:, :2] - plane.center) @ along
    offsets = np.linspace(place.min(), place.max(), 17)
    starts = np.full((len(offsets), 3), plane.yaw)
    starts[:, :2] = plane.center + offsets[:, None] * along
    best = starts[int(_costs("two_planes", starts, points, view).argmin())]
    step = 0.5 * (offsets[1] - offsets[0])
    return _descend("two_planes", best, np.array([step, step, 0.03]), points, view)
