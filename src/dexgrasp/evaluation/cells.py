"""The volume that posed solids share with an object's cells, compiled."""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np

from dexgrasp.evaluation.solids import Solids, solid_distance
from dexgrasp.objects import Voxels
from dexgrasp.types import Array

BLOCK = 6  # cells along the edge of a block that is passed over at once
ROUNDING = 1e-6  # cells that a column's interval is widened by; each cell is tested anyway


def cells_inside(solids: Solids, voxels: Voxels, relevant: Array | None = None) -> Array:
    """(n,) numbers of the object's inner cells whose centre is in a solid of each pose.

    A cell in several solids counts once.  solids: in the object's frame.
    relevant: (n, P) bool; the other solids are known to be clear of the object.
    """
    if relevant is None:
        relevant = np.ones(solids.pose.shape[:2], dtype=bool)
    low, high = solids.bounds()
    first = np.ceil((low - voxels.origin) / voxels.edge).astype(np.int64)
    last = np.floor((high - voxels.origin) / voxels.edge).astype(np.int64)
    first = np.maximum(first, 0)
    last = np.minimum(last, np.array(voxels.inside.shape) - 1)
    return _cells_inside(
        solids.kind, solids.size, solids.half_extents, solids.to_solid, relevant,
        first, last, voxels.inside, _blocks(voxels), voxels.origin, voxels.edge,
    )  # fmt: skip


@lru_cache(maxsize=32)
def _blocks(voxels: Voxels) -> Array:
    """Which blocks of BLOCK cells along each axis hold an inner cell."""
    shape = np.array(voxels.inside.shape)
    count = -(-shape // BLOCK)
    padded = np.pad(voxels.inside, [(0, extra) for extra in count * BLOCK - shape])
    x, y, z = count
    return np.asarray(padded.reshape(x, BLOCK, y, BLOCK, z, BLOCK).any(axis=(1, 3, 5)))


@numba.njit(cache=True)
def _column(extent, pose, x, y, z, edge):
    """First and last step along z, from (x, y, z) in cells, within a solid's own box."""
    low, high = -np.inf, np.inf
    for a in range(3):
        base = pose[a, 0] * x + pose[a, 1] * y + pose[a, 2] * z + pose[a, 3]
        slope = pose[a, 2] * edge
        if abs(slope) < 1e-12:
            if abs(base) > extent[a]:
                return 1, 0
            continue
        near, far = (-extent[a] - base) / slope, (extent[a] - base) / slope
        low, high = max(low, min(near, far)), min(high, max(near, far))
    if high < low - 2.0 * ROUNDING:
        return 1, 0
    return int(np.ceil(low - ROUNDING)), int(np.floor(high + ROUNDING))


@numba.njit(cache=True)
def _in_any(kind, size, to_solid, others, count, x, y, z):
    for index in range(count):
        p = others[index]
        if solid_distance(kind[p], size[p], to_solid[p], x, y, z) <= 0.0:
            return True
    return False


@numba.njit(cache=True)
def _count_in_block(
    kind, size, extent, to_solid, p, others, count, first, last, inside, origin, edge
):
    """Cells from `first` to `last` (3,) in solid p and in none of `count` others."""
    cells, own, shape, box = 0, to_solid[p], size[p], extent[p]
    for i in range(first[0], last[0] + 1):
        x = origin[0] + edge * i
        for j in range(first[1], last[1] + 1):
            y = origin[1] + edge * j
            low, high = _column(box, own, x, y, origin[2], edge)
            for k in range(max(low, first[2]), min(high, last[2]) + 1):
                if not inside[i, j, k]:
                    continue
                z = origin[2] + edge * k
                if solid_distance(kind[p], shape, own, x, y, z) > 0.0:
                    continue
                if count == 0 or not _in_any(kind, size, to_solid, others, count, x, y, z):
                    cells += 1
    return cells


@numba.njit(cache=True)
def _earlier(kind, size, to_solid, relevant, p, x, y, z, reach, others):
    """Fill `others` with the solids before p within `reach` of a point; returns how many."""
    count = 0
    for q in range(p):
        if relevant[q] and solid_distance(kind[q], size[q], to_solid[q], x, y, z) <= reach:
            others[count] = q
            count += 1
    return count


@numba.njit(cache=True)
def _count_in_solid(
    kind, size, extent, to_solid, relevant, p, first, last, inside, blocks, origin, edge
):
    """Cells from `first` to `last` (3,) in solid p and in no relevant solid before it."""
    cells, middle = 0, 0.5 * (BLOCK - 1)
    reach = np.sqrt(3.0) * middle * edge
    low, high, others = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(p, np.int64)
    start, stop, own, shape = first // BLOCK, last // BLOCK + 1, to_solid[p], size[p]
    for i in range(start[0], stop[0]):
        x = origin[0] + edge * (BLOCK * i + middle)
        for j in range(start[1], stop[1]):
            y = origin[1] + edge * (BLOCK * j + middle)
            for k in range(start[2], stop[2]):
                z = origin[2] + edge * (BLOCK * k + middle)
                if not blocks[i, j, k]:
                    continue
                if solid_distance(kind[p], shape, own, x, y, z) > reach:
                    continue
                count = _earlier(kind, size, to_solid, relevant, p, x, y, z, reach, others)
                for a, block in enumerate((i, j, k)):
                    low[a] = max(first[a], BLOCK * block)
                    high[a] = min(last[a], BLOCK * block + BLOCK - 1)
                cells += _count_in_block(
                    kind, size, extent, to_solid, p, others, count, low, high, inside, origin, edge
                )
    return cells


@numba.njit(cache=True)
def _cells_inside(
    kind, size, extent, to_solid, relevant, first, last, inside, blocks, origin, edge
):
    counts = np.zeros(len(to_solid), dtype=np.int64)
    for g in range(len(to_solid)):
        for p in range(len(kind)):
            if relevant[g, p]:
                counts[g] += _count_in_solid(
                    kind, size, extent, to_solid[g], relevant[g], p,
                    first[g, p], last[g, p], inside, blocks, origin, edge,
                )  # fmt: skip
    return counts
