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


def completed_points(cloud: Array, view: ViewModel, symmetry: Symmetry) -> Array:
    """Visible points (n, 3) and those of their images that may exist."""
    turns = CIRCLE if symmetry.kind == "revolution" else 1
    images = symmetry.images(cloud[:: 4 if turns > 1 else 1], turns)
    free = view.free(images)
    consistent = free.max(axis=0) < IMAGE_TOLERANCE
    return np.concatenate([cloud, images[:, consistent].reshape(-1, 3)])


def upright_box(points: Array, table_height: float, beyond: float = BEYOND) -> tuple[Array, Array]:
    """Pose (4, 4) of the smallest upright box from the table to the top, and its edges (3,).

    The origin is the box's centre, z up, x along the longer horizontal edge. The footprint is
    the rectangle of least area, one side of which lies on the convex hull. beyond: share of the
    points above the top.
    """
    flat = points[:, :2].astype(np.float64)
    try:
        hull = flat[ConvexHull(flat).vertices]
    except QhullError:  # all points on one line
        hull = flat
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.round(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2), 4))
    axes = np.stack([np.cos(angles), np.sin(angles), -np.sin(angles), np.cos(angles)], axis=1)
    axes = axes.reshape(-1, 2, 2)
    place = np.einsum("kij,nj->kni", axes, hull)
    low, high = place.min(axis=1), place.max(axis=1)
    best = int((high - low).prod(axis=1).argmin())
    size, middle = high[best] - low[best], 0.5 * (low[best] + high[best])
    along = axes[best, 0] if size[0] >= size[1] else axes[best, 1]
    top = float(np.quantile(points[:, 2], 1.0 - beyond))
    height = max(top - table_height, 1e-3)
    T = np.eye(4)
    T[:3, 0] = [along[0], along[1], 0.0]
    T[:3, 1] = [-along[1], along[0], 0.0]
    T[:2, 3] = middle @ axes[best]
    T[2, 3] = table_height + 0.5 * height
    return T, np.array([size.max(), size.min(), height])
