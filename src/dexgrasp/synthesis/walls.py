"""Where an object is thin: the surface on the other side, and the upper rims of its walls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import open3d as o3d
import trimesh
from scipy.spatial import KDTree

from dexgrasp.objects import ObjectModel
from dexgrasp.objects.rays import scene_of
from dexgrasp.objects.sdf import exact_signed_distance
from dexgrasp.types import Array

SAMPLES = 8000  # points of the surface among which walls are looked for
THICKEST = 0.015  # [m] of a wall that a hand holds by its rim
BELOW = (0.003, 0.025)  # [m] below the upper edge: what a fingertip that holds a rim covers
UPRIGHT = 0.5  # largest vertical component of a wall's normal: it leans by 30 degrees at most
OPPOSED = -0.8  # cosine between the normals of a wall's two sides
WIDTH = 0.012  # [m] along which a wall goes on to both sides and downwards: a rod ends there
BEND = 0.003  # [m] that it may bend away there: a ring of 25 mm radius
ROOM = 0.010  # [m] radius of a ball, a fingertip's pad, that is free on both sides
LEAST = 0.01  # share of the surface below which there is no rim, but an edge somewhere
NEAR = 0.01  # [m] from the middle of a wall that holds its surface
STEP = 1e-4  # [m] that rays begin off the surface that they leave


@dataclass(frozen=True)
class Spots:
    """k places around which fingers close.

    points: (k, 3) on the surface [m].  normals: (k, 3) outward there.  middles: (k, 3) inside.
    across: (k, 3) unit directions from one finger to the opposite one, NaN where any will do.
    """

    points: Array
    normals: Array
    middles: Array
    across: Array

    def __len__(self) -> int:
        return len(self.points)

    def near(self, points: Array) -> Array:
        """(n,) bool: points (n, 3) within NEAR of a spot's middle."""
        return KDTree(self.middles).query(points)[0] < NEAR

    def take(self, rows: Array) -> Spots:
        """Those at `rows` (indices or a mask)."""
        return Spots(*(values[rows] for values in vars(self).values()))


def opposite(model: ObjectModel, points: Array, normals: Array) -> tuple[Array, Array]:
    """Thickness (k,) [m] below surface points (k, 3), and the normals (k, 3) of the other side.

    normals: (k, 3) outward unit normals at the points. Infinite where a ray finds no way out.
    """
    return _rays(model, points - STEP * normals, -normals)


def _rays(model: ObjectModel, origins: Array, directions: Array) -> tuple[Array, Array]:
    """Way (k,) [m] from (k, 3) to the next surface, infinite if none, and normals (k, 3) there."""
    rays = np.concatenate([origins, directions], axis=1).astype(np.float32)
    hits = scene_of(model.mesh).cast_rays(o3d.core.Tensor.from_numpy(rays))
    return hits["t_hit"].numpy().astype(float), hits["primitive_normals"].numpy().astype(float)


@lru_cache(maxsize=32)
def rim_spots(model: ObjectModel) -> Spots:
    """Places of upright walls shortly below a free upper edge; none of an object without a rim.

    The wall is at most THICKEST thick, its sides are parallel, it goes on to both sides and down,
    with room for fingertips, and nothing is above it. The model's z axis points up.
    """
    drawn = trimesh.sample.sample_surface(model.mesh, SAMPLES, seed=0)
    points, normals = np.asarray(drawn[0]), np.asarray(model.mesh.face_normals)[drawn[1]]
    side = np.abs(normals[:, 2]) < UPRIGHT
    points, normals = points[side], normals[side]
    thickness, others = opposite(model, points, normals)
    thin = (thickness < THICKEST) & ((normals * others).sum(axis=1) < OPPOSED)
    points, normals, thickness = points[thin], normals[thin], thickness[thin]
    middles = points - 0.5 * thickness[:, None] * normals
    spots = Spots(points, normals, middles, normals)
    rim = _below_an_edge(model, middles) & _wide(model, middles, normals, thickness)
    rim &= _free(model, middles, normals, thickness)
    return spots.take(rim if rim.sum() >= LEAST * SAMPLES else np.zeros(0, dtype=int))


def _below_an_edge(model: ObjectModel, middles: Array) -> Array:
    """(k,) bool: the wall ends within BELOW above the points inside it, and nothing follows."""
    up = np.tile([0.0, 0.0, 1.0], (len(middles), 1))
    height, _ = _rays(model, middles, up)
    edge = middles + np.where(np.isfinite(height), height, 0.0)[:, None] * up
    above, _ = _rays(model, edge + STEP * up, up)
    return np.asarray((height > BELOW[0]) & (height < BELOW[1]) & np.isinf(above))


def _wide(model: ObjectModel, middles: Array, normals: Array, thickness: Array) -> Array:
    """(k,) bool: the wall goes on to both sides and downwards."""
    along = np.cross([0.0, 0.0, 1.0], normals)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    ways = np.stack([along, -along, np.cross(along, normals)])
    off = exact_signed_distance(model.mesh, middles + WIDTH * ways)
    limit = BEND - 0.5 * np.minimum(thickness, 2.0 * BEND)
    return np.logical_and.reduce(off < limit)


def _free(model: ObjectModel, middles: Array, normals: Array, thickness: Array) -> Array:
    """(k,) bool: a fingertip fits on both sides of the wall and above the object's lowest point."""
    out = (0.5 * thickness + ROOM)[:, None] * normals
    gap = exact_signed_distance(model.mesh, np.stack([middles + out, middles - out]))
    high = middles[:, 2] - model.mesh.bounds[0, 2] > ROOM
    return high & (gap > 0.9 * ROOM).all(axis=0)
