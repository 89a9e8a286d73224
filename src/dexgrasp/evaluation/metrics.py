"""Metrics as pure functions. Definitions: the survey's table of metrics unless named."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, KDTree, QhullError

from dexgrasp.types import Array

CONE_EDGES = 8  # DexGraspBench, UniDexGrasp, BODex
RANK_TOLERANCE = 1e-6


def chamfer_distance(first: Array, second: Array, squared: bool = True) -> float:
    """Mean nearest distance from cloud (n, 3) to (m, 3) plus the reverse: [m2], or [m].

    Raises ValueError for an empty cloud.
    """
    if len(first) == 0 or len(second) == 0:
        raise ValueError("the chamfer distance of an empty cloud is not defined")
    forth, back = KDTree(second).query(first)[0], KDTree(first).query(second)[0]
    power = 2 if squared else 1
    return float((forth**power).mean() + (back**power).mean())


def penetration_depth(distance: Array) -> float:
    """Depth [m] of the deepest of the hand's points, from their signed distances (n,) [m]."""
    return float(np.maximum(-np.asarray(distance), 0.0).max(initial=0.0))


def penetration_volume(cells: int, edge: float) -> float:
    """Volume [m3] of `cells` cubes of `edge` [m] that are inside hand and object."""
    return float(cells) * edge**3


def contact_ratio(distance: Array, threshold: float) -> float:
    """Share of the object's points within `threshold` [m] of the hand; distances (n,) [m]."""
    return float((np.asarray(distance) < threshold).mean())


def contact_area(distance: Array, surface: float, threshold: float) -> float:
    """Object surface [m2] within `threshold` [m] of the hand.

    distance: (n,) from points spread evenly over `surface` [m2] to the hand [m].
    """
    return contact_ratio(distance, threshold) * surface


def contact_count(distance: Array, threshold: float) -> int:
    """Number of fingertips, distances (F,) [m] to the object, that touch it."""
    return int((np.asarray(distance) < threshold).sum())


def displacement(initial: Array, final: Array) -> Array:
    """Way (...,) [m] of the centre of mass between positions (..., 3) [m]."""
    return np.linalg.norm(np.asarray(final) - np.asarray(initial), axis=-1)


def contact_wrenches(
    points: Array,
    normals: Array,
    center: Array,
    friction: float,
    arm: float,
    torsion: float = 0.0,
    edges: int = CONE_EDGES,
) -> Array:
    """Wrenches (n, 6) of unit normal forces along the edges of the friction cones.

    points: (k, 3) [m].  normals: (k, 3) unit, into the object.  Torques are about `center`
    (3,) and divided by `arm` [m], so that all six components are forces.  torsion: moment
    about the normal per normal force [m] of a soft finger, which adds two wrenches a contact.
    """
    points, normals = np.asarray(points, float), np.asarray(normals, float)
    helper = np.where(np.abs(normals[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    first = np.cross(normals, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(normals, first)
    angle = 2.0 * np.pi * np.arange(edges) / edges
    tangent = np.cos(angle)[:, None] * first[:, None] + np.sin(angle)[:, None] * second[:, None]
    force = normals[:, None] + friction * tangent
    moment = np.cross((points - center)[:, None], force) / arm
    wrenches = [np.concatenate([force, moment], axis=-1).reshape(-1, 6)]
    if torsion > 0.0:
        push = np.cross(points - center, normals)
        for sign in (1.0, -1.0):
            wrenches.append(np.hstack([normals, (push + sign * torsion * normals) / arm]))
    return np.concatenate(wrenches)


def q1(
    points: Array,
    normals: Array,
    center: Array,
    friction: float,
    arm: float | None = None,
    torsion: float = 0.0,
) -> float:
    """Radius of the largest ball about the origin in the hull of all contact wrenches (L1).

    Ferrari and Canny's epsilon, 0 when the contacts (k, 3) do not close by force. `arm` [m]
    is the mean distance of the contacts from `center` by default, as in DexGraspBench, which
    makes the figure independent of the object's size. Other arguments: `contact_wrenches`.
    """
    if len(points) < 2:
        return 0.0
    if arm is None:
        arm = float(np.linalg.norm(np.asarray(points) - center, axis=1).mean())
    wrenches = contact_wrenches(points, normals, center, friction, arm, torsion)
    if np.linalg.matrix_rank(wrenches - wrenches.mean(axis=0), tol=RANK_TOLERANCE) < 6:
        return 0.0
    try:
        offsets = ConvexHull(wrenches).equations[:, -1]
    except QhullError:  # flatter than the rank shows: no ball fits
        return 0.0
    return max(0.0, float((-offsets).min()))
