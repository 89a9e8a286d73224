"""Depth frames of meshes on a table, by ray casting: for tests and for `benchmarks/perception.py`.

The simulated camera of a backend renders; this needs no simulator and no OpenGL.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import open3d as o3d
import trimesh

from dexgrasp.perception.cloud import pixel_rays
from dexgrasp.types import Array, CameraIntrinsics, DepthFrame

TABLE_EDGE, TABLE_THICKNESS = 1.2, 0.02  # [m]


def looking_at(position: Sequence[float] | Array, target: Sequence[float] | Array) -> Array:
    """(4, 4) pose of an upright optical frame at `position` (3,) that looks at `target` (3,)."""
    forward = np.subtract(target, position)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = position
    return pose


def placed(
    mesh: trimesh.Trimesh, yaw: float, xy: Sequence[float] | Array = (0.0, 0.0)
) -> trimesh.Trimesh:
    """A copy of a mesh, turned by `yaw` [rad], its box's centre above `xy`, on the table z = 0."""
    copy = mesh.copy()
    copy.apply_transform(trimesh.transformations.rotation_matrix(yaw, (0.0, 0.0, 1.0)))
    center = copy.bounds.mean(axis=0)
    copy.apply_translation((xy[0] - center[0], xy[1] - center[1], -copy.bounds[0, 2]))
    return copy


def depth_frame(
    meshes: Sequence[trimesh.Trimesh], intrinsics: CameraIntrinsics, T_world_camera: Array
) -> DepthFrame:
    """A perfect frame of meshes in the world and a square table with its top at z = 0."""
    table = trimesh.creation.box((TABLE_EDGE, TABLE_EDGE, TABLE_THICKNESS))
    table.apply_translation((0.0, 0.0, -0.5 * TABLE_THICKNESS))
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    for mesh in (table, *meshes):
        vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
        scene.add_triangles(tensor(vertices, np.float32), tensor(faces, np.uint32))
    # Directions of unit depth, so that the ray's parameter at the hit is the depth.
    direction = pixel_rays(intrinsics) @ T_world_camera[:3, :3].T.astype(np.float32)
    origin = np.broadcast_to(T_world_camera[:3, 3].astype(np.float32), direction.shape)
    rays = tensor(np.concatenate([origin, direction], axis=-1), np.float32)
    depth = scene.cast_rays(rays)["t_hit"].numpy()
    depth = np.where(np.isfinite(depth), depth, np.float32(0.0))
    return DepthFrame(depth, intrinsics, T_world_camera)


def tensor(values: Array, kind: type) -> o3d.core.Tensor:
    """The values as Open3D takes them."""
    return o3d.core.Tensor.from_numpy(np.ascontiguousarray(values, dtype=kind))
