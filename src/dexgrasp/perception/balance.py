"""Where the mass of a completed shape is, as far as a shape tells."""

from __future__ import annotations

import numpy as np

from dexgrasp.types import Array

LONG = 1.8  # times its other edges: only what is so long has a head
END = 0.2  # share of the length in which a head lies
WIDE = 3.0  # times the median width: such an end is a head
# How far the mass lies towards the head from the centre of the volume: a head is of metal. A
# hammer's is 0.34 of the length from the middle (YCB 048); its volume's is 0.05.
SHARE = 0.65


def toward_head(solid: Array, spacing: float) -> Array:
    """(3,) [m] from the centre of the volume to that of the mass: zero without a head.

    solid: (nx, ny, nz) bool, the cells of the object in its upright frame.  spacing: of them [m].
    """
    shadow = solid.any(axis=2)
    lengths = [
        np.ptp(np.flatnonzero(solid.any(axis=other))) + 1 for other in ((1, 2), (0, 2), (0, 1))
    ]
    along = int(np.argmax(lengths[:2]))
    if lengths[along] < LONG * max(lengths[1 - along], lengths[2]):
        return np.zeros(3)
    rows = shadow if along == 0 else shadow.T
    width = np.array([np.ptp(np.flatnonzero(row)) + 1 for row in rows if row.any()])
    end = round(END * len(width))
    ends = np.array([width[:end].max(), width[-end:].max()])
    if ends.max() < WIDE * np.median(width):
        return np.zeros(3)
    middle = float(np.mean(np.nonzero(solid)[along]))
    first = int(np.flatnonzero(rows.any(axis=1))[0])
    head = first + (len(width) - 1 if ends[1] > ends[0] else 0)
    shift = np.zeros(3)
    shift[along] = SHARE * (head - middle) * spacing
    return shift
