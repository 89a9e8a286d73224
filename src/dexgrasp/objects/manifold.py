"""Closed meshes as solids of manifold3d, and back."""

from __future__ import annotations

import manifold3d  # pyright: ignore[reportMissingImports]
import numpy as np
import trimesh


def simplified(mesh: trimesh.Trimesh, tolerance: float) -> trimesh.Trimesh:
    """A closed mesh with fewer triangles, within about `tolerance` [m] of the given one."""
    return from_manifold(as_manifold(mesh).simplify(tolerance))


def from_manifold(solid: manifold3d.Manifold) -> trimesh.Trimesh:
    """manifold3d's solid as a closed mesh."""
    mesh = solid.to_mesh64()
    # Copied: a mesh that lives as long as the process would keep manifold3d's, which warns then.
    vertices = np.array(mesh.vert_properties[:, :3])
    return trimesh.Trimesh(vertices, mesh.tri_verts.astype(np.int64), process=False)


def as_manifold(mesh: trimesh.Trimesh) -> manifold3d.Manifold:
    """A closed mesh as manifold3d's solid."""
    return manifold3d.Manifold(
        manifold3d.Mesh64(
            np.array(mesh.vertices, np.float64, order="C"),
            np.array(mesh.faces, np.uint64, order="C"),
        )
    )
