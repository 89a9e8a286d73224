"""The wrenches that contacts can apply, and what they resist."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, QhullError

from dexgrasp.types import Array

CONE_EDGES = 8  # DexGraspBench, UniDexGrasp, BODex
RANK_TOLERANCE = 1e-6


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
    edges: int = CONE_EDGES,
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
    wrenches = contact_wrenches(points, normals, center, friction, arm, torsion, edges)
    if np.linalg.matrix_rank(wrenches - wrenches.mean(axis=0), tol=RANK_TOLERANCE) < 6:
        return 0.0
    try:
        offsets = ConvexHull(wrenches).equations[:, -1]
    except QhullError:  # flatter than the rank shows: no ball fits
        return 0.0
    return max(0.0, float((-offsets).min()))


def min_weight(wrenches: Array) -> float:
    """FRoGGeR's normalised min-weight in [0, 1] of wrenches (m, 6); above 0 is force closure.

    The largest l for which convex weights of the wrenches, all at least l, sum to no wrench,
    times m (Li and others, 2302.13687); -1 where no convex weights do.
    """
    wrenches = np.asarray(wrenches, dtype=float)
    count = len(wrenches)
    if count == 0:
        return -1.0
    balance = np.zeros((7, count + 1))
    balance[:6, :count], balance[6, :count] = wrenches.T, 1.0
    above = np.hstack([-np.eye(count), np.ones((count, 1))])
    solution = linprog(
        np.r_[np.zeros(count), -1.0],
        A_ub=above,
        b_ub=np.zeros(count),
        A_eq=balance,
        b_eq=np.r_[np.zeros(6), 1.0],
        bounds=[(0.0, None)] * (count + 1),
    )
    return -1.0 if solution.x is None else float(solution.x[-1]) * count
