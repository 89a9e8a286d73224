"""Meshes from files: checked, and repaired where that is simple."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from dexgrasp.errors import MeshError
from dexgrasp.objects.usdfile import read_usd

USD = (".usd", ".usda", ".usdc", ".usdz")
SUFFIXES = (".obj", ".stl", ".ply", ".glb", *USD)
LARGEST, SMALLEST = 2.0, 0.002  # [m] extents that a mesh in metres can plausibly have


def read_mesh(path: Path, scale: float = 1.0) -> trimesh.Trimesh:
    """A watertight mesh [m]. Raises MeshError for a file that is none and cannot be made one.

    scale: factor on its lengths, before anything is checked. A glTF scene is one mesh with its
    nodes in place; so is a USD stage, in metres by its `metersPerUnit`. Both keep their up axis.
    """
    if not path.is_file():
        raise MeshError(f"{path} does not exist")
    if path.suffix.lower() in USD:
        return checked_mesh(read_usd(path).apply_scale(scale), str(path))
    try:
        mesh: trimesh.Trimesh = trimesh.load(path, force="mesh", process=False)  # type: ignore[assignment]
        mesh.apply_scale(scale)
    except Exception as error:  # readers of four formats fail in as many ways
        raise MeshError(f"{path} cannot be read as a mesh: {error}") from error
    return checked_mesh(mesh, str(path))


def checked_mesh(mesh: trimesh.Trimesh, label: str) -> trimesh.Trimesh:
    """A watertight, outward copy of `mesh` [m]. Raises MeshError saying what is wrong."""
    if len(getattr(mesh, "faces", ())) == 0:
        raise MeshError(f"{label} is empty: it has no triangles")
    if not np.isfinite(mesh.vertices).all():
        raise MeshError(f"{label} has vertices that are not finite")
    _check_unit(float(mesh.extents.max()), label)
    mesh = _repaired(mesh)
    if not mesh.is_watertight:
        edges = len(trimesh.grouping.group_rows(mesh.edges_sorted, require_count=1))
        raise MeshError(
            f"{label} is not watertight ({edges} open edges) and filling its holes failed; "
            "close it in a mesh editor"
        )
    if not mesh.is_volume:
        raise MeshError(f"{label} encloses no volume: its faces are inconsistently wound")
    return mesh


def _check_unit(extent: float, label: str) -> None:
    if extent > LARGEST:
        raise MeshError(
            f"{label} is {extent:.4g} m long, more than {LARGEST} m: it is probably in "
            "millimetres; scale it by 0.001"
        )
    if extent < SMALLEST:
        raise MeshError(f"{label} is {extent:.2g} m long, less than {SMALLEST} m; meshes are in m")


def _repaired(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    mesh = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    mesh.update_faces(mesh.nondegenerate_faces() & mesh.unique_faces())
    mesh.remove_unreferenced_vertices()
    if not mesh.is_watertight:
        trimesh.repair.fill_holes(mesh)
    trimesh.repair.fix_normals(mesh)
    return mesh
