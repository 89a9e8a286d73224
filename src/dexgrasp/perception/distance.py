"""A signed distance grid from any smooth field that is negative inside."""

from __future__ import annotations

import numpy as np

from dexgrasp.objects import SignedDistance
from dexgrasp.perception.grids import signed_steps
from dexgrasp.types import Array

# Within this many cells of the surface the field's slope tells the distance better.
NEAR = 1.5


def distance_from_field(field: Array, origin: Array, spacing: float) -> SignedDistance:
    """Signed distance [m] to the surface field = 0 of a grid at `origin` (3,) with `spacing`.

    Near the surface field / |gradient|, which is right to first order; elsewhere the distance
    to the nearest cell of the other side.
    """
    inside = field < 0.0
    far = signed_steps(inside)
    far -= 0.5 * np.sign(far)
    slope = np.sqrt(sum(g**2 for g in np.gradient(field)))
    near = np.clip(field / np.maximum(slope, 1e-9), -2.0 * NEAR, 2.0 * NEAR)
    weight = np.clip(np.abs(far) / NEAR, 0.0, 1.0)
    distance = (weight * far + (1.0 - weight) * near) * spacing
    return SignedDistance(distance, origin, spacing)
