"""The upright box around an object whose back is not seen."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from dexgrasp.perception.symmetry import Symmetry
from dexgrasp.perception.view import ViewModel
from dexgrasp.types import Array

CIRCLE = 48
# An image of a seen point may lie this far in free space [m]: the noise of averaged points.
IMAGE_TOLERANCE = 0.0025
# Share of the points above the top: noise.
BEYOND = 0.005
# What one radian off the hull's long axis costs, as a share of the perimeter.
ALIGNMENT = 0.3


def completed_points(cloud: Array, view: ViewModel, symmetry: Symmetry) -> Array:
    """Visible points (n, 3) and those of their images that may exist."""
    turns = CIRCLE if symmetry.kind == "revolution" else 1
    images = symmetry.images(cloud[:: 4 if turns > 1 else 1], turns)
    free = view.free(images)
    consistent = free.max(axis=0) < IMAGE_TOLERANCE
    return np.concatenate([cloud, images[:, consistent].reshape(-1, 3)])


def upright_box(points: Array, table_height: float, beyond: float = BEYOND) -> tuple[Array, Array]:
    """Pose (4, 4) of the tightest upright box from the table to the top, and its edges (3,).

    The origin is the box's centre, z up, x along the longer horizontal edge. beyond: share of
    the points above the top.
    """
    size, middle, along = _rectangle(points[:, :2].astype(np.float64))
    top = float(np.quantile(points[:, 2], 1.0 - beyond))
    height = max(top - table_height, 1e-3)
    T = np.eye(4)
    T[:3, 0] = [along[0], along[1], 0.0]
    T[:3, 1] = [-along[1], along[0], 0.0]
    T[:2, 3] = middle
    T[2, 3] = table_height + 0.5 * height
    return T, np.array([*size, height])


def _rectangle(points: Array) -> tuple[Array, Array, Array]:
    """Edges (2,), the longer first, centre (2,) and direction (2,) of a rectangle around points.

    One of its sides lies on the convex hull (Freeman and Shapira 1975). Of those rectangles it
    is the one with least perimeter times a factor that grows with the angle to the hull's own
    long axis: around a triangle, such as a hammer's hull, three are almost equally tight, and
    noise must not choose.
    """
    try:
        hull = points[ConvexHull(points).vertices]
    except QhullError:  # all points on one line
        hull = points
    edges = np.roll(hull, -1, axis=0) - hull
    length = np.linalg.norm(edges, axis=1)
    offset = hull + 0.5 * edges
    offset = offset - length @ offset / max(length.sum(), 1e-9)
    spread, directions = np.linalg.eigh((offset * length[:, None]).T @ offset)
    axis = np.arctan2(directions[1, 1], directions[0, 1])
    slender = 1.0 - spread[0] / max(spread[1], 1e-12)
    angle = np.unique(np.round(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2), 4))
    axes = np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], axis=1)
    axes = axes.reshape(-1, 2, 2)
    place = np.einsum("kij,nj->kni", axes, hull)
    low, high = place.min(axis=1), place.max(axis=1)
    askew = np.abs((angle - axis + np.pi / 4) % (np.pi / 2) - np.pi / 4)
    best = int(((high - low).sum(axis=1) * (1.0 + ALIGNMENT * slender * askew)).argmin())
    size, middle = high[best] - low[best], 0.5 * (low[best] + high[best])
    order = np.argsort(-size, kind="stable")
    return size[order], middle @ axes[best], axes[best][order[0]]
