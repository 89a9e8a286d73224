"""Postural synergies of a hand: the principal components of its named postures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexgrasp.errors import ConfigError
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

SLACK = 0.25  # share of the postures' own range by which an amplitude may go beyond it


@dataclass(frozen=True)
class Eigengrasps:
    """E directions in the space of J joints, after Ciocarlie and Allen (IJRR 2009).

    mean: (J,) [rad].  directions: (E, J) orthonormal, the strongest first.  lower, upper:
    (E,) bounds of the amplitudes [rad].  variance: (E,) share of the postures' variance.
    """

    mean: Array
    directions: Array
    lower: Array
    upper: Array
    variance: Array

    @classmethod
    def of(cls, hand: HandModel, count: int) -> Eigengrasps:
        """The `count` strongest of the hand's postures. Raises ConfigError beyond their rank."""
        postures = np.array(list(hand.postures.values()))
        mean = postures.mean(axis=0)
        _, sizes, directions = np.linalg.svd(postures - mean, full_matrices=False)
        rank = int((sizes > 1e-6 * sizes.max(initial=1e-12)).sum())
        if not 1 <= count <= rank:
            raise ConfigError(
                f"{count} eigengrasps of {hand.name} asked for; its {len(postures)} postures "
                f"span 1 to {rank}: ask for as many, or name more postures in its YAML"
            )
        amplitudes = (postures - mean) @ directions[:count].T
        low, high = amplitudes.min(axis=0), amplitudes.max(axis=0)
        slack = SLACK * (high - low)
        share = sizes[:count] ** 2 / (sizes**2).sum()
        return cls(mean, directions[:count], low - slack, high + slack, share)

    def joints(self, amplitudes: Array) -> Array:
        """(n, J) joints [rad] of amplitudes (n, E), not yet within the limits."""
        return self.mean + amplitudes @ self.directions

    def amplitudes(self, joints: Array) -> Array:
        """(n, E) amplitudes nearest to joints (n, J), within their bounds."""
        return np.clip((joints - self.mean) @ self.directions.T, self.lower, self.upper)
