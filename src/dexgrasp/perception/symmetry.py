"""The symmetry about the vertical under which a half-seen object is consistent with its view.

A symmetry is acceptable when it moves no seen point into seen free space (Thrun and Wegbreit,
ICCV 2005, score mirrored points in the same way). The search is over vertical axes of
revolution and vertical mirror planes; the largest acceptable symmetry completes most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexgrasp.perception.axis import refined_axis
from dexgrasp.perception.cloud import surface_normals
from dexgrasp.perception.kernels import group_costs
from dexgrasp.perception.view import ViewModel
from dexgrasp.types import Array

SEARCH_POINTS, CHECK_POINTS, AXIS_POINTS = 120, 600, 1500
TURNS = 10
# Starts that are refined.
AXES, PLANES = 3, 3
# A seen point moved further than this into free space contradicts the symmetry [m].
TOLERANCE = 0.005
# Beyond this a contradiction is as bad as it gets, so that a handle cannot move the axis [m].
SATURATION = 0.010
# Unseen images cost a little, so that of two consistent planes the one that adds less wins.
UNSEEN_WEIGHT, UNSEEN_DEPTH = 0.15, 0.05
# More contradiction than this shall no fit to the radii bring: a mug's handle brings half of it.
FITTED_SHARE = 0.20
SETTLED_WEIGHT, SETTLING = 0.02, np.array([0.003, 0.003, 0.02])  # first steps [m, rad]
# Largest shares of contradicting points. What is seen of a mug is up to a quarter handle; a
# square box seen as a cylinder contradicts itself at three tenths or more, but then it has two
# planes. A mug's two planes contradict at its handle.
REVOLUTION_SHARE, PAIR_SHARE, HANDLED_SHARE, PLANE_SHARE = 0.20, 0.03, 0.28, 0.07


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
        """(g, n, 3) images of points (n, 3) under the group, the points themselves first.

        turns: how many rotations stand for a revolution.
        """
        count, mirrored = _group(self.kind, turns)
        angle = np.arange(count) * 2.0 * np.pi / count
        maps = _rotations(angle)
        if mirrored:
            flip = np.diag([1.0, -1.0])
            maps = np.concatenate([maps, _rotations(angle + 2.0 * self.yaw) @ flip])
        center = self.center.astype(points.dtype)
        level = (points[:, :2] - center) @ np.swapaxes(maps, 1, 2).astype(points.dtype) + center
        height = np.broadcast_to(points[:, 2:], (*level.shape[:2], 1))
        return np.concatenate([level, height], axis=2)


def _group(kind: str, turns: int = TURNS) -> tuple[int, bool]:
    """Number of rotations, and whether each is also mirrored."""
    return {"revolution": (turns, False), "two_planes": (2, True), "plane": (1, True)}.get(
        kind, (1, False)
    )


def _rotations(angle: Array) -> Array:
    """(k, 2, 2) rotations by angles (k,)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([c, -s], axis=-1), np.stack([s, c], axis=-1)], axis=-2)


def find_symmetry(cloud: Array, view: ViewModel) -> Symmetry:
    """The largest symmetry that the visible cloud (n, 3) and its free space allow."""
    points = _spread(cloud, SEARCH_POINTS)
    checked = _spread(cloud, CHECK_POINTS)
    revolution = _search_axis(points, view)
    turned = contradiction(revolution, checked, view)
    if turned < REVOLUTION_SHARE:
        return _refined(revolution, turned, checked, cloud, view)
    planes = _search_planes(points, view)
    for plane in planes:
        if contradiction(plane, checked, view) < PLANE_SHARE:
            pair = _second_plane(plane, points, view)
            if contradiction(pair, checked, view) < PAIR_SHARE:
                return _settled(pair, checked, view)
    if turned < HANDLED_SHARE:
        return _refined(revolution, turned, checked, cloud, view)
    if planes and contradiction(planes[0], checked, view) < PLANE_SHARE:
        return planes[0]
    return Symmetry("none", points[:, :2].mean(axis=0))


def contradiction(symmetry: Symmetry, points: Array, view: ViewModel) -> float:
    """Share of the points (n, 3) that some element of the group moves into free space."""
    return float((view.free(symmetry.images(points)).max(axis=0) > TOLERANCE).mean())


def _spread(cloud: Array, count: int) -> Array:
    """About `count` points from all over a thinned cloud, whose order follows its voxels."""
    index = np.linspace(0, len(cloud) - 1, min(len(cloud), count)).astype(int)
    return np.asarray(cloud[index], np.float64)


def _costs(
    kind: str, parameters: Array, points: Array, view: ViewModel, unseen: float = UNSEEN_WEIGHT
) -> Array:
    """(k,) costs of the groups of one kind at (x, y, yaw) (k, 3)."""
    result = np.empty(len(parameters))
    turns, mirrored = _group(kind)
    group_costs(
        parameters, turns, mirrored, points, view.arrays,
        SATURATION, unseen, UNSEEN_DEPTH, result,
    )  # fmt: skip
    return result


def _descend(
    kind: str,
    start: Array,
    steps: Array,
    points: Array,
    view: ViewModel,
    unseen: float = UNSEEN_WEIGHT,
) -> Symmetry:
    """Pattern search over (x, y, yaw): halve the steps (3,) where no neighbour is better."""
    best, cost = start, float(_costs(kind, start[None], points, view, unseen)[0])
    moves = np.vstack([np.diag(steps), -np.diag(steps)])
    moves = moves[np.abs(moves).sum(axis=1) > 0.0]
    for _ in range(9):
        around = best + moves
        costs = _costs(kind, around, points, view, unseen)
        if costs.min() < cost:
            best, cost = around[int(costs.argmin())], float(costs.min())
        else:
            moves = 0.5 * moves
    return Symmetry(kind, best[:2], float(best[2]))


def _search_axis(points: Array, view: ViewModel) -> Symmetry:
    toward = view.rotation[:2, 2] / max(float(np.linalg.norm(view.rotation[:2, 2])), 1e-6)
    frame = np.stack([toward, [-toward[1], toward[0]]])  # away from the camera, and across
    local = points[:, :2] @ frame.T
    low, high = local.min(axis=0), local.max(axis=0)
    size = float((high - low).max())
    depth = np.linspace(low[0] + 0.2 * size, max(high[0], low[0] + 0.7 * size), 8)
    across = 0.5 * (low[1] + high[1]) + np.linspace(-0.3, 0.3, 7) * (high[1] - low[1])
    starts = np.zeros((len(depth) * len(across), 3))
    starts[:, :2] = np.stack(np.meshgrid(depth, across), axis=-1).reshape(-1, 2) @ frame
    best = np.argsort(_costs("revolution", starts, points, view))[:AXES]
    step = 0.06 * size
    steps = np.array([step, step, 0.0])
    axes = [_descend("revolution", starts[i], steps, points, view) for i in best]
    return min(axes, key=lambda axis: contradiction(axis, points, view))


def _refined(
    axis: Symmetry, turned: float, checked: Array, cloud: Array, view: ViewModel
) -> Symmetry:
    """The axis fitted to the radii of the points that do not contradict it.

    turned: its contradiction by `checked`; the fit to a shape that is none of revolution has more.
    """
    points = _spread(cloud, AXIS_POINTS)
    normals = surface_normals(points, view.origin)
    body = view.free(axis.images(points)).max(axis=0) < TOLERANCE
    if not body.any():
        return axis
    fitted = Symmetry(axis.kind, refined_axis(points[body], normals[body], axis.center))
    return fitted if contradiction(fitted, checked, view) < turned + FITTED_SHARE else axis


def _settled(planes: Symmetry, points: Array, view: ViewModel) -> Symmetry:
    """The planes where they contradict least: what they add hardly counts any more."""
    start = np.array([*planes.center, planes.yaw])
    return _descend(planes.kind, start, SETTLING, points, view, SETTLED_WEIGHT)


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
