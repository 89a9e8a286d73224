"""The axis of a body of revolution to a fraction of a millimetre, from the points seen of it.

The search for symmetries asks only whether seen points contradict an axis, which leaves it a
millimetre or two too near to the camera. Here the radius is the same all around at each height.
"""

from __future__ import annotations

import numpy as np

from dexgrasp.types import Array

SLICE = 0.006  # [m] of height within which the radius is linear in the height
FEWEST = 6  # points of a slice
ROUNDS = 5
NOISE = 0.001  # [m] of a residual, beyond which a point counts less (Cauchy)
LARGEST_SHIFT = 0.006  # [m] that the search may have been off


def refined_axis(points: Array, normals: Array, center: Array) -> Array:
    """(2,) horizontal place of the axis [m] that fits best near `center` (2,).

    points: (n, 3) of the body [m].  normals: (n, 3) unit. Where the radii tell nothing of the
    axis, or put it far away, `center` stays. Weighted least squares over the axis and a line
    radius(height) for each slice of the outside and of the inside of a wall; a residual counts
    as measured along the normal.
    """
    height = (points[:, 2] - points[:, 2].min()) / SLICE
    level = np.linalg.norm(normals[:, :2], axis=1)
    found, trust = center, np.ones(len(points))
    for _ in range(ROUNDS):
        arm = points[:, :2] - found
        radius = np.maximum(np.linalg.norm(arm, axis=1), 1e-6)
        inside = (arm * normals[:, :2]).sum(axis=1) < 0.0
        _, slices, count = np.unique(
            2 * height.astype(int) + inside, return_inverse=True, return_counts=True
        )
        system = np.zeros((len(points), 2 + 2 * len(count)))
        system[:, :2] = arm / radius[:, None]
        rows = np.arange(len(points))
        system[rows, 2 + slices] = 1.0
        system[rows, 2 + len(count) + slices] = height % 1.0 - 0.5
        weight = level * np.sqrt(trust) * (count[slices] >= FEWEST)
        solution = np.linalg.lstsq(system * weight[:, None], radius * weight, rcond=1e-6)[0]
        residual = level * (radius - system @ solution)
        trust = 1.0 / (1.0 + (residual / NOISE) ** 2)
        found = found + solution[:2]
    return found if np.linalg.norm(found - center) < LARGEST_SHIFT else center
