"""A watertight triangle mesh from a scalar grid, by marching tetrahedra."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import trimesh

from dexgrasp.types import Array

# The six tetrahedra around a cube's diagonal (Freudenthal): neighbours share whole faces, so
# the surface has no gaps, and no ambiguous case as in marching cubes.
PATHS = np.array(
    [
        np.cumsum(np.vstack([np.zeros(3, int), np.eye(3, dtype=int)[list(p)]]), axis=0)
        for p in permutations(range(3))
    ]
)
# Crossings keep this share of an edge from its ends, so that no triangle degenerates.
EDGE_MARGIN = 0.03


def level_surface(field: Array, origin: Array, spacing: float) -> trimesh.Trimesh:
    """Surface field = 0 of a grid (nx, ny, nz) that is negative inside, normals outward.

    origin: (3,) place of field[0, 0, 0] [m].  The border is taken as outside, so the mesh is
    closed. It is empty when no value is negative.
    """
    field = np.pad(field, 1, constant_values=np.abs(field).max() + 1e-6)
    inside, outside = _crossings(field)
    if len(inside) == 0:
        return trimesh.Trimesh()
    size = field.size
    keys, faces = np.unique(inside * size + outside, return_inverse=True)
    first, second = keys // size, keys % size
    values = field.ravel()
    share = values[first] / (values[first] - values[second])
    share = np.clip(share, EDGE_MARGIN, 1.0 - EDGE_MARGIN)[:, None]
    start = np.stack(np.unravel_index(first, field.shape), axis=1)
    end = np.stack(np.unravel_index(second, field.shape), axis=1)
    vertices = origin + spacing * (start + share * (end - start) - 1.0)
    return trimesh.Trimesh(vertices, faces.reshape(-1, 3), process=False)


def _crossings(field: Array) -> tuple[Array, Array]:
    """Inner and outer end (3 k,) of the edges that the corners of k triangles cut."""
    negative = (field < 0.0).astype(np.uint8)
    cells = _corner_sum(negative)
    cell = np.argwhere((cells > 0) & (cells < 8))
    strides = np.array([field.shape[1] * field.shape[2], field.shape[2], 1])
    tetra = ((cell[:, None, None] + PATHS) @ strides).reshape(-1, 4)
    mirrored = np.tile(np.linalg.det(np.diff(PATHS, axis=1)) < 0.0, len(cell))
    mark = negative.ravel()[tetra]
    # Inner corners first. Swapping corners may mirror the tetrahedron: keep track.
    order = np.argsort(1 - mark, axis=1, kind="stable")
    mirrored ^= _odd_permutation(order)
    tetra = np.take_along_axis(tetra, order, axis=1)
    count = mark.sum(axis=1)
    inner, outer = [], []
    for k, (ins, outs) in TRIANGLES.items():
        rows = count == k
        a, b = tetra[rows][:, ins], tetra[rows][:, outs]  # (m, triangles, 3)
        flip = mirrored[rows]
        a[flip], b[flip] = a[flip][..., ::-1], b[flip][..., ::-1]
        inner.append(a.reshape(-1))
        outer.append(b.reshape(-1))
    return np.concatenate(inner).astype(np.int64), np.concatenate(outer).astype(np.int64)


# By the number of inner corners: the cut edges (inner end, outer end) of each triangle of a
# tetrahedron of positive orientation whose inner corners come first.
TRIANGLES = {
    1: (np.array([[0, 0, 0]]), np.array([[1, 2, 3]])),
    2: (np.array([[0, 0, 1], [0, 1, 1]]), np.array([[2, 3, 3], [2, 3, 2]])),
    3: (np.array([[0, 1, 2]]), np.array([[3, 3, 3]])),
}


def _corner_sum(mark: Array) -> Array:
    for axis in range(3):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        mark = mark[tuple(low)] + mark[tuple(high)]
    return mark


def _odd_permutation(order: Array) -> Array:
    """(n,) whether permutations (n, 4) are odd: the number of inversions is."""
    inversions = np.zeros(len(order), int)
    for i in range(4):
        for j in range(i + 1, 4):
            inversions += order[:, i] > order[:, j]
    return inversions % 2 == 1
