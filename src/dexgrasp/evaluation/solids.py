"""Exact distances to posed boxes, capsules, cylinders and spheres, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from dexgrasp.geometry import inverse
from dexgrasp.hands import Primitive
from dexgrasp.hands.clusters import Clusters
from dexgrasp.types import Array

BOX, CAPSULE, CYLINDER, SPHERE = range(4)
BENEATH = 1e-6  # [m] under a surface from which on a point counts as inside
SLANT = 0.2  # sine of the angle below which a direction counts as along a face
KINDS = {"box": BOX, "capsule": CAPSULE, "cylinder": CYLINDER, "sphere": SPHERE}


@dataclass(frozen=True)
class Solids:
    """P primitives in n poses of one hand, in one frame.

    kind: (P,) of KINDS.  size: (P, 3) as in `Primitive` [m].  pose: (n, P, 4, 4).
    """

    kind: Array
    size: Array
    pose: Array

    @classmethod
    def posed(cls, primitives: Sequence[Primitive], T_frame_link: Array) -> Solids:
        """The primitives of a hand whose links are at T_frame_link (n, L, 4, 4)."""
        kind = np.array([KINDS[p.kind] for p in primitives])
        size = np.zeros((len(primitives), 3))
        for row, primitive in zip(size, primitives, strict=True):
            row[: len(primitive.size)] = primitive.size
        links = [p.link for p in primitives]
        local = np.array([p.T_link_primitive for p in primitives])
        return cls(kind, size, T_frame_link[:, links] @ local)

    @cached_property
    def half_extents(self) -> Array:
        """(P, 3) half edges of the box around each solid in its own frame [m]."""
        radius, half = self.size[:, 0], 0.5 * self.size[:, 1]
        straight = np.stack([radius, radius, half + (self.kind == CAPSULE) * radius], axis=1)
        extent = np.where((self.kind == BOX)[:, None], 0.5 * self.size, straight)
        return np.where((self.kind == SPHERE)[:, None], radius[:, None], extent)

    @cached_property
    def radius(self) -> Array:
        """(P,) of a ball about each solid's centre that holds it [m]."""
        corner = np.linalg.norm(self.half_extents, axis=1)
        straight = (self.kind == BOX) | (self.kind == CYLINDER)
        rim = np.hypot(self.size[:, 0], 0.5 * self.size[:, 1])
        corner = np.where(self.kind == CYLINDER, rim, corner)
        return np.where(straight, corner, self.half_extents[:, 2])

    @cached_property
    def to_solid(self) -> Array:
        """(n, P, 4, 4) from the common frame to each solid's own."""
        return inverse(self.pose)

    def bounds(self) -> tuple[Array, Array]:
        """Lowest and highest corners (n, P, 3) of axis-aligned boxes around the solids [m]."""
        reach = (np.abs(self.pose[..., :3, :3]) @ self.half_extents[:, :, None])[..., 0]
        return self.pose[..., :3, 3] - reach, self.pose[..., :3, 3] + reach


def distances(solids: Solids, points: Array, limit: float = np.inf) -> Array:
    """Signed distances (n, k) [m] from points (k, 3) to the union of each pose's solids.

    Beyond `limit` [m] any value not below it may stand; inside, the deepest solid counts.
    """
    low, high = solids.bounds()
    result = np.full((len(solids.pose), len(points)), np.inf)
    points = np.ascontiguousarray(points, dtype=float)
    _distances(solids.kind, solids.size, solids.to_solid, low - limit, high + limit, points, result)
    return result


def slide(kind: Array, size: Array, pose: Array, points: Array, direction: Array) -> Array:
    """Points (k, 3) on k solids' surfaces, moved as far along `direction` (k, 3) as those reach.

    kind (k,), size (k, 3), pose (k, 4, 4): each point's own solid.  Round solids keep the place
    along their axis; flat ones keep a coordinate that the direction hardly changes.
    """
    turn = pose[:, :3, :3].swapaxes(1, 2)
    local = (turn @ (points - pose[:, :3, 3])[..., None])[..., 0]
    d = (turn @ direction[..., None])[..., 0]
    d /= np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1e-12)
    end = 0.5 * np.where((kind == BOX)[:, None], size, size[:, 1:2])
    flat = np.where(np.abs(d) > SLANT, np.sign(d) * end, local)
    across = np.linalg.norm(d[:, :2], axis=1, keepdims=True)
    rim = size[:, :1] * d[:, :2] / np.maximum(across, 1e-12)
    barrel = np.where(across > SLANT, rim, local[:, :2])
    half = np.where(kind == CAPSULE, 0.5 * size[:, 1], 0.0)
    core = np.clip(local[:, 2], -half, half)
    on_end = (kind == SPHERE) | ((np.abs(local[:, 2]) >= half) & (local[:, 2] * d[:, 2] > 0.0))
    ball = np.where(on_end[:, None], size[:, :1] * d, np.c_[rim, np.zeros(len(d))])
    ball[:, 2] += core
    moved = np.where(((kind == CAPSULE) | (kind == SPHERE))[:, None], ball, flat)
    moved[:, :2] = np.where((kind == CYLINDER)[:, None], barrel, moved[:, :2])
    return (pose[:, :3, :3] @ moved[..., None])[..., 0] + pose[:, :3, 3]


def in_another(solids: Solids, group: Array, own: Array, points: Array) -> Array:
    """Which points (k, 3) on solids `own` (k,) are inside another solid of the same group (P,).

    solids: of one pose.
    """
    return _in_another(solids.kind, solids.size, solids.to_solid[0], group, own, points)


def points_near(solids: Solids, clusters: Clusters, limit: float, relevant: Array) -> Array:
    """(n,) numbers of points less than `limit` [m] away from the union of each pose's solids.

    relevant: (n, P) bool; the other solids are known to be farther from all points.
    """
    return _points_near(
        solids.kind, solids.size, solids.to_solid, solids.radius, solids.pose, relevant,
        clusters.points, clusters.start, clusters.center, clusters.radius, limit,
    )  # fmt: skip


@numba.njit(cache=True)
def solid_distance(kind, size, pose, x, y, z):
    """Distance of a point to one solid, whose inverse pose is `pose`."""
    u = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]
    v = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]
    w = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
    if kind == BOX:
        a, b, c = abs(u) - 0.5 * size[0], abs(v) - 0.5 * size[1], abs(w) - 0.5 * size[2]
        outside = np.sqrt(max(a, 0.0) ** 2 + max(b, 0.0) ** 2 + max(c, 0.0) ** 2)
        return outside + min(max(a, max(b, c)), 0.0)
    if kind == CAPSULE:
        w = max(abs(w) - 0.5 * size[1], 0.0)
        return np.sqrt(u * u + v * v + w * w) - size[0]
    if kind == CYLINDER:
        a, b = np.sqrt(u * u + v * v) - size[0], abs(w) - 0.5 * size[1]
        return np.sqrt(max(a, 0.0) ** 2 + max(b, 0.0) ** 2) + min(max(a, b), 0.0)
    return np.sqrt(u * u + v * v + w * w) - size[0]


@numba.njit(cache=True)
def _distances(kind, size, to_solid, low, high, points, result):
    for g in range(len(to_solid)):
        for n in range(len(points)):
            x, y, z = points[n]
            for p in range(len(kind)):
                if (
                    low[g, p, 0] <= x <= high[g, p, 0]
                    and low[g, p, 1] <= y <= high[g, p, 1]
                    and low[g, p, 2] <= z <= high[g, p, 2]
                ):
                    d = solid_distance(kind[p], size[p], to_solid[g, p], x, y, z)
                    result[g, n] = min(result[g, n], d)


@numba.njit(cache=True)
def _in_another(kind, size, to_solid, group, own, points):
    result = np.zeros(len(points), dtype=np.bool_)
    for n in range(len(points)):
        x, y, z = points[n]
        for p in range(len(kind)):
            if p != own[n] and group[p] == group[own[n]]:
                inside = solid_distance(kind[p], size[p], to_solid[p], x, y, z) < -BENEATH
                result[n] = result[n] or inside
    return result


@numba.njit(cache=True)
def _points_near(kind, size, to_solid, bound, pose, relevant, points, start, center, radius, limit):
    counts = np.zeros(len(to_solid), dtype=np.int64)
    close = np.empty(len(kind), dtype=np.int64)
    for g in range(len(to_solid)):
        for c in range(len(radius)):
            x, y, z = center[c]
            found = 0
            for p in range(len(kind)):
                if not relevant[g, p]:
                    continue
                reach = limit + radius[c]
                a, b, d = x - pose[g, p, 0, 3], y - pose[g, p, 1, 3], z - pose[g, p, 2, 3]
                if a * a + b * b + d * d > (bound[p] + reach) ** 2:
                    continue
                if solid_distance(kind[p], size[p], to_solid[g, p], x, y, z) <= reach:
                    close[found] = p
                    found += 1
            if found == 0:
                continue
            for n in range(start[c], start[c + 1]):
                for index in range(found):
                    p = close[index]
                    x, y, z = points[n]
                    if solid_distance(kind[p], size[p], to_solid[g, p], x, y, z) < limit:
                        counts[g] += 1
                        break
    return counts
