"""A few convex pieces of a shape for physics, in a tenth of a second."""

from __future__ import annotations

import manifold3d  # pyright: ignore[reportMissingImports]
import numpy as np
import trimesh

from dexgrasp.objects.manifold import as_manifold, from_manifold
from dexgrasp.types import Array

# CoACD gives better pieces, but takes seconds; synthesis has one in all.
LARGEST_COUNT = 24
# Pieces whose hull adds less than this share of the whole volume stay as they are.
TOLERATED = 0.008
DETAIL = 0.0008  # [m]
SMALLEST = 2e-3  # share of the whole volume that a piece must have to be kept
SHARES = (0.3, 0.5, 0.7)  # places of level and upright cuts along a piece
SECTORS = 8  # directions of the cuts through the object's axis, for cups and bowls
SHORTLIST = 2
OVERLAP = 0.001  # [m], half of the samples' distance: what lies between them counts too


def convex_pieces(
    mesh: trimesh.Trimesh, samples: Array, axis: Array
) -> tuple[trimesh.Trimesh, ...]:
    """Convex hulls that together fill a closed mesh with little more.

    The piece whose hull adds most is cut by the vertical or level plane that saves most, again
    and again. samples: (n, 3) points spread over the surface, by which cuts are compared.
    """
    solid = as_manifold(mesh).simplify(DETAIL)
    whole = solid.volume()
    pieces = [(solid, _added(solid), samples)]
    while len(pieces) < LARGEST_COUNT:
        worst = max(range(len(pieces)), key=lambda i: pieces[i][1])
        piece, added, points = pieces[worst]
        if added < TOLERATED * whole:
            break
        direction, offset, halves = _best_cut(piece, points, axis)
        ahead = points @ direction > offset
        pieces[worst : worst + 1] = [
            (half, _added(half), points[side])
            for half, side in zip(halves, (ahead, ~ahead), strict=True)
        ]
    hulls = [piece.hull() for piece, _, _ in pieces if piece.volume() > SMALLEST * whole]
    return tuple(from_manifold(hull) for hull in hulls)


def _added(solid: manifold3d.Manifold) -> float:
    """Volume of the hull outside of the solid [m3]."""
    return solid.hull().volume() - solid.volume()


def _best_cut(
    piece: manifold3d.Manifold, points: Array, axis: Array
) -> tuple[Array, float, tuple[manifold3d.Manifold, manifold3d.Manifold]]:
    """Direction (3,) and offset [m] of the plane whose halves' hulls add least, and the halves.

    The samples on both sides of every plane choose a few, their exact halves the best.
    """
    planes = _planes(points, axis)
    volumes = []
    for direction, offset in planes:
        place = points @ direction
        sides = (points[place > offset - OVERLAP], points[place < offset + OVERLAP])
        volumes.append(sum(_hull_volume(side) for side in sides))
    best, least = None, np.inf
    for k in np.argsort(volumes)[:SHORTLIST]:
        halves = piece.split_by_plane(tuple(planes[k][0]), planes[k][1])
        added = sum(_added(half) for half in halves)
        if best is None or added < least:
            best, least = (*planes[k], halves), added
    assert best is not None
    return best


def _planes(points: Array, axis: Array) -> list[tuple[Array, float]]:
    """Cuts across the piece's box, and through the axis."""
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    across = [(d, float(d @ (low + s * size))) for d in np.eye(3) for s in SHARES]
    angle = np.arange(SECTORS) * np.pi / SECTORS
    sides = np.stack([np.cos(angle), np.sin(angle), 0.0 * angle], axis=1)
    through = [(d, float(d[:2] @ axis)) for d in sides]
    return [
        (d, offset)
        for d, offset in across + through
        if 0.05 < float((points @ d > offset).mean()) < 0.95
    ]


def _hull_volume(points: Array) -> float:
    return manifold3d.Manifold.hull_points(points).volume() if len(points) > 3 else 0.0
