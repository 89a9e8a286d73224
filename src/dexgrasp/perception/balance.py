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
    cells = np.argwhere(solid)
    if not len(cells):
        return np.zeros(3)
    lengths = np.ptp(cells, axis=0) + 1
    along = int(np.argmax(lengths[:2]))
    if lengths[along] < LONG * max(lengths[1 - along], lengths[2]):
        return np.zeros(3)
    first, last = int(cells[:, along].min()), int(cells[:, along].max())
    across = [cells[cells[:, along] == place, 1 - along] for place in range(first, last + 1)]
    width = np.array([np.ptp(own) + 1 for own in across if len(own)])
    end = round(END * len(width))
    ends = np.array([width[:end].max(), width[-end:].max()])
    if ends.max() < WIDE * np.median(width):
        return np.zeros(3)
    head = last if ends[1] > ends[0] else first
    shift = np.zeros(3)
    shift[along] = SHARE * (head - cells[:, along].mean()) * spacing
    return shift
