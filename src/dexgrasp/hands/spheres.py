"""Spheres that cover a link's primitives, and the pairs of them that may collide."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from dexgrasp.geometry import transform_points
from dexgrasp.hands.primitives import Primitive, sample_union
from dexgrasp.types import Array

OVERSHOOT = 0.002  # how far a sphere in a box may stand out of it [m]
SLACK = 0.005  # how far a surface point may stand out of the spheres [m]
SHARE = 0.98  # of the surface within that slack; what is left are the corners of boxes
VALLEY = 0.001  # between the spheres of a capsule [m]
POINT_SPACING = 0.003
POSES, REACH = 400, 0.006  # random joint vectors, and the gap under which a pair is kept [m]


def cover(primitives: list[Primitive]) -> tuple[Array, Array]:
    """Centres (s, 3) and radii (s,) that cover one link's primitives, few of them.

    Capsules and spheres, which touch objects, get spheres of their own radius. The rest is
    covered greedily by spheres inside, each as large as OVERSHOOT lets it be.
    """
    rng = np.random.default_rng(0)
    area = sum(p.area for p in primitives)
    surface, _ = sample_union(primitives, int(area / POINT_SPACING**2), rng)
    chains = [_chain(p) for p in primitives if p.kind in ("capsule", "sphere")]
    centers = np.concatenate([np.zeros((0, 3)), *(c for c, _ in chains)])
    radii = np.concatenate([np.zeros(0), *(r for _, r in chains)])
    bare = ~(cdist(surface, centers) <= radii + SLACK).any(axis=1)
    candidates = _inside(primitives, surface)
    distance = cdist(candidates, surface)
    largest = distance.min(axis=1) + OVERSHOOT
    covered = distance <= largest[:, None] + SLACK
    chosen: list[int] = []
    while bare.mean() > 1.0 - SHARE:
        gain = covered[:, bare].sum(axis=1)
        best = int(np.argmax(gain))
        if gain[best] == 0:
            break
        chosen.append(best)
        bare &= ~covered[best]
    return np.concatenate([centers, candidates[chosen]]), np.concatenate([radii, largest[chosen]])


def _chain(primitive: Primitive) -> tuple[Array, Array]:
    """Spheres along a capsule's axis, or the sphere itself."""
    radius = float(primitive.size[0])
    length = float(primitive.size[1]) if primitive.kind == "capsule" else 0.0
    spacing = 2.0 * np.sqrt(radius**2 - (radius - VALLEY) ** 2)
    centers = np.zeros((int(np.ceil(length / spacing)) + 1, 3))
    centers[:, 2] = np.linspace(-0.5 * length, 0.5 * length, len(centers)) if length else 0.0
    return transform_points(primitive.T_link_primitive, centers), np.full(len(centers), radius)


def _inside(primitives: list[Primitive], surface: Array) -> Array:
    """Grid points (c, 3) at least 2 mm inside, about a thousand of them."""
    low, high = surface.min(axis=0), surface.max(axis=0)
    pitch = max(0.002, float(np.prod(high - low) / 1500) ** (1 / 3))
    axes = [
        np.linspace(a, b, max(3, int((b - a) / pitch) | 1)) for a, b in zip(low, high, strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    depth = np.min([p.distance(grid) for p in primitives], axis=0)
    return grid[depth < -0.002]


def self_collision_pairs(
    centers: Array, radii: Array, link: Array, allowed: Array, poses: Array, opened: Array
) -> Array:
    """(p, 2) pairs of spheres that can touch though they are apart in the open posture.

    centers (s, 3) in their links, radii (s,), link (s,); allowed: (L, L) bool pairs of links
    that count; poses: (n, L, 4, 4) of random joint vectors, and `opened` (1, L, 4, 4).
    """
    first, second = np.triu_indices(len(radii), 1)
    counted = allowed[link[first], link[second]]
    first, second = first[counted], second[counted]
    reach = radii[first] + radii[second]
    apart = _gaps(centers, link, opened, first, second)[0] > reach
    first, second, reach = first[apart], second[apart], reach[apart]
    nearest = np.full(len(first), np.inf)
    for chunk in np.array_split(poses, max(1, len(poses) // 40)):
        nearest = np.minimum(nearest, _gaps(centers, link, chunk, first, second).min(axis=0))
    near = nearest < reach + REACH
    return np.stack([first[near], second[near]], axis=1).astype(np.int64)


def _gaps(centers: Array, link: Array, poses: Array, first: Array, second: Array) -> Array:
    """(n, p) distances between sphere centres [m]."""
    own = poses[:, link]
    placed = (own[..., :3, :3] @ centers[..., None])[..., 0] + own[..., :3, 3]
    return np.linalg.norm(placed[:, first] - placed[:, second], axis=2)
