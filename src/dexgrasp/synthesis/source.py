"""What to grasp, by name or from a file: a whole mesh, or a cloud that one view has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import open3d as o3d

from dexgrasp.errors import MeshError, SceneError
from dexgrasp.geometry import inverse
from dexgrasp.objects import ObjectModel, load_object
from dexgrasp.objects.meshfile import LARGEST, SMALLEST
from dexgrasp.perception import PerceptionConfig
from dexgrasp.perception.box import completed_points, upright_box
from dexgrasp.perception.cloud import thin_to
from dexgrasp.perception.completion import FEWEST_POINTS
from dexgrasp.perception.symmetry import find_symmetry
from dexgrasp.perception.view import ViewModel
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.types import Array, DetectedObject, GraspSet

CLOUDS = (".ply", ".pcd", ".npy")
LEVEL = np.cos(np.deg2rad(0.5))  # a mesh that rests tilted by less keeps its own frame
NO_TABLE = -1.0  # [m], height of a table that is not there
HEADER = 4096  # bytes of a PLY file that hold its header


@dataclass(frozen=True)
class GraspTarget:
    """An object on a table and the frame in which its file has it.

    name: as grasp files write it.  geometry: what synthesizers are given; its model's z axis
    points up.  T_file_object: (4, 4) that model's frame in the frame of the mesh or cloud file.
    original: the object in the file's frame, with its labelled parts; of a cloud, the completed
    one.  completed: whether it was a cloud.  scale: factor on the file's lengths.
    """

    name: str
    geometry: GraspGeometry
    T_file_object: Array
    original: ObjectModel
    completed: bool = False
    scale: float = 1.0

    def in_file(self, grasps: GraspSet) -> GraspSet:
        """Grasps in the world, in the frame of the file."""
        T = self.T_file_object @ inverse(self.geometry.T_world_object)
        turn = T[:3, :3].T
        return replace(
            grasps,
            frame=self.name,
            T_frame_palm=T @ grasps.T_frame_palm,
            approach=grasps.approach @ turn,
            contact_points=grasps.contact_points @ turn + T[:3, 3],
            contact_normals=grasps.contact_normals @ turn,
        )


def floating(target: GraspTarget) -> GraspTarget:
    """The same without a table: it is out of every hand's reach."""
    return replace(target, geometry=replace(target.geometry, table_height=NO_TABLE))


def read_target(
    given: str,
    scale: float = 1.0,
    mass: float | None = None,
    view_point: Array | None = None,
    table_height: float | None = None,
) -> GraspTarget:
    """An object of the catalogue, a mesh file or a cloud file (.npy, .pcd, .ply without faces).

    scale: factor on the lengths of a file.  mass [kg]: instead of the known or guessed one.
    view_point: (3,) [m] where the camera was, in the cloud's frame, whose z axis must point up.
    table_height: [m] of the table below a cloud, its lowest point by default; a mesh rests on
    its most stable side. Raises UnknownNameError, MeshError, SceneError.
    """
    path = Path(given)
    if not (np.isfinite(scale) and scale > 0.0):
        raise MeshError(f"scale is {scale}; it must be a positive factor, e.g. 0.001 for mm")
    if is_cloud(path):
        return _cloud_target(path, scale, mass, view_point, table_height)
    if view_point is not None or table_height is not None:
        raise SceneError(f"{given} is no cloud; view point and table height are a cloud's alone")
    return mesh_target(given, load_object(given, mass=mass, scale=scale), scale)


def mesh_target(name: str, model: ObjectModel, scale: float = 1.0) -> GraspTarget:
    """A whole object as it rests on the table z = 0."""
    T_table_object = model.T_table_object
    if T_table_object[2, 2] > LEVEL:
        geometry = GraspGeometry(model, T_table_object, 0.0)
        return GraspTarget(name, geometry, np.eye(4), model, scale=scale)
    T_upright_file = np.eye(4)
    T_upright_file[:3, :3] = T_table_object[:3, :3]
    T_file_upright = inverse(T_upright_file)
    geometry = GraspGeometry(turned(model, T_upright_file), T_table_object @ T_file_upright, 0.0)
    return GraspTarget(name, geometry, T_file_upright, model, scale=scale)


def turned(model: ObjectModel, T: Array) -> ObjectModel:
    """The object in another frame (4, 4), without the labels of its surface."""
    rotation = T[:3, :3]
    return replace(
        model,
        mesh=model.mesh.copy().apply_transform(T),
        com=rotation @ model.com + T[:3, 3],
        inertia=rotation @ model.inertia @ rotation.T,
        solids=tuple(part.copy().apply_transform(T) for part in model.solids),
        labels=None,
    )


def is_cloud(path: Path) -> bool:
    """Whether a file holds points: by its suffix, of a PLY file by its header."""
    if path.suffix.lower() != ".ply" or not path.is_file():
        return path.suffix.lower() in CLOUDS[1:]
    with path.open("rb") as stream:
        header = stream.read(HEADER).partition(b"end_header")[0]
    faces = [line.split()[2] for line in header.splitlines() if line.startswith(b"element face ")]
    return not faces or faces[0] == b"0"


def read_cloud(path: Path, scale: float = 1.0) -> Array:
    """Points (n, 3) [m] of a .npy, .pcd or .ply file.

    Raises SceneError for a file that is missing, damaged or empty, for points that are not
    finite, and for a size that no object has.
    """
    if not path.is_file():
        raise SceneError(f"{path} does not exist")
    points = scale * _array_points(path) if path.suffix.lower() == ".npy" else _points(path, scale)
    if points.ndim != 2 or points.shape[1] != 3:
        raise SceneError(f"{path} holds an array of shape {points.shape}; expected (n, 3) points")
    if len(points) < FEWEST_POINTS:
        raise SceneError(f"{path} holds {len(points)} points; {FEWEST_POINTS} are needed")
    bad = int((~np.isfinite(points).all(axis=1)).sum())
    if bad:
        raise SceneError(f"{bad} of {len(points)} points of {path} are not finite; leave them out")
    extent = float(np.ptp(points, axis=0).max())
    if not SMALLEST <= extent <= LARGEST:
        raise SceneError(
            f"the cloud {path} is {extent:.3g} m long; allowed are {SMALLEST} to {LARGEST} m: "
            "give --scale 0.001 for millimetres, and the object alone"
        )
    return points


def _array_points(path: Path) -> Array:
    try:
        return np.asarray(np.load(path, allow_pickle=False), dtype=float)
    except (ValueError, OSError, EOFError) as error:
        raise SceneError(f"{path} is not an array of numbers: {error}") from error


def _points(path: Path, scale: float) -> Array:
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        return scale * np.asarray(o3d.io.read_point_cloud(path).points)


def detect(cloud: Array, view_point: Array, table_height: float | None = None) -> DetectedObject:
    """The one object that a cloud (n, 3) shows, z up; the table is below its lowest point [m]."""
    config = PerceptionConfig.load()
    table = float(cloud[:, 2].min()) if table_height is None else table_height
    cloud = thin_to(cloud, config.cloud_spacing, config.cloud_points)
    view = ViewModel(cloud, view_point, table)
    points = completed_points(cloud, view, find_symmetry(cloud, view))
    T_world_object, extents = upright_box(points, table)
    return DetectedObject(0, cloud, T_world_object, extents, table, view_point)


def _cloud_target(
    path: Path,
    scale: float,
    mass: float | None,
    view_point: Array | None,
    table_height: float | None,
) -> GraspTarget:
    if view_point is None:
        raise SceneError(
            f"{path} is a cloud; give --view-point x,y,z, the camera's place in the cloud's frame "
            "[m]: what lies behind the points is unseen"
        )
    detected = detect(read_cloud(path, scale), np.asarray(view_point, float), table_height)
    geometry = GraspGeometry.from_detection(detected)
    model = geometry.model
    if mass is not None:
        model = replace(model, mass=mass, inertia=model.inertia * (mass / model.mass))
    # The wrist's reach does not matter here: the object is put above the origin of the table.
    T_world_object = np.eye(4)
    T_world_object[2, 3] = detected.T_world_object[2, 3] - detected.table_height
    T_file_object = detected.T_world_object
    original = replace(turned(model, T_file_object), name=path.stem)
    placed = replace(geometry, model=model, T_world_object=T_world_object, table_height=0.0)
    return GraspTarget(path.stem, placed, T_file_object, original, True, scale)
