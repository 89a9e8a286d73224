"""A few convex pieces of a completed shape for physics, in a tenth of a second."""

from __future__ import annotations

import manifold3d
import numpy as np
import trimesh

from dexgrasp.perception.surface import as_manifold
from dexgrasp.types import Array

# CoACD gives better pieces, but takes seconds; synthesis has five in all.
LARGEST_COUNT = 20
# Pieces whose hull adds less than this share of the whole volume stay as they are.
TOLERATED = 0.008
DETAIL = 0.0008  # [m]
SMALLEST = 2e-3  # share of the whole volume that a piece must have to be kept
SHARES = (0.3, 0.5, 0.7)
DIRECTIONS = np.array(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [np.sqrt(0.5), np.sqrt(0.5), 0], [np.sqrt(0.5), -np.sqrt(0.5), 0]]
)


def convex_pieces(mesh: trimesh.Trimesh) -> tuple[trimesh.Trimesh, ...]:
    """Convex hulls that together fill a closed mesh with little more.

    The piece whose hull adds most is cut by the vertical or level plane that saves most, again
    and again.
    """
    solid = as_manifold(mesh).simplify(DETAIL)
    whole = solid.volume()
    pieces = [(solid, _added(solid))]
    while len(pieces) < LARGEST_COUNT:
        worst = max(range(len(pieces)), key=lambda i: pieces[i][1])
        piece, added = pieces[worst]
        if added < TOLERATED * whole:
            break
        pieces[worst : worst + 1] = [(half, _added(half)) for half in _best_cut(piece)]
    hulls = [piece.hull() for piece, _ in pieces if piece.volume() > SMALLEST * whole]
    return tuple(_as_trimesh(hull) for hull in hulls)


def _added(solid: manifold3d.Manifold) -> float:
    """Volume of the hull outside of the solid [m3]."""
    return solid.hull().volume() - solid.volume()


def _best_cut(solid: manifold3d.Manifold) -> list[manifold3d.Manifold]:
    """The halves whose hulls add least."""
    points = solid.to_mesh64().vert_properties[:, :3]
    best, least = [solid], np.inf
    for direction in DIRECTIONS:
        place = points @ direction
        for share in SHARES:
            offset = float(place.min() + share * np.ptp(place))
            halves = [h for h in solid.split_by_plane(tuple(direction), offset) if not h.is_empty()]
            added = sum(_added(half) for half in halves)
            if len(halves) == 2 and added < least:
                best, least = halves, added
    return best


def _as_trimesh(solid: manifold3d.Manifold) -> trimesh.Trimesh:
    mesh = solid.to_mesh64()
    vertices: Array = mesh.vert_properties[:, :3]
    return trimesh.Trimesh(vertices, mesh.tri_verts.astype(np.int64))
