"""The catalogue of objects in `config/objects/catalogue.yaml`, and objects by name or file."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import trimesh
from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import ConfigError, MeshError, UnknownNameError
from dexgrasp.objects.labels import SUFFIX, FaceLabels, PlacedZone, read_labels
from dexgrasp.objects.meshfile import SUFFIXES, USD, read_mesh
from dexgrasp.objects.model import DEFAULT_FRICTION, ObjectModel
from dexgrasp.objects.poses import resting_pose
from dexgrasp.objects.shapes import AnyShape
from dexgrasp.objects.usdfile import read_usd


class CatalogueEntry(BaseModel):
    """An object: its published figures and the shapes that it is made of.

    size: (3,) extents [m] as it rests, from `size_source`.  mass [kg], from `mass_source`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    size: tuple[float, float, float]
    size_source: str
    mass: float = Field(gt=0.0)
    mass_source: str
    friction: float = Field(default=DEFAULT_FRICTION, gt=0.0)
    shapes: tuple[AnyShape, ...] = Field(min_length=1)


class Catalogue(BaseModel):
    """All objects by name, with the sources that they cite."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sources: dict[str, str]
    objects: dict[str, CatalogueEntry]


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """The shipped catalogue. Raises ConfigError."""
    return load_config(resource_path("config", "objects", "catalogue.yaml"), Catalogue)


def object_names() -> list[str]:
    """Names of the catalogue's objects."""
    return sorted(catalogue().objects)


def load_object(
    name_or_file: str | Path,
    mass: float | None = None,
    friction: float | None = None,
    scale: float = 1.0,
) -> ObjectModel:
    """An object by catalogue name or mesh file [m]; `mass` [kg], `friction` replace its own.

    scale: factor on the lengths of a mesh file, which data sets of normalised meshes need.
    A file `mug.parts.json` beside `mug.obj` labels its parts: `labels.read_labels`.
    Raises UnknownNameError for a name that is not in the catalogue, MeshError for a file
    that holds no watertight mesh in metres or no such labels.
    """
    path = Path(name_or_file)
    if path.suffix.lower() in SUFFIXES:
        friction = DEFAULT_FRICTION if friction is None else friction
        model = ObjectModel.from_mesh(path.stem, read_mesh(path, scale), mass, friction=friction)
        return replace(model, labels=_labels_beside(path, scale))
    if scale != 1.0:
        raise MeshError(f"{name_or_file} is an object of the catalogue and is not scaled")
    entries = catalogue().objects
    if str(name_or_file) not in entries:
        known = [*entries, *(f"a {s} file" for s in SUFFIXES)]
        raise UnknownNameError("object", str(name_or_file), known)
    return _build(str(name_or_file), mass, friction)


@lru_cache(maxsize=128)
def _build(name: str, mass: float | None, friction: float | None) -> ObjectModel:
    """The object with its mesh frame at rest: bottom at z = 0, box centred on the z axis."""
    entry = catalogue().objects[name]
    built = [shape.build() for shape in entry.shapes]
    bodies, pieces = [b for b, _ in built], [p for _, many in built for p in many]
    mesh = bodies[0] if len(bodies) == 1 else _union(name, bodies)
    densities = [shape.density for shape in entry.shapes]
    mass = entry.mass if mass is None else mass
    friction = entry.friction if friction is None else friction
    model = ObjectModel.from_bodies(name, mesh, bodies, densities, mass, friction)
    rest = resting_pose(mesh, model.com)
    for item in {id(m): m for m in [mesh, *bodies, *pieces]}.values():
        item.apply_transform(rest)
    model = ObjectModel.from_bodies(name, mesh, bodies, densities, mass, friction, pieces)
    zones = [
        PlacedZone(zone, index, rest @ shape.pose)
        for index, shape in enumerate(entry.shapes)
        for zone in shape.zones
    ]
    parts = [shape.part for shape in entry.shapes]
    return replace(model, labels=FaceLabels.of_bodies(bodies, parts, zones))


def _labels_beside(path: Path, scale: float) -> FaceLabels | None:
    """The labels in the file beside a mesh, by the faces as the mesh's file has them."""
    beside = path.with_name(path.stem + SUFFIX)
    if not beside.is_file():
        return None
    if path.suffix.lower() in USD:
        mesh = read_usd(path)
    else:
        mesh: trimesh.Trimesh = trimesh.load(path, force="mesh", process=False)  # type: ignore[assignment]
    return read_labels(beside, mesh.apply_scale(scale))


def _union(name: str, bodies: list[trimesh.Trimesh]) -> trimesh.Trimesh:
    mesh = trimesh.boolean.union(bodies, engine="manifold")
    if not mesh.is_volume or mesh.body_count != 1:
        raise ConfigError(f"the shapes of {name} do not join into one solid")
    return mesh


def extents_error(model: ObjectModel, size: tuple[float, float, float]) -> float:
    """Largest relative difference of the sorted extents from a published size [m]."""
    given = np.sort(size)
    return float((np.abs(np.sort(model.mesh.extents) - given) / given).max())
