"""How near contacts come to no wrench at all."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from dexgrasp.types import Array


def wrench_residual(wrenches: Array) -> float:
    """Smallest norm of a convex combination of wrenches (m, 6): 0 when they can balance.

    With `contact_wrenches`, the smallest wrench that is left when the normal forces sum to 1
    and every force stays in its friction cone. Infinite without wrenches. Found exactly by one
    non-negative least squares: the x >= 0 that minimises |Wᵀx|² + (1ᵀx - 1)² is, scaled to the
    sum 1, the combination of least norm, because for a fixed direction with norm r the best
    scale leaves r² / (1 + r²), which grows with r.
    """
    wrenches = np.asarray(wrenches, dtype=float)
    if len(wrenches) == 0:
        return float("inf")
    system = np.vstack([wrenches.T, np.ones(len(wrenches))])
    share, _ = nnls(system, np.r_[np.zeros(wrenches.shape[1]), 1.0])
    return float(np.linalg.norm(share @ wrenches) / share.sum())
