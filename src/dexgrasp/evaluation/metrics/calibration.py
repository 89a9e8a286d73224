"""How good predicted probabilities are: whether they tell apart, and whether they are true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from dexgrasp.types import Array

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Bins of equal count, by rising probability: each (B,).

    predicted: mean probability.  observed: share of successes.  count: predictions.
    """

    predicted: Array
    observed: Array
    count: Array


def auc(score: Array, success: Array) -> float:
    """Area under the ROC curve of scores (n,) for outcomes (n,) bool.

    The share of pairs of a success and a failure that the score orders rightly, ties half
    (Mann and Whitney); NaN unless there are both. Raises ValueError.
    """
    score, success = _checked(score, success)
    good, bad = int(success.sum()), int((~success).sum())
    if not good or not bad:
        return float("nan")
    ranks = rankdata(score)[success].sum()
    return float((ranks - good * (good + 1) / 2) / (good * bad))


def brier(probability: Array, success: Array) -> float:
    """Mean squared difference of probabilities (n,) and outcomes (n,) bool; 0 is perfect.

    Raises ValueError for values beyond [0, 1].
    """
    probability, success = _probabilities(probability, success)
    return float(((probability - success) ** 2).mean())


def reliability(probability: Array, success: Array, bins: int = BINS) -> Reliability:
    """Predictions (n,) against outcomes (n,) bool, in at most `bins` bins of equal count.

    Raises ValueError for values beyond [0, 1].
    """
    probability, success = _probabilities(probability, success)
    parts = np.array_split(np.argsort(probability, kind="stable"), min(bins, len(probability)))
    return Reliability(
        np.array([probability[rows].mean() for rows in parts]),
        np.array([success[rows].mean() for rows in parts]),
        np.array([len(rows) for rows in parts]),
    )


def calibration_error(probability: Array, success: Array, bins: int = BINS) -> float:
    """Expected calibration error: mean |predicted - observed| over the bins of `reliability`.

    Never 0 in a finite sample: n predictions of p, all true, still give about
    sqrt(2 p (1 - p) bins / (pi n)). Raises ValueError for values beyond [0, 1].
    """
    curve = reliability(probability, success, bins)
    gaps = np.abs(curve.predicted - curve.observed)
    return float((gaps * curve.count).sum() / curve.count.sum())


def _checked(values: Array, success: Array) -> tuple[Array, Array]:
    values, success = np.asarray(values, dtype=float), np.asarray(success, dtype=bool)
    if values.ndim != 1 or values.shape != success.shape or not len(values):
        raise ValueError(
            f"predictions {values.shape} and outcomes {success.shape} do not match; "
            "expected (n,) each, n > 0"
        )
    if np.isnan(values).any():
        raise ValueError(f"prediction {np.flatnonzero(np.isnan(values))[0]} is NaN")
    return values, success


def _probabilities(values: Array, success: Array) -> tuple[Array, Array]:
    values, success = _checked(values, success)
    if values.min() < 0.0 or values.max() > 1.0:
        raise ValueError(
            f"probabilities range from {values.min():.3g} to {values.max():.3g}; allowed is 0 to 1"
        )
    return values, success
