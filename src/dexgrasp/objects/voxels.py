"""The inside of a mesh as a lattice of small cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import open3d as o3d
import trimesh

from dexgrasp.objects.sdf import scene_of
from dexgrasp.types import Array

VOXEL = 0.001  # [m], facts of the survey's penetration volume
OFF_LATTICE = np.array([0.0137, 0.0293])  # keeps rays off edges of axis-aligned meshes


@dataclass(frozen=True, eq=False)
class Voxels:
    """inside: (nx, ny, nz) bool; the centre of cell [0, 0, 0] at `origin` (3,); edge [m]."""

    inside: Array
    origin: Array
    edge: float

    @classmethod
    def from_mesh(cls, mesh: trimesh.Trimesh, edge: float = VOXEL) -> Voxels:
        """Cells whose centre is inside a watertight mesh [m], filled column by column."""
        low = mesh.bounds[0] + 0.5 * edge
        low[:2] += OFF_LATTICE * edge
        count = np.maximum(np.ceil(mesh.extents / edge).astype(int), 1)
        x = low[0] + edge * np.arange(count[0])
        y = low[1] + edge * np.arange(count[1])
        rays = np.zeros((count[0] * count[1], 6), dtype=np.float32)
        rays[:, :2] = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
        rays[:, 2], rays[:, 5] = low[2] - edge, 1.0
        hits = scene_of(mesh).list_intersections(o3d.core.Tensor.from_numpy(rays))
        cell = np.ceil(hits["t_hit"].numpy() / edge - 1.0).astype(int)  # first centre behind
        flips = np.zeros((len(rays), count[2] + 1), dtype=np.uint8)
        np.add.at(flips, (hits["ray_ids"].numpy().astype(int), np.clip(cell, 0, count[2])), 1)
        inside = np.cumsum(flips, axis=1)[:, :-1] % 2 == 1
        return cls(inside.reshape(*count), low, edge)

    @property
    def volume(self) -> float:
        """Volume of the cells inside [m3]."""
        return float(self.inside.sum()) * self.edge**3
