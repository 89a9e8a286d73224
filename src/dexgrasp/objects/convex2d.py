"""Polygons of the plane: rounding their corners and splitting them into convex pieces."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.spatial import ConvexHull

from dexgrasp.types import Array

GAP = 0.0004  # [m] mean gap that a merged piece may have to the polygon it stands for
ARC_STEPS = 6
MINUTE = 1e-9


def rounded(points: Array, cut: float, closed: bool) -> Array:
    """(m, k) polyline with each corner replaced by a parabola that starts `cut` [m] before it.

    points: (n, k); the length is measured over the first three columns. `cut` is limited to
    half of the edges at the corner, so that a large one makes a smooth curve of them all.
    """
    points = np.asarray(points, dtype=float)
    if cut <= 0.0 or len(points) < 3:
        return points
    count = len(points)
    result: list[Array] = []
    for i, corner in enumerate(points):
        if not closed and i in (0, count - 1):
            result.append(corner[None])
            continue
        ends = []
        for other in (points[i - 1], points[(i + 1) % count]):
            length = np.linalg.norm((other - corner)[:3])
            ends.append(corner + (other - corner) * min(cut / max(length, MINUTE), 0.5))
        t = np.linspace(0.0, 1.0, ARC_STEPS)[:, None]
        result.append((1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * corner + t**2 * ends[1])
    curve = np.concatenate(result)
    following = np.roll(curve, -1, axis=0) if closed else np.vstack([curve[1:], curve[:1] + 1.0])
    return curve[np.linalg.norm((following - curve)[:, :3], axis=1) > 1e-6]


def convex_pieces(polygon: Array) -> list[Array]:
    """Convex polygons (m, 2) that fill a simple polygon (n, 2): slabs in y, merged greedily."""
    pieces = _trapezoids(np.asarray(polygon, dtype=float))
    return merge(pieces, lambda a, b: hull2d(np.vstack([a, b])), _fits)


def merge(
    pieces: list[Array],
    join: Callable[[Array, Array], Array],
    fits: Callable[[Array, Array, Array], bool],
) -> list[Array]:
    """Join pairs of pieces as long as one `fits`; the order of the pieces decides ties."""
    pieces = list(pieces)
    i = 0
    while i < len(pieces):
        for j in range(i + 1, len(pieces)):
            joined = join(pieces[i], pieces[j])
            if fits(pieces[i], pieces[j], joined):
                pieces[i] = joined
                del pieces[j]
                break
        else:
            i += 1
    return pieces


def hull2d(points: Array) -> Array:
    """Convex hull (m, 2) of points (n, 2), counter-clockwise."""
    return points[ConvexHull(points).vertices]


def area(polygon: Array) -> float:
    """Unsigned area of a simple polygon (n, 2)."""
    x, y = polygon.T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _fits(a: Array, b: Array, joined: Array) -> bool:
    # The hull of two pieces holds more than both by the gaps along its length.
    length = np.linalg.norm(np.ptp(joined, axis=0))
    return area(joined) - area(a) - area(b) < GAP * float(length)


def _trapezoids(polygon: Array) -> list[Array]:
    levels = np.unique(np.round(polygon[:, 1], 7))
    start, end = polygon, np.roll(polygon, -1, axis=0)
    pieces = []
    for low, high in pairwise(levels):
        middle = 0.5 * (low + high)
        crossing = (np.minimum(start[:, 1], end[:, 1]) < middle) & (
            np.maximum(start[:, 1], end[:, 1]) > middle
        )
        a, b = start[crossing], end[crossing]
        slope = (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
        at = [a[:, 0] + slope * (y - a[:, 1]) for y in (low, middle, high)]
        order = np.argsort(at[1])
        for left, right in zip(order[::2], order[1::2], strict=True):
            corners = [[at[0][left], low], [at[0][right], low]]
            corners += [[at[2][right], high], [at[2][left], high]]
            piece = np.array(corners)
            if area(piece) > 1e-12:
                pieces.append(hull2d(piece))
    return pieces
