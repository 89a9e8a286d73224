"""Fréchet distance of two sets of features (FID; Heusel and others, 1706.08500)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dexgrasp.types import Array


def gaussian_distance(mean: Array, cov: Array, other_mean: Array, other_cov: Array) -> float:
    """Squared Fréchet distance of Gaussians of means (d,) and covariances (d, d), not below 0.

    The trace of (A B)^1/2 is that of (A^1/2 B A^1/2)^1/2, which is symmetric and positive: no
    complex roots and no jitter, singular covariances included.
    """
    mean, other_mean = np.atleast_1d(mean), np.atleast_1d(other_mean)
    cov, other_cov = np.atleast_2d(cov), np.atleast_2d(other_cov)
    if mean.shape != other_mean.shape or cov.shape != other_cov.shape:
        raise ValueError(
            f"Gaussians of {mean.shape} and {other_mean.shape} features do not compare"
        )
    value, vector = np.linalg.eigh(cov)
    root = (vector * np.sqrt(np.maximum(value, 0.0))) @ vector.T
    between = np.linalg.eigvalsh(root @ other_cov @ root)
    cross = np.sqrt(np.maximum(between, 0.0)).sum()
    apart = float(((mean - other_mean) ** 2).sum())
    return max(0.0, apart + float(np.trace(cov) + np.trace(other_cov) - 2.0 * cross))


def frechet_distance(first: Array, second: Array) -> float:
    """`gaussian_distance` of features (n, d) and (m, d), by their means and covariances.

    It is biased upwards by few samples: take many more than d, and equally many on each side.
    Raises ValueError for less than two samples, other shapes or values that are not finite.
    """
    first, second = _features(first), _features(second)
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"features (n, {first.shape[1]}) and (m, {second.shape[1]}) differ in d")
    return gaussian_distance(
        first.mean(axis=0), np.cov(first, rowvar=False),
        second.mean(axis=0), np.cov(second, rowvar=False),
    )  # fmt: skip


def fid(first: Iterable[Any], second: Iterable[Any], features: Callable[[Any], Array]) -> float:
    """`frechet_distance` of two sets of clouds, depth images or whatever `features` reads.

    features: item -> (d,). With `cloud_features` it stands in for P-FID, with
    `depth_features` for I-FID: ours, deterministic, without a network, and not comparable
    with figures on PointNet++ or Inception features. Pass such a network's own to compare.
    """
    sets = [np.array([np.ravel(features(item)) for item in items]) for items in (first, second)]
    return frechet_distance(*sets)


def _features(values: Array) -> Array:
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(f"features {values.shape} are not a set; expected (n, d), n at least 2")
    if not np.isfinite(values).all():
        raise ValueError("a feature is not finite")
    return values
