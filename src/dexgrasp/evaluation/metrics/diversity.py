"""How different the grasps of a set are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial.transform import Rotation

from dexgrasp.types import Array

CLUSTERS = 20  # as hand-generation papers since GraspTTA take
RESTARTS = 8  # of k-means, the tightest wins


@dataclass(frozen=True)
class Diversity:
    """Standard deviations of a set.

    translation: root mean square distance from the mean position [m].  rotation: root mean
    square angle from the mean rotation [rad].  joints: mean over the joints of their
    standard deviations [rad], DexGrasp Anything's figure (there over successes alone).
    """

    translation: float
    rotation: float
    joints: float


def diversity(T_object_palm: Array, q: Array) -> Diversity:
    """Of n palm poses (n, 4, 4) and joints (n, J) [rad]. Raises ValueError for an empty set."""
    T, q = _set(T_object_palm, q)
    away = T[:, :3, 3] - T[:, :3, 3].mean(axis=0)
    turns = Rotation.from_matrix(T[:, :3, :3])
    angle = (turns.mean().inv() * turns).magnitude()
    return Diversity(
        translation=float(np.sqrt((away**2).sum(axis=1).mean())),
        rotation=float(np.sqrt((angle**2).mean())),
        joints=float(q.std(axis=0).mean()),
    )


def pose_vectors(T_object_palm: Array, q: Array) -> Array:
    """(n, 6 + J): position [m], rotation vector [rad], joints [rad], as DexGraspBench stacks them.

    Raises ValueError for an empty set.
    """
    T, q = _set(T_object_palm, q)
    return np.hstack([T[:, :3, 3], Rotation.from_matrix(T[:, :3, :3]).as_rotvec(), q])


def cumulative_variance(vectors: Array, components: int = 5) -> Array:
    """(components,) share of the variance that the first principal axes explain; lower is diverse.

    DexGraspBench's diversity (src/task/statistic.py, `get_diversity`), of its `pose_vectors`.
    Raises ValueError for less than two vectors (n, d), or for equal ones.
    """
    vectors = np.asarray(vectors, dtype=float)
    if vectors.ndim != 2 or len(vectors) < 2:
        raise ValueError(f"vectors {vectors.shape} have no variance; expected (n, d), n > 1")
    variance = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False) ** 2
    if variance.sum() == 0.0:
        raise ValueError("all vectors are equal: no axis explains their variance")
    share = np.ones(components)
    found = np.cumsum(variance / variance.sum())[:components]
    share[: len(found)] = found
    return share


def assignment_entropy(labels: Array) -> float:
    """H = -sum (nk / N) log(nk / N) [nat] of the clusters (N,) that samples belong to.

    Raises ValueError without samples.
    """
    if len(labels) == 0:
        raise ValueError("the entropy of no samples is not defined")
    share = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(np.abs((share * np.log(share)).sum()))


def cluster_entropy(vectors: Array, clusters: int = CLUSTERS, seed: int = 0) -> float:
    """`assignment_entropy` of vectors (n, d) after k-means, in [0, log(clusters)].

    Clustering: scipy's kmeans2 with k-means++ seeding, eight restarts from `seed`, of which the
    tightest counts: equal for equal input. Scale the columns first where units differ.
    Raises ValueError for less vectors than clusters.
    """
    vectors = np.asarray(vectors, dtype=float)
    if vectors.ndim != 2 or not 1 <= clusters <= len(vectors):
        raise ValueError(f"vectors {vectors.shape} do not make {clusters} clusters")
    best, spread = np.zeros(len(vectors), dtype=int), np.inf
    rng = np.random.default_rng(seed)
    for _ in range(RESTARTS):
        centers, labels = kmeans2(vectors, clusters, minit="++", iter=50, missing="warn", rng=rng)
        inertia = float(((vectors - centers[labels]) ** 2).sum())
        if inertia < spread:
            best, spread = labels, inertia
    return assignment_entropy(best)


def _set(T: Array, q: Array) -> tuple[Array, Array]:
    T, q = np.asarray(T, dtype=float), np.asarray(q, dtype=float)
    if q.ndim != 2 or len(q) == 0 or T.shape != (len(q), 4, 4):
        raise ValueError(
            f"poses {T.shape} and joints {q.shape} are no set; expected (n, 4, 4), (n, J)"
        )
    return T, q
