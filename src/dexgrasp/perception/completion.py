"""The whole shape of an object from the part that one view shows.

What is not seen is filled, unless a symmetry says otherwise: a place is part of the object when
neither it nor any image of it under the object's symmetry lies in seen free space, and it is
above the table. The margin to free space is a signed field, so surfaces come out smooth, and
openings that are seen (a bowl's inside, a mug's handle) stay open.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import trimesh
from scipy.spatial import KDTree

from dexgrasp.errors import SceneError
from dexgrasp.geometry import inverse, transform_points
from dexgrasp.objects import ObjectModel, SignedDistance
from dexgrasp.objects.manifold import simplified
from dexgrasp.objects.pieces import convex_pieces
from dexgrasp.perception.balance import toward_head
from dexgrasp.perception.carving import carve
from dexgrasp.perception.cloud import thin_to
from dexgrasp.perception.distance import distance_from_field
from dexgrasp.perception.grids import regions
from dexgrasp.perception.surface import level_surface
from dexgrasp.perception.symmetry import find_symmetry
from dexgrasp.perception.view import ViewModel
from dexgrasp.types import Array, DetectedObject

# What a cloud cannot tell: rather too heavy, because what is held too loosely falls.
DENSITY = 900.0  # [kg/m3], a full bottle
METAL = 3000.0  # [kg/m3], a tool with a head, handle included
MASS_RANGE = (0.05, 1.2)  # [kg]
FRICTION = 0.6
FEWEST_POINTS = 30
SPACING, MOST_POINTS = 0.003, 4000
CELLS = 100_000
FINEST = 0.002  # [m]
DETAIL = 0.0005  # [m] that the mesh may differ from the field's surface
SMALL_SHARE = 0.02  # of the largest solid
SAMPLES = 1500  # of the surface, to choose convex pieces
SEEN_WITHIN = 0.005  # [m]


@dataclass(frozen=True, eq=False)
class CompletedObject(ObjectModel):
    """An object model in the frame of its detection.

    distance: signed distance, without the detour over the mesh.
    seen: (vertices,) bool; the others are inferred.
    symmetry: `revolution`, `two_planes`, `plane` or `none`.
    """

    distance: SignedDistance | None = None
    seen: Array = field(default_factory=lambda: np.zeros(0, bool))
    symmetry: str = "none"

    @property
    def confidence(self) -> float:
        """Share of the surface that was seen, 0 to 1."""
        return float(
            self.seen[self.mesh.faces].mean(axis=1) @ self.mesh.area_faces / self.mesh.area
        )

    @property
    def sdf(self) -> SignedDistance:  # type: ignore[override]
        """Signed distance on a grid."""
        return self.distance if self.distance is not None else SignedDistance.from_mesh(self.mesh)


def complete(detected: DetectedObject) -> CompletedObject:
    """The whole object in the frame `T_world_object` of a detection.

    Raises SceneError when the cloud is empty, not finite or of the wrong shape, or when
    nothing remains of it.
    """
    cloud = _usable(detected)
    view = ViewModel(cloud, detected.view_point, detected.table_height)
    symmetry = find_symmetry(cloud, view)
    origin, spacing, shape = _grid(detected)
    T = detected.T_world_object
    grid = transform_points(T, _lattice(origin, spacing, shape))
    carved = carve(grid, cloud, view, symmetry, detected.table_height, spacing)
    solid = _without_specks(carved, spacing)
    surface = level_surface(solid, origin, spacing)
    if len(surface.faces) == 0:
        raise SceneError("the cloud of the object encloses no volume; look at it from elsewhere")
    distance = distance_from_field(solid, origin, spacing)
    T_object_world = inverse(T)
    axis = transform_points(T_object_world, np.array([[*symmetry.center, 0.0]]))[0, :2]
    model = _model(f"object_{detected.identifier}", surface, axis)
    shift = toward_head(solid < 0.0, spacing)
    if shift.any():
        model = _heavy(model, shift)
    seen = _seen(model.mesh, transform_points(T_object_world, cloud))
    return CompletedObject(**vars(model), distance=distance, seen=seen, symmetry=symmetry.kind)


def _heavy(model: ObjectModel, shift: Array) -> ObjectModel:
    """The same with a metal head, towards which the centre of mass moves by `shift` (3,) [m]."""
    mass = float(np.clip(METAL * model.mesh.volume, *MASS_RANGE))
    com, inertia = np.asarray(model.com) + shift, model.inertia * (mass / model.mass)
    return replace(model, com=com, mass=mass, inertia=inertia)


def _model(name: str, surface: trimesh.Trimesh, axis: Array) -> ObjectModel:
    """A simpler mesh with convex pieces and guessed mass, from a dense closed surface."""
    mesh = simplified(surface, DETAIL)
    samples = np.asarray(surface.vertices)[:: 1 + len(surface.vertices) // SAMPLES]
    pieces = convex_pieces(mesh, samples, axis)
    mass = float(np.clip(DENSITY * mesh.volume, *MASS_RANGE))
    return ObjectModel.from_bodies(name, mesh, [mesh], [1.0], mass, FRICTION, pieces)


def _usable(detected: DetectedObject) -> Array:
    cloud = np.asarray(detected.cloud, np.float64)
    if cloud.ndim != 2 or cloud.shape[1] != 3:
        raise SceneError(f"the object's cloud has shape {cloud.shape}; expected (n, 3)")
    if len(cloud) and not np.isfinite(cloud).all():
        raise SceneError("the object's cloud holds NaN or infinite points")
    place = (detected.T_world_object, detected.extents, detected.view_point, detected.table_height)
    if not all(np.isfinite(value).all() for value in place):
        raise SceneError("the pose, size, table height or view point of the object is not finite")
    cloud = thin_to(cloud, SPACING, MOST_POINTS)
    if len(cloud) < FEWEST_POINTS:
        raise SceneError(
            f"the object's cloud has {len(cloud)} points; {FEWEST_POINTS} are needed for a shape"
        )
    return cloud


def _grid(detected: DetectedObject) -> tuple[Array, float, tuple[int, int, int]]:
    """Origin (3,) in the object's frame, spacing [m] and shape of a grid around the object."""
    size = np.asarray(detected.extents, float) + 0.03
    spacing = max(FINEST, float((size.prod() / CELLS) ** (1.0 / 3.0)))
    shape = np.ceil(size / spacing).astype(int) + 1
    return -0.5 * spacing * (shape - 1), spacing, tuple(int(n) for n in shape)  # type: ignore[return-value]


def _lattice(origin: Array, spacing: float, shape: tuple[int, int, int]) -> Array:
    """(nx, ny, nz, 3) points of a grid."""
    axes = [origin[i] + spacing * np.arange(shape[i]) for i in range(3)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _without_specks(solid: Array, spacing: float) -> Array:
    """The field without its small separate solids. Not only the largest stays: what joins a
    tool's shaft to its handle may be hidden.
    """
    label = regions(solid < 0.0)
    sizes = np.bincount(label.ravel())
    sizes[0] = 0
    small = (sizes < SMALL_SHARE * sizes.max())[label] & (label > 0)
    solid[small] = 0.1 * spacing
    return solid


def _seen(mesh: trimesh.Trimesh, cloud: Array) -> Array:
    """(vertices,) mask of those with a seen point nearby."""
    return KDTree(cloud).query(mesh.vertices)[0] < SEEN_WITHIN
