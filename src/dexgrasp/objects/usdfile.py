"""Meshes of USD stages, through the optional package usd-core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from dexgrasp.errors import MeshError


def read_usd(path: Path) -> trimesh.Trimesh:
    """All meshes of a stage in its root frame [m], polygons as triangles, the up axis kept.

    Raises MeshError without usd-core, for a file that is no stage and for one without a mesh.
    """
    try:
        from pxr import Usd, UsdGeom
    except ImportError as error:
        raise MeshError(
            f"{path}: reading USD needs usd-core; install the extra: pip install 'dexgrasp[usd]'"
        ) from error
    try:
        stage = Usd.Stage.Open(str(path))
    except Exception as error:  # pxr raises its own type, not exported under a stable name
        raise MeshError(f"{path} cannot be read as a USD stage: {error}") from error
    places = UsdGeom.XformCache()
    prims = stage.Traverse(Usd.TraverseInstanceProxies())
    parts = [
        _mesh(UsdGeom.Mesh(prim), places.GetLocalToWorldTransform(prim), path)
        for prim in prims
        if prim.IsA(UsdGeom.Mesh)
    ]
    if not parts:
        raise MeshError(f"{path} holds no UsdGeom.Mesh; shapes such as Cube are not read")
    whole = trimesh.util.concatenate(parts)
    whole.apply_scale(UsdGeom.GetStageMetersPerUnit(stage))
    return whole  # type: ignore[return-value]


def _mesh(mesh: Any, place: Any, path: Path) -> trimesh.Trimesh:
    """One prim as triangles in the stage's frame; `place` is USD's row-vector matrix."""
    points = np.asarray(mesh.GetPointsAttr().Get() or (), float).reshape(-1, 3)
    counts = np.asarray(mesh.GetFaceVertexCountsAttr().Get() or (), int)
    corners = np.asarray(mesh.GetFaceVertexIndicesAttr().Get() or (), int)
    wrong = counts.sum() != len(corners) or (counts < 3).any()
    if wrong or (len(corners) and not 0 <= corners.min() <= corners.max() < len(points)):
        raise MeshError(f"{path}: the faces of {mesh.GetPath()} do not fit its points")
    matrix = np.array(place)
    faces = _triangles(counts, corners)
    if mesh.GetOrientationAttr().Get() == "leftHanded":
        faces = faces[:, ::-1]
    if np.linalg.det(matrix[:3, :3]) < 0.0:  # a mirrored node turns its faces inside out
        faces = faces[:, ::-1]
    return trimesh.Trimesh(points @ matrix[:3, :3] + matrix[3, :3], faces, process=False)


def _triangles(counts: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(k, 3) fans of the polygons."""
    starts = np.cumsum(counts) - counts
    fans = [
        np.stack(
            [np.full(n - 2, corners[s]), corners[s + 1 : s + n - 1], corners[s + 2 : s + n]], axis=1
        )
        for s, n in zip(starts, counts, strict=True)
    ]
    return np.concatenate(fans) if fans else np.empty((0, 3), int)
