"""From depth images to clouds, and clouds made thinner."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import open3d as o3d

from dexgrasp.errors import SceneError
from dexgrasp.perception.grids import regions
from dexgrasp.perception.kernels import drop_inside
from dexgrasp.types import Array, CameraIntrinsics, DepthFrame

NEIGHBOURS = 16  # of a point, whose plane gives its normal


@lru_cache(maxsize=4)
def pixel_rays(intrinsics: CameraIntrinsics) -> Array:
    """(h, w, 3) float32 points of the plane at depth 1 m in the optical frame."""
    u, v = np.meshgrid(np.arange(intrinsics.width), np.arange(intrinsics.height))
    x = (u - intrinsics.cx) / intrinsics.fx
    y = (v - intrinsics.cy) / intrinsics.fy
    return np.stack([x, y, np.ones_like(x)], axis=-1).astype(np.float32)


def valid_depth(frame: DepthFrame) -> Array:
    """(h, w) float32 depth with 0 for whatever is not a depth. Raises SceneError."""
    depth = np.asarray(frame.depth)
    expected = (frame.intrinsics.height, frame.intrinsics.width)
    if depth.size == 0:
        raise SceneError("the depth image is empty; is the camera connected?")
    if depth.shape != expected:
        raise SceneError(
            f"the depth image has shape {depth.shape}, its camera info says {expected}; "
            "it is truncated or belongs to another camera"
        )
    if not np.isfinite(frame.T_world_camera).all():
        raise SceneError("the camera pose is not finite; is its transform published?")
    depth = depth.astype(np.float32)
    depth = np.where(np.isfinite(depth) & (depth > 0.0), depth, np.float32(0.0))
    if not depth.any():
        raise SceneError("the depth image has no valid pixel; is the lens covered or too close?")
    return depth


def cleaned(depth: Array, jump: float) -> Array:
    """Depth (h, w), each pixel the mean of those of its 3 x 3 block within `jump` [m] of it.

    0 where fewer than two of the four neighbours are that close: a flying pixel, which lies
    between two surfaces. The mean is taken along columns, then along rows.
    """
    support = np.zeros(depth.shape, np.uint8)
    for axis in (0, 1):
        near = _shifted(slice(None, -1), axis), _shifted(slice(1, None), axis)
        step = np.diff(depth, axis=axis)
        level = np.abs(step) < jump
        step *= level
        total, count = np.zeros_like(depth), np.ones_like(depth)
        for pixel, sign in zip(near, (1.0, -1.0), strict=True):
            support[pixel] += level
            count[pixel] += level
            total[pixel] += np.float32(sign) * step
        depth = depth + total / count
    return np.where(support >= 2, depth, np.float32(0.0))


def _shifted(part: slice, axis: int) -> tuple[slice, slice]:
    return (part, slice(None)) if axis == 0 else (slice(None), part)


class OrganizedCloud:
    """The points of a depth frame, computed only where they are asked for.

    Raises SceneError for an image in which nothing can be seen.
    """

    def __init__(self, frame: DepthFrame, flying_jump: float) -> None:
        self.depth = cleaned(valid_depth(frame), flying_jump)
        self.rays = pixel_rays(frame.intrinsics)
        self.T = np.asarray(frame.T_world_camera, np.float32)

    def points(self, rows: Array | slice, columns: Array | slice) -> Array:
        """(n, 3) float32 valid points of the chosen pixels in the world [m]."""
        depth = self.depth[rows, columns]
        seen = depth > 0.0
        local = self.rays[rows, columns][seen] * depth[seen][:, None]
        return local @ self.T[:3, :3].T + self.T[:3, 3]

    def above(self, normal: Array, offset: float) -> Array:
        """(n, 3) points with normal . p > offset; normal (3,)."""
        slope = self.rays @ (normal @ self.T[:3, :3]).astype(np.float32)
        rise = self.depth * slope > np.float32(offset - normal @ self.T[:3, 3])
        return self.points(*np.nonzero(rise))


def thin(points: Array, spacing: float) -> Array:
    """(k, 3) means of the points (n, 3) in each occupied voxel of edge `spacing` [m].

    The mean halves the camera's noise where several pixels fall into one voxel.
    """
    if len(points) == 0:
        return points
    key = np.floor((points - points.min(axis=0)) / spacing).astype(np.int64)
    size = key.max(axis=0) + 1
    flat = (key[:, 0] * size[1] + key[:, 1]) * size[2] + key[:, 2]
    _, index, count = np.unique(flat, return_inverse=True, return_counts=True)
    sums = [np.bincount(index, weights=points[:, i]) for i in range(3)]
    return (np.stack(sums, axis=1) / count[:, None]).astype(points.dtype)


def thin_to(points: Array, spacing: float, limit: int) -> Array:
    """Thinned cloud of at most about `limit` points: the spacing grows as it must."""
    thinned = thin(points, spacing)
    while len(thinned) > limit:
        # A surface holds points in proportion to 1 / spacing^2.
        spacing *= 1.05 * np.sqrt(len(thinned) / limit)
        thinned = thin(points, spacing)
    return thinned


def surface_normals(cloud: Array, view_point: Array) -> Array:
    """(n, 3) unit normals of the surface through a cloud (n, 3), towards the view point (3,)."""
    points = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(cloud.astype(np.float64)))
    points.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(NEIGHBOURS))
    points.orient_normals_towards_camera_location(np.asarray(view_point, np.float64))
    return np.asarray(points.normals)


def outside_spheres(points: Array, centers: Array, radii: Array) -> Array:
    """(n,) mask of the points (n, 3) outside every sphere: centres (k, 3), radii (k,) [m]."""
    keep = np.ones(len(points), bool)
    centers, radii = np.atleast_2d(centers).astype(float), np.atleast_1d(radii).astype(float)
    if len(radii):
        drop_inside(np.ascontiguousarray(points), centers, radii, keep)
    return keep


def connected(points: Array, gap: float, fewest: int) -> list[Array]:
    """Groups of the points (n, 3) whose voxels of edge `gap` [m] touch, the largest first.

    A voxel with less than `fewest` points counts as empty.
    """
    if len(points) == 0:
        return []
    key = np.floor((points - points.min(axis=0)) / gap).astype(np.int64)
    size = key.max(axis=0) + 1
    flat = (key[:, 0] * size[1] + key[:, 1]) * size[2] + key[:, 2]
    count = np.bincount(flat, minlength=int(size.prod())).reshape(size)
    label = regions(count >= fewest).ravel()[flat]
    groups = [points[label == k] for k in range(1, int(label.max()) + 1)]
    return sorted(groups, key=len, reverse=True)
