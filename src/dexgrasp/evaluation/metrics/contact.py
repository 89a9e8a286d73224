"""Contact and penetration figures. Definitions: the survey's table of metrics."""

from __future__ import annotations

import numpy as np

from dexgrasp.types import Array


def contact_map(distance: Array, threshold: float, soft: bool = False) -> Array:
    """Contact (..., N) in [0, 1] of an object's points, from their distances to the hand [m].

    A point is in contact, 1, within `threshold` [m], else 0. Soft (ours): 1 where surfaces
    touch or overlap, falling linearly to 0 at the threshold. Raises ValueError for a
    threshold that is not positive.
    """
    if not threshold > 0.0:
        raise ValueError(f"the contact threshold is {threshold}; it must be positive [m]")
    distance = np.asarray(distance, dtype=float)
    if soft:
        return np.clip(1.0 - distance / threshold, 0.0, 1.0)
    return (distance < threshold).astype(float)


def contact_distance(first: Array, second: Array) -> Array:
    """Euclidean distance (...,) of contact maps (..., N) in [0, 1]; at most sqrt(N).

    Raises ValueError for maps of different shapes or beyond [0, 1].
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.shape != second.shape:
        raise ValueError(f"contact maps {first.shape} and {second.shape} are of different points")
    for values in (first, second):
        if not ((values >= 0.0) & (values <= 1.0)).all():
            raise ValueError("a contact map holds values beyond [0, 1]")
    return np.linalg.norm(first - second, axis=-1)


def contact_ratio(distance: Array, threshold: float) -> float:
    """Share of the object's points within `threshold` [m] of the hand; distances (n,) [m]."""
    return float((np.asarray(distance) < threshold).mean())


def contact_rate(distance: Array, threshold: float) -> float:
    """Share of grasps with any contact; distances (n, N) [m] of the object's points.

    Raises ValueError for an empty set.
    """
    distance = np.asarray(distance, dtype=float)
    if distance.ndim != 2 or len(distance) == 0:
        raise ValueError(f"distances {distance.shape} are not of a set; expected (n, N), n > 0")
    return float((distance < threshold).any(axis=1).mean())


def contact_area(distance: Array, surface: float, threshold: float) -> float:
    """Object surface [m2] within `threshold` [m] of the hand.

    distance: (n,) from points spread evenly over `surface` [m2] to the hand [m].
    """
    return contact_ratio(distance, threshold) * surface


def contact_count(distance: Array, threshold: float) -> int:
    """Number of fingertips, distances (F,) [m] to the object, that touch it."""
    return int((np.asarray(distance) < threshold).sum())


def penetration_depth(distance: Array) -> float:
    """Depth [m] of the deepest of the hand's points, from their signed distances (n,) [m]."""
    return float(np.maximum(-np.asarray(distance), 0.0).max(initial=0.0))


def penetration_volume(cells: int, edge: float) -> float:
    """Volume [m3] of `cells` cubes of `edge` [m] that are inside hand and object."""
    return float(cells) * edge**3
