"""Contact forces that hold an object, and the joint targets that produce them."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from dexgrasp.types import Array

CONE_EDGES = 8
WRENCH_WEIGHT = 30.0


def friction_cone(normals: Array, friction: float) -> Array:
    """(k, CONE_EDGES, 3) edges of the cones around unit `normals` (k, 3), normal part 1."""
    helper = np.where(np.abs(normals[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    first = np.cross(normals, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(normals, first)
    angles = np.linspace(0.0, 2.0 * np.pi, CONE_EDGES, endpoint=False)
    around = np.cos(angles)[:, None] * first[:, None] + np.sin(angles)[:, None] * second[:, None]
    return normals[:, None] + friction * around


def holding_forces(
    points: Array, normals: Array, pressing: Array, load: Array, center: Array, friction: float
) -> tuple[Array, float]:
    """Forces in the friction cones that carry `load` and press about as wished.

    points, normals: (k, 3) contacts [m] and unit normals into the object; pressing: (k,)
    wished normal forces [N]; load: (3,) external force at `center` [N]. Returns forces on
    the object (k, 3) [N] and, as a share of the total pressing, the norm of the wrench left
    over (moments over the mean contact radius) plus the pressing not reached. The squeeze rule of
    Dexonomy (arXiv 2504.18829) and FRoGGeR's force balance, as one non-negative least squares.
    """
    edges = friction_cone(normals, friction).reshape(-1, 3)
    arms = np.repeat(points - center, CONE_EDGES, axis=0)
    radius = max(float(np.linalg.norm(points - center, axis=1).mean()), 1e-3)
    wrench = np.vstack([edges.T, np.cross(arms, edges).T / radius])
    press = np.kron(np.eye(len(points)), np.ones(CONE_EDGES))
    matrix = np.vstack([WRENCH_WEIGHT * wrench, press])
    wanted = np.concatenate([WRENCH_WEIGHT * np.concatenate([-load, np.zeros(3)]), pressing])
    share, _ = nnls(matrix, wanted)
    forces = (share[:, None] * edges).reshape(len(points), CONE_EDGES, 3).sum(axis=1)
    left = np.linalg.norm(wrench @ share + np.concatenate([load, np.zeros(3)]))
    missing = np.maximum(pressing - press @ share, 0.0).sum()
    return forces, float((left + missing) / max(pressing.sum(), 1e-9))
