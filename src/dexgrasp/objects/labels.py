"""Which part of an object a place on its surface belongs to: handle, rim, blade ..."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import open3d as o3d
import trimesh
from pydantic import BaseModel, ConfigDict, model_validator
from scipy.spatial import KDTree

from dexgrasp.errors import MeshError
from dexgrasp.geometry import inverse, transform_points
from dexgrasp.types import Array

UNLABELLED = -1
SUFFIX = ".parts.json"  # beside the mesh: mug.obj, mug.parts.json
AXES = {"x": 0, "y": 1, "z": 2}


class SurfaceLabels(Protocol):
    """Names of parts, and the part of any point near the surface."""

    @property
    def names(self) -> tuple[str, ...]:
        """The parts, each once."""
        ...

    def label_points(self, points: Array) -> Array:
        """Index into `names` (n,) of points (n, 3) in the mesh frame [m]; -1 for no part."""
        ...


class Zone(BaseModel):
    """A part that is a slice of a shape: above and below figures [m] along one of its axes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    part: str
    axis: Literal["x", "y", "z"] = "z"
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Zone:
        low = -np.inf if self.above is None else self.above
        high = np.inf if self.below is None else self.below
        if not low < high or (self.above is None and self.below is None):
            raise ValueError(f"zone {self.part!r} needs 'above' less than 'below', or one of them")
        return self

    def holds(self, points: Array) -> Array:
        """(n,) bool of points (n, 3) in the shape's frame."""
        along = points[:, AXES[self.axis]]
        inside = np.ones(len(along), dtype=bool)
        if self.above is not None:
            inside &= along >= self.above
        if self.below is not None:
            inside &= along <= self.below
        return inside


@dataclass(frozen=True, eq=False)
class PlacedZone:
    """A zone of the body `body`, whose shape has its frame at `T_mesh_shape` (4, 4)."""

    zone: Zone
    body: int
    T_mesh_shape: Array


@dataclass(frozen=True, eq=False)
class FaceLabels:
    """Labels by the nearest triangle. Triangles (f, 3, 3) in the mesh frame [m].

    names: parts.  face_label: (f,) index into `names`, -1 for none.
    face_body: (f,) of which body a triangle is, and `zones` that relabel slices of bodies; the
        first zone that holds a point wins.
    """

    names: tuple[str, ...]
    triangles: Array
    face_label: Array
    face_body: Array | None = None
    zones: tuple[PlacedZone, ...] = ()

    @classmethod
    def of_bodies(
        cls,
        bodies: Sequence[trimesh.Trimesh],
        parts: Sequence[str],
        zones: Sequence[PlacedZone] = (),
    ) -> FaceLabels:
        """Labels of bodies that each are one part, except for their zones."""
        names = tuple(dict.fromkeys([*parts, *(z.zone.part for z in zones)]))
        counts = [len(body.faces) for body in bodies]
        triangles = np.concatenate([np.asarray(body.triangles) for body in bodies])
        label = np.repeat([names.index(part) for part in parts], counts)
        return cls(names, triangles, label, np.repeat(np.arange(len(bodies)), counts), tuple(zones))

    @cached_property
    def _scene(self) -> o3d.t.geometry.RaycastingScene:
        scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        vertices = np.array(self.triangles, dtype=np.float32).reshape(-1, 3)
        faces = np.arange(len(vertices), dtype=np.uint32).reshape(-1, 3)
        scene.add_triangles(o3d.core.Tensor.from_numpy(vertices), o3d.core.Tensor.from_numpy(faces))
        return scene

    def label_points(self, points: Array) -> Array:
        """Index into `names` (n,) of points (n, 3) in the mesh frame [m]; -1 for no part."""
        points = np.asarray(points, dtype=float).reshape(-1, 3)
        query = o3d.core.Tensor.from_numpy(points.astype(np.float32))
        face = self._scene.compute_closest_points(query)["primitive_ids"].numpy()
        label = np.asarray(self.face_label)[face].copy()
        if self.face_body is not None:
            for placed in reversed(self.zones):  # the first zone is written last, and stays
                local = transform_points(inverse(placed.T_mesh_shape), points)
                held = (self.face_body[face] == placed.body) & placed.zone.holds(local)
                label[held] = self.names.index(placed.zone.part)
        return label


@dataclass(frozen=True, eq=False)
class CloudLabels:
    """Labels by the nearest of labelled points (m, 3) [m], e.g. a segmented cloud.

    point_label: (m,) index into `names`, -1 for none. Raises MeshError when they do not match.
    """

    names: tuple[str, ...]
    points: Array
    point_label: Array

    def __post_init__(self) -> None:
        label = np.asarray(self.point_label)
        if np.shape(self.points) != (len(label), 3) or len(label) == 0:
            raise MeshError(f"{np.shape(self.points)} points have {len(label)} labels; need (m, 3)")
        if label.min() < UNLABELLED or label.max() >= len(self.names):
            raise MeshError(f"point labels must be within -1 and {len(self.names) - 1}")

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree(self.points)

    def label_points(self, points: Array) -> Array:
        """Index into `names` (n,) of points (n, 3) in the mesh frame [m]; -1 for no part."""
        return np.asarray(self.point_label)[self._tree.query(np.asarray(points))[1]]


def read_labels(path: Path, mesh: trimesh.Trimesh) -> FaceLabels:
    """Labels from a JSON file beside a mesh whose faces are in the file's order.

    Either `{"parts": {"handle": [0, 1, ...], ...}}` with face indices, or `{"faces": ["handle",
    "body", null, ...]}` with a name per face. Raises MeshError for a file that is neither, for
    faces the mesh does not have, and for a face in two parts.
    """
    content = _read_json(path)
    count = len(mesh.faces)
    parts = _from_names(content["faces"], count, path) if "faces" in content else content["parts"]
    if not isinstance(parts, dict) or not parts:
        raise MeshError(f"{path}: 'parts' must map at least one part's name to face indices")
    return FaceLabels(tuple(parts), np.asarray(mesh.triangles), _face_label(parts, count, path))


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise MeshError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict) or len(content.keys() & {"parts", "faces"}) != 1:
        raise MeshError(f"{path} must be an object with 'parts' or with 'faces'")
    unknown = content.keys() - {"parts", "faces"}
    if unknown:
        raise MeshError(f"{path}: unknown key {min(unknown)!r}; allowed: parts, faces")
    return content


def _from_names(names: object, count: int, path: Path) -> dict[str, list[int]]:
    if not isinstance(names, list) or len(names) != count:
        given = len(names) if isinstance(names, list) else type(names).__name__
        raise MeshError(f"{path}: 'faces' has {given} names; the mesh has {count} faces")
    parts: dict[str, list[int]] = {}
    for face, name in enumerate(names):
        if name is not None and not isinstance(name, str):
            raise MeshError(f"{path}: the part of face {face} is {name!r}; give a name or null")
        if name:
            parts.setdefault(name, []).append(face)
    return parts


def _face_label(parts: Mapping[str, object], count: int, path: Path) -> Array:
    label = np.full(count, UNLABELLED)
    names = list(parts)
    for index, (name, faces) in enumerate(parts.items()):
        whole = isinstance(faces, list) and all(type(face) is int for face in faces)
        if not whole or not faces:
            raise MeshError(f"{path}: part {name!r} must be a list of face indices, not empty")
        for face in faces:  # type: ignore[union-attr]
            if not 0 <= face < count:
                raise MeshError(
                    f"{path}: part {name!r} names face {face}; the mesh has faces 0 to {count - 1}"
                )
            if label[face] not in (UNLABELLED, index):
                raise MeshError(
                    f"{path}: face {face} is in {names[label[face]]!r} and {name!r}; "
                    "a face belongs to one part"
                )
            label[face] = index
    return label
