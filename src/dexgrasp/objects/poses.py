"""How a rigid body rests on a table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import trimesh
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.transform import Rotation

from dexgrasp.types import Array

DOWN = np.array([0.0, 0.0, -1.0])
GIVEN_ANGLE = np.deg2rad(15.0)  # a facet this near to straight down is the given bottom
FLATNESS = 0.0005  # [m] above the lowest point within which a vertex touches the table
STABLE_ANGLE = np.deg2rad(1.0)  # a tilt that a resting body survives
SAME_FACET = np.deg2rad(0.3)


def resting_pose(mesh: trimesh.Trimesh, com: Array) -> Array:
    """T_table_object (4, 4): resting on z = 0, its box centred on the z axis.

    The stable facet of the hull with the lowest centre of mass `com` (3,) [m]: of those
    within 15 degrees of the given bottom, or of all when none is stable there.
    """
    hull = mesh.convex_hull
    vertices = np.asarray(hull.vertices)
    for widest in (GIVEN_ANGLE, np.pi):
        facets = sorted(_facets(hull, widest), key=lambda n: float((vertices @ n).max() - com @ n))
        for normal in facets:
            if _stability(vertices, com, normal) > STABLE_ANGLE:
                return _placed(vertices, _turn_down(normal))
    return _placed(vertices, _turn_down(DOWN))  # a ball has no stable facet


def _facets(hull: trimesh.Trimesh, widest: float) -> Iterator[Array]:
    """Straight down, and the outward normals of the hull's faces, nearly equal ones once.

    widest: their largest angle from straight down [rad].
    """
    yield DOWN
    normals = np.asarray(hull.face_normals)
    order = np.argsort(-np.asarray(hull.area_faces))
    remaining = normals[order[normals[order] @ DOWN >= np.cos(widest)]]
    while len(remaining):
        yield remaining[0]
        remaining = remaining[remaining @ remaining[0] < np.cos(SAME_FACET)]


def _stability(vertices: Array, com: Array, normal: Array) -> float:
    """Smallest tilt [rad] that topples a body resting on its face `normal`; <= 0: it falls."""
    depth = vertices @ normal
    touching = vertices[depth > depth.max() - FLATNESS]
    flat = _turn_down(normal)
    polygon, point = (touching @ flat.T)[:, :2], (flat @ com)[:2]
    try:
        margin = -ConvexHull(polygon).equations @ np.append(point, 1.0)
    except (QhullError, ValueError):  # fewer than three points, or all on a line
        return 0.0
    return float(np.arctan2(margin.min(), depth.max() - com @ normal))


def _angle_from_down(normal: Array) -> float:
    return float(np.arccos(np.clip(normal @ DOWN, -1.0, 1.0)))


def _turn_down(normal: Array) -> Array:
    """Shortest rotation (3, 3) that turns `normal` straight down."""
    axis, angle = np.cross(normal, DOWN), _angle_from_down(normal)
    length = np.linalg.norm(axis)
    axis = axis / length if length > 1e-9 else np.array([1.0, 0.0, 0.0])
    return Rotation.from_rotvec(angle * axis).as_matrix()


def _placed(vertices: Array, rotation: Array) -> Array:
    turned = vertices @ rotation.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = [-0.5 * (low[0] + high[0]), -0.5 * (low[1] + high[1]), -low[2]]
    return pose
