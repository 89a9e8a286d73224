"""From depth images to clouds, and clouds made thinner."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dexgrasp.errors import SceneError
from dexgrasp.types import Array, CameraIntrinsics, DepthFrame


@lru_cache(maxsize=4)
def _rays(intrinsics: CameraIntrinsics) -> Array:
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


def without_flying_pixels(depth: Array, jump: float) -> Array:
    """Depth (h, w) with 0 where fewer than two of the four neighbours are within `jump` [m]."""
    support = np.zeros(depth.shape, np.uint8)
    level = np.abs(np.diff(depth, axis=0)) < jump
    support[1:] += level
    support[:-1] += level
    level = np.abs(np.diff(depth, axis=1)) < jump
    support[:, 1:] += level
    support[:, :-1] += level
    return np.where(support >= 2, depth, np.float32(0.0))


def frame_to_cloud(frame: DepthFrame, flying_jump: float) -> Array:
    """(n, 3) float32 points in the world, row by row. Raises SceneError."""
    depth = without_flying_pixels(valid_depth(frame), flying_jump)
    seen = depth > 0.0
    points = _rays(frame.intrinsics)[seen] * depth[seen][:, None]
    T = frame.T_world_camera.astype(np.float32)
    return points @ T[:3, :3].T + T[:3, 3]


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


def outside_spheres(points: Array, centers: Array, radii: Array) -> Array:
    """(n,) mask of the points (n, 3) outside every sphere: centres (k, 3), radii (k,) [m]."""
    keep = np.ones(len(points), bool)
    for center, radius in zip(np.atleast_2d(centers), np.atleast_1d(radii), strict=True):
        offset = points - center.astype(points.dtype)
        keep &= np.einsum("ij,ij->i", offset, offset) > radius**2
    return keep
