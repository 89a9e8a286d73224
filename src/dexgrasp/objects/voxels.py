"""The inside of a mesh as a lattice of small cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh

from dexgrasp.objects.rays import OFF_LATTICE, inside_nodes
from dexgrasp.types import Array

VOXEL = 0.001  # [m], facts of the survey's penetration volume


@dataclass(frozen=True, eq=False)
class Voxels:
    """inside: (nx, ny, nz) bool; the centre of cell [0, 0, 0] at `origin` (3,); edge [m]."""

    inside: Array
    origin: Array
    edge: float

    @classmethod
    def from_mesh(cls, mesh: trimesh.Trimesh, edge: float = VOXEL) -> Voxels:
        """Cells whose centre is inside a watertight mesh [m]."""
        low = mesh.bounds[0] + (0.5 + OFF_LATTICE) * edge
        count = np.maximum(np.ceil(mesh.extents / edge).astype(int), 1)
        return cls(inside_nodes(mesh, low, count, edge), low, edge)

    @property
    def volume(self) -> float:
        """Volume of the cells inside [m3]."""
        return float(self.inside.sum()) * self.edge**3
