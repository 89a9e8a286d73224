"""Exact distances to posed boxes, capsules, cylinders and spheres, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

from dexgrasp.geometry import inverse
from dexgrasp.hands import Primitive
from dexgrasp.objects import Voxels
from dexgrasp.types import Array

KINDS = {"box": 0, "capsule": 1, "cylinder": 2, "sphere": 3}


@dataclass(frozen=True)
class Solids:
    """P primitives in one frame: kind (P,), size (P, 3) as in `Primitive`, pose (P, 4, 4)."""

    kind: Array
    size: Array
    pose: Array

    @classmethod
    def posed(cls, primitives: Sequence[Primitive], T_frame_link: Array) -> Solids:
        """The primitives of a hand whose links are at T_frame_link (L, 4, 4)."""
        kind = np.array([KINDS[p.kind] for p in primitives])
        size = np.zeros((len(primitives), 3))
        for row, primitive in zip(size, primitives, strict=True):
            row[: len(primitive.size)] = primitive.size
        links = [p.link for p in primitives]
        local = np.array([p.T_link_primitive for p in primitives])
        return cls(kind, size, T_frame_link[links] @ local)

    def bounds(self) -> tuple[Array, Array]:
        """Lowest and highest corners (P, 3) of boxes around each solid [m]."""
        radius, half = self.size[:, 0], 0.5 * self.size[:, 1]
        straight = np.stack([radius, radius, half + (self.kind == KINDS["capsule"]) * radius], 1)
        extent = np.where((self.kind == KINDS["box"])[:, None], 0.5 * self.size, straight)
        extent = np.where((self.kind == KINDS["sphere"])[:, None], radius[:, None], extent)
        reach = (np.abs(self.pose[:, :3, :3]) @ extent[:, :, None])[..., 0]
        return self.pose[:, :3, 3] - reach, self.pose[:, :3, 3] + reach


def distances(solids: Solids, points: Array, limit: float = np.inf) -> Array:
    """Signed distance (n,) [m] from points (n, 3) to the union of the solids.

    Beyond `limit` [m] any value not below it may stand; inside, the deepest solid counts.
    """
    low, high = solids.bounds()
    result = np.full(len(points), np.inf)
    to_solid = inverse(solids.pose)
    _distances(solids.kind, solids.size, to_solid, low - limit, high + limit, points, result)
    return result


def cells_inside(solids: Solids, voxels: Voxels) -> int:
    """Number of the object's inner cells whose centre is in a solid; solids in its frame."""
    low, high = solids.bounds()
    first = np.ceil((low - voxels.origin) / voxels.edge).astype(np.int64)
    last = np.floor((high - voxels.origin) / voxels.edge).astype(np.int64)
    first = np.maximum(first, 0)
    last = np.minimum(last, np.array(voxels.inside.shape) - 1)
    return _cells_inside(
        solids.kind, solids.size, inverse(solids.pose), first, last,
        voxels.inside, voxels.origin, voxels.edge,
    )  # fmt: skip


@numba.njit(cache=True)
def _distance(kind, size, pose, x, y, z):
    """Distance of a point to one solid, whose inverse pose is `pose`."""
    u = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]
    v = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]
    w = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
    if kind == 0:
        a, b, c = abs(u) - 0.5 * size[0], abs(v) - 0.5 * size[1], abs(w) - 0.5 * size[2]
        outside = np.sqrt(max(a, 0.0) ** 2 + max(b, 0.0) ** 2 + max(c, 0.0) ** 2)
        return outside + min(max(a, max(b, c)), 0.0)
    if kind == 1:
        w = max(abs(w) - 0.5 * size[1], 0.0)
        return np.sqrt(u * u + v * v + w * w) - size[0]
    if kind == 2:
        a, b = np.sqrt(u * u + v * v) - size[0], abs(w) - 0.5 * size[1]
        return np.sqrt(max(a, 0.0) ** 2 + max(b, 0.0) ** 2) + min(max(a, b), 0.0)
    return np.sqrt(u * u + v * v + w * w) - size[0]


@numba.njit(cache=True)
def _distances(kind, size, pose, low, high, points, result):
    for n in range(len(points)):
        x, y, z = points[n]
        for p in range(len(kind)):
            if (
                low[p, 0] <= x <= high[p, 0]
                and low[p, 1] <= y <= high[p, 1]
                and low[p, 2] <= z <= high[p, 2]
            ):
                result[n] = min(result[n], _distance(kind[p], size[p], pose[p], x, y, z))


@numba.njit(cache=True)
def _cells_inside(kind, size, pose, first, last, inside, origin, edge):
    count = 0
    for p in range(len(kind)):
        for i in range(first[p, 0], last[p, 0] + 1):
            x = origin[0] + edge * i
            for j in range(first[p, 1], last[p, 1] + 1):
                y = origin[1] + edge * j
                for k in range(first[p, 2], last[p, 2] + 1):
                    if not inside[i, j, k]:
                        continue
                    z = origin[2] + edge * k
                    if _distance(kind[p], size[p], pose[p], x, y, z) > 0.0:
                        continue
                    count += 1
                    for other in range(p):  # counted already for an earlier solid
                        if (
                            first[other, 0] <= i <= last[other, 0]
                            and first[other, 1] <= j <= last[other, 1]
                            and first[other, 2] <= k <= last[other, 2]
                            and _distance(kind[other], size[other], pose[other], x, y, z) <= 0.0
                        ):
                            count -= 1
                            break
    return count
