"""Objects on a table from one depth image or cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from dexgrasp.errors import SceneError
from dexgrasp.perception.box import completed_points, upright_box
from dexgrasp.perception.cloud import OrganizedCloud, connected, outside_spheres, thin_to
from dexgrasp.perception.config import PerceptionConfig
from dexgrasp.perception.symmetry import find_symmetry
from dexgrasp.perception.table import Plane, find_table
from dexgrasp.perception.view import ViewModel
from dexgrasp.types import Array, DepthFrame, DetectedObject

# For the table a thinner cloud serves: every third row and column, or every ninth point.
TABLE_STEP = slice(None, None, 3)
TABLE_STRIDE = slice(None, None, 9)
# At the edge of a surface a point alone in its voxel is more often a flying pixel than a thing.
FEWEST_IN_VOXEL = 2


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
    cloud = OrganizedCloud(frame, config.flying_jump)
    table = find_table(
        _selected(cloud.points(TABLE_STEP, TABLE_STEP), config, exclude), config.table
    )
    rising = cloud.above(table.normal, table.offset + config.clearance)
    objects = _objects(
        _selected(rising, config, exclude), table, frame.T_world_camera[:3, 3], config
    )
    return PerceivedScene(objects, table, frame.time)


def perceive_cloud(
    cloud: Array,
    view_point: Array,
    config: PerceptionConfig | None = None,
    exclude: tuple[Array, Array] | None = None,
    time: float = 0.0,
) -> PerceivedScene:
    """The same from points (n, 3) in the world in any order, seen from `view_point` (3,)."""
    config = config or PerceptionConfig.load()
    cloud = _selected(_valid_cloud(cloud), config, exclude)
    table = find_table(cloud[TABLE_STRIDE], config.table)
    rising = cloud[table.height(cloud) > config.clearance]
    return PerceivedScene(_objects(rising, table, view_point, config), table, time)


def _objects(
    rising: Array, table: Plane, view_point: Array, config: PerceptionConfig
) -> tuple[DetectedObject, ...]:
    """The objects among the points (n, 3) above the table. Raises SceneError."""
    clusters = _clusters(rising, config)
    if not clusters:
        raise SceneError(
            f"no object stands on the table: {len(rising)} points rise above it, none of them "
            f"in a group of {config.cluster_points}"
        )
    view_point = np.asarray(view_point, float)
    return tuple(_detect(i, cluster, table, view_point) for i, cluster in enumerate(clusters))


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


def _selected(cloud: Array, config: PerceptionConfig, exclude: tuple[Array, Array] | None) -> Array:
    """The points inside the workspace and outside of the robot."""
    low, high = np.asarray(config.workspace, np.float32)
    inside = [(cloud[:, k] > low[k]) & (cloud[:, k] < high[k]) for k in range(3)]
    cloud = cloud[inside[0] & inside[1] & inside[2]]
    return cloud if exclude is None else cloud[outside_spheres(cloud, *exclude)]


def _clusters(points: Array, config: PerceptionConfig) -> list[Array]:
    """Thinned clouds of the objects, the one with most points first."""
    groups = connected(points, config.cluster_gap, FEWEST_IN_VOXEL)
    thinned = [
        thin_to(group, config.cloud_spacing, config.cloud_points)
        for group in groups
        if len(group) >= config.cluster_points
    ]
    whole = _with_fragments(sorted(thinned, key=len, reverse=True), config)
    return [cloud for cloud in whole if len(cloud) >= config.cluster_points]


def _with_fragments(clouds: list[Array], config: PerceptionConfig) -> list[Array]:
    """Small clouds joined to a large one nearby; the largest first."""
    whole: list[Array] = []
    for cloud in clouds:
        for k, large in enumerate(whole):
            small = len(cloud) < config.fragment_share * len(large)
            if small and KDTree(large).query(cloud)[0].min() < config.fragment_gap:
                whole[k] = np.concatenate([large, cloud])
                break
        else:
            whole.append(cloud)
    return whole


def _detect(identifier: int, cloud: Array, table: Plane, view_point: Array) -> DetectedObject:
    level = table.level_at(cloud[:, :2].mean(axis=0))
    view = ViewModel(cloud, view_point, level)
    points = completed_points(cloud, view, find_symmetry(cloud, view))
    T, extents = upright_box(points, level)
    return DetectedObject(identifier, cloud, T, extents, level, view_point)
