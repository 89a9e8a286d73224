"""Regions of an object that a user names or hands over as a file, for `Condition.region`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial import KDTree

from dexgrasp.errors import MeshError, UnknownNameError
from dexgrasp.geometry import inverse, transform_points
from dexgrasp.objects import FaceLabels, load_object
from dexgrasp.objects.labels import SUFFIX
from dexgrasp.objects.meshfile import SUFFIXES, USD
from dexgrasp.objects.sdf import exact_signed_distance
from dexgrasp.objects.usdfile import read_usd
from dexgrasp.synthesis.condition import Region, part_region
from dexgrasp.synthesis.contact_maps import ContactMap, read_contact_map
from dexgrasp.synthesis.source import GraspTarget
from dexgrasp.types import Array

RADIUS = 0.01  # [m] around points of a mask
SAMPLES = 4000  # of the surface, to see that a region is not beside the object


def named_region(target: GraspTarget, part: str) -> Region:
    """A labelled part, for points in the frame of the target's geometry.

    Raises UnknownNameError with the parts there are, MeshError for an object without any.
    """
    model = target.original
    if not model.part_names:
        raise MeshError(
            f"{target.name} has no labelled parts, so no {part!r}; label them in a file "
            f"{model.name}{SUFFIX} beside the mesh, or give --region-mask"
        )
    if part not in model.part_names:
        raise UnknownNameError(f"part of {target.name}", part, model.part_names)
    return _placed(target, part_region(model, part))


def mask_region(target: GraspTarget, source: str, file: Path, radius: float = RADIUS) -> Region:
    """A region from a file, for points in the frame of the target's geometry.

    source: name or mesh file of the target.  file: `.json`, a list of indices of the mesh's
    faces in the order of its file; or `.npy`, points (n, 3) [m] in the file's frame after
    scaling, with all that is within `radius` [m] of them. Raises MeshError for a file that is
    neither, for faces that the mesh does not have and for a region that holds no surface.
    """
    if file.suffix.lower() == ".json":
        region = _faces(target, source, file)
    elif file.suffix.lower() == ".npy":
        region = _neighbourhood(file, radius)
    else:
        raise MeshError(f"{file}: a region is a .json of face indices or an .npy of points")
    surface = trimesh.sample.sample_surface(target.original.mesh, SAMPLES, seed=0)[0]
    if not region(np.asarray(surface)).any():
        raise MeshError(f"{file} holds no part of the surface of {target.name}; it is in metres")
    return _placed(target, region)


def placed_contact_map(target: GraspTarget, file: Path) -> ContactMap:
    """A contact map of a file, which is in the file's frame [m], in that of the geometry.

    Raises GraspError for a file that is none, MeshError for contacts beside the object.
    """
    contacts = read_contact_map(file).moved(inverse(target.T_file_object))
    gap = np.abs(exact_signed_distance(target.geometry.model.mesh, contacts.points))
    if gap.max() > RADIUS:
        raise MeshError(
            f"{file} has contacts {gap.max():.3g} m from the surface of {target.name}, more than "
            f"{RADIUS} m; give the map of this object, in its mesh frame, in metres"
        )
    return contacts


def _placed(target: GraspTarget, region: Region) -> Region:
    """A region of the file's frame, asked in the frame of the geometry."""
    T = target.T_file_object

    def inside(points: Array) -> Array:
        flat = transform_points(T, np.asarray(points, float).reshape(-1, 3))
        return region(flat).reshape(np.shape(points)[:-1])

    return inside


def _faces(target: GraspTarget, source: str, file: Path) -> Region:
    if target.completed:
        raise MeshError(f"{file}: a cloud has no faces; give an .npy of points")
    triangles = _file_triangles(source, target.scale)
    try:
        faces = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise MeshError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(faces, list) or not faces or any(type(face) is not int for face in faces):
        raise MeshError(f"{file} must hold a list of face indices, not empty")
    beyond = [face for face in faces if not 0 <= face < len(triangles)]
    if beyond:
        raise MeshError(f"{file} names face {beyond[0]}; the mesh has 0 to {len(triangles) - 1}")
    label = np.full(len(triangles), -1)
    label[faces] = 0
    labels = FaceLabels(("region",), triangles, label)
    return lambda points: labels.label_points(points) == 0


def _file_triangles(source: str, scale: float) -> Array:
    """(f, 3, 3) in the order of the file: the mesh that is grasped may have been repaired."""
    path = Path(source)
    if path.suffix.lower() not in SUFFIXES:
        return np.asarray(load_object(source).mesh.triangles)
    if path.suffix.lower() in USD:
        return scale * np.asarray(read_usd(path).triangles)
    mesh: trimesh.Trimesh = trimesh.load(path, force="mesh", process=False)  # type: ignore[assignment]
    return scale * np.asarray(mesh.triangles)


def _neighbourhood(file: Path, radius: float) -> Region:
    if not (np.isfinite(radius) and radius > 0.0):
        raise MeshError(f"the radius of a region is {radius} m; it must be positive")
    try:
        points = np.asarray(np.load(file, allow_pickle=False), dtype=float)
    except (ValueError, OSError, EOFError) as error:
        raise MeshError(f"{file} is not an array of numbers: {error}") from error
    if points.ndim != 2 or points.shape[1:] != (3,) or not len(points):
        raise MeshError(f"{file} holds an array of shape {points.shape}; expected (n, 3), n > 0")
    if not np.isfinite(points).all():
        raise MeshError(f"{file} holds points that are not finite")
    tree = KDTree(points)
    return lambda places: tree.query(places)[0] < radius
