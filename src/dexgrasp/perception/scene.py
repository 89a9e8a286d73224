"""Objects on a table from one depth image or cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from dexgrasp.errors import SceneError
from dexgrasp.perception.box import completed_points, upright_box
from dexgrasp.perception.cloud import frame_to_cloud, outside_spheres, thin_to
from dexgrasp.perception.config import PerceptionConfig
from dexgrasp.perception.symmetry import find_symmetry
from dexgrasp.perception.table import Plane, find_table
from dexgrasp.perception.view import ViewModel
from dexgrasp.types import Array, DepthFrame, DetectedObject

# For the table a thinner cloud serves; every ninth pixel of 640 x 480.
TABLE_STRIDE = 9


@dataclass(frozen=True)
class PerceivedScene:
    """Objects, the one with most points first, and the plane that carries them."""

    objects: tuple[DetectedObject, ...]
    table: Plane
    time: float


def perceive(
    frame: DepthFrame,
    config: PerceptionConfig | None = None,
    exclude: tuple[Array, Array] | None = None,
) -> PerceivedScene:
    """Find the table and the objects on it.

    exclude: centres (k, 3) and radii (k,) [m] of spheres in the world whose content is not
        looked at: the robot's own body.
    Raises SceneError when the image is unusable, or shows no table or no object.
    """
    config = config or PerceptionConfig.load()
    cloud = frame_to_cloud(frame, config.flying_jump)
    return perceive_cloud(cloud, frame.T_world_camera[:3, 3], config, exclude, frame.time)


def perceive_cloud(
    cloud: Array,
    view_point: Array,
    config: PerceptionConfig | None = None,
    exclude: tuple[Array, Array] | None = None,
    time: float = 0.0,
) -> PerceivedScene:
    """The same from points (n, 3) in the world in any order, seen from `view_point` (3,)."""
    config = config or PerceptionConfig.load()
    cloud = _in_workspace(_valid_cloud(cloud), config)
    if exclude is not None:
        cloud = cloud[outside_spheres(cloud, *exclude)]
    if len(cloud) == 0:
        raise SceneError("no point of the cloud lies in the workspace and outside of the robot")
    table = find_table(cloud[::TABLE_STRIDE], config.table)
    above = cloud[table.height(cloud) > config.clearance]
    clusters = _clusters(above, config)
    if not clusters:
        raise SceneError(
            f"no object stands on the table: {len(above)} points rise above it, none of them "
            f"in a group of {config.cluster_points}"
        )
    objects = tuple(
        _detect(i, cluster, table, np.asarray(view_point, float))
        for i, cluster in enumerate(clusters)
    )
    return PerceivedScene(objects, table, time)


def _valid_cloud(cloud: Array) -> Array:
    cloud = np.asarray(cloud)
    if cloud.ndim != 2 or cloud.shape[1] != 3:
        raise SceneError(f"the cloud has shape {cloud.shape}; expected (n, 3)")
    if len(cloud) == 0:
        raise SceneError("the cloud is empty")
    cloud = cloud.astype(np.float32, copy=False)
    finite = np.isfinite(cloud).all(axis=1)
    if not finite.any():
        raise SceneError("the cloud has no finite point")
    return cloud[finite]


def _in_workspace(cloud: Array, config: PerceptionConfig) -> Array:
    low, high = np.asarray(config.workspace, np.float32)
    return cloud[((cloud > low) & (cloud < high)).all(axis=1)]


def _clusters(points: Array, config: PerceptionConfig) -> list[Array]:
    """Thinned groups of points whose voxels touch, the one with most points first."""
    if len(points) == 0:
        return []
    key = np.floor((points - points.min(axis=0)) / config.cluster_gap).astype(np.int32)
    count = np.zeros(key.max(axis=0) + 1, np.int32)
    np.add.at(count, tuple(key.T), 1)
    # One point alone in a voxel is a flying pixel more often than a surface.
    labels, _ = ndimage.label(count > 1, structure=np.ones((3, 3, 3)))
    label = labels[tuple(key.T)]
    found = []
    for k in np.flatnonzero(np.bincount(label) >= config.cluster_points):
        if k == 0:
            continue
        cluster = thin_to(points[label == k], config.cloud_spacing, config.cloud_points)
        if len(cluster) >= config.cluster_points:
            found.append(cluster)
    return sorted(found, key=len, reverse=True)


def _detect(identifier: int, cloud: Array, table: Plane, view_point: Array) -> DetectedObject:
    level = table.level_at(cloud[:, :2].mean(axis=0))
    view = ViewModel(cloud, view_point, level)
    points = completed_points(cloud, view, find_symmetry(cloud, view))
    T, extents = upright_box(points, level)
    return DetectedObject(identifier, cloud, T, extents, level, view_point)
