"""What is known of a grasp before it is tried: the figures that the ranking weighs."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from dexgrasp.evaluation import metrics
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.filters import Prepared
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.types import Array

SMALLEST_RADIUS = 1e-3  # [m] by which torques are divided, where all contacts are in one place

Features = dict[str, Array]
"""(n,) of each figure, by name."""


def features(geometry: GraspGeometry, prepared: Prepared, moved: Array | None = None) -> Features:
    """The figures of n grasps, by name: each (n,) and finite, less is better.

    residual: unbalanced share of the squeeze.  closure: `metrics.wrench_residual` of the
    contacts' normals alone, without friction.  facing: worst cosine between the normals of
    finger and object, -1 at best.  offset: of the contacts' centre from the centre of mass,
    over the object's size.

    With a cloud in `geometry.seen`, for shapes that are partly guessed: unseen, the mean
    distance of the contacts from the nearest seen point [m].
    With `moved` (n,), what `shake` returned: moved, at most 1.
    """
    candidates = prepared.candidates
    figures = {
        "residual": prepared.residual,
        "closure": _closure(candidates),
        "facing": _facing(candidates),
        "offset": _offset(geometry, candidates),
    }
    if geometry.seen is not None:
        distance = KDTree(geometry.seen).query(candidates.tips)[0]
        figures["unseen"] = _mean(distance, candidates.used)
    if moved is not None:
        figures["moved"] = np.minimum(moved, 1.0)
    return figures


def _closure(candidates: Candidates) -> Array:
    """Torques are about the contacts' centre, over their mean distance from it."""
    arms = candidates.tips - _mean(candidates.tips, candidates.used)[:, None]
    radius = np.maximum(_mean(np.linalg.norm(arms, axis=2), candidates.used), SMALLEST_RADIUS)
    normals = -candidates.surfaces
    torques = np.cross(arms, normals) / radius[:, None, None]
    wrenches = np.concatenate([normals, torques], axis=2)
    pairs = zip(wrenches, candidates.used, strict=True)
    return np.array([metrics.wrench_residual(own[used]) for own, used in pairs])


def _facing(candidates: Candidates) -> Array:
    cosine = (candidates.facings * candidates.surfaces).sum(axis=2)
    return np.where(candidates.used, cosine, -np.inf).max(axis=1)


def _offset(geometry: GraspGeometry, candidates: Candidates) -> Array:
    """The size is the geometric mean of the box's edges."""
    low, high = geometry.bounds
    size = float(np.prod(high - low) ** (1.0 / 3.0))
    center = _mean(candidates.tips, candidates.used)
    return np.linalg.norm(center - geometry.model.com, axis=1) / size


def _mean(values: Array, used: Array) -> Array:
    """(n, ...) mean of values (n, F, ...) over the used fingers."""
    mask = used.reshape(*used.shape, *[1] * (values.ndim - 2))
    return np.where(mask, values, 0.0).sum(axis=1) / mask.sum(axis=1)
