"""The catalogue of objects in `config/objects/catalogue.yaml`, and objects by name or file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import trimesh
from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import ConfigError, UnknownNameError
from dexgrasp.objects.meshfile import SUFFIXES, read_mesh
from dexgrasp.objects.model import DEFAULT_FRICTION, ObjectModel
from dexgrasp.objects.poses import resting_pose
from dexgrasp.objects.shapes import AnyShape


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
    name_or_file: str | Path, mass: float | None = None, friction: float | None = None
) -> ObjectModel:
    """An object by catalogue name or mesh file [m]; `mass` [kg], `friction` replace its own.

    Raises UnknownNameError for a name that is not in the catalogue, MeshError for a file
    that holds no watertight mesh in metres.
    """
    path = Path(name_or_file)
    if path.suffix.lower() in SUFFIXES:
        friction = DEFAULT_FRICTION if friction is None else friction
        return ObjectModel.from_mesh(path.stem, read_mesh(path), mass, friction=friction)
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
    return ObjectModel.from_bodies(name, mesh, bodies, densities, mass, friction, pieces)


def _union(name: str, bodies: list[trimesh.Trimesh]) -> trimesh.Trimesh:
    mesh = trimesh.boolean.union(bodies, engine="manifold")
    if not mesh.is_volume or mesh.body_count != 1:
        raise ConfigError(f"the shapes of {name} do not join into one solid")
    return mesh


def extents_error(model: ObjectModel, size: tuple[float, float, float]) -> float:
    """Largest relative difference of the sorted extents from a published size [m]."""
    given = np.sort(size)
    return float((np.abs(np.sort(model.mesh.extents) - given) / given).max())
