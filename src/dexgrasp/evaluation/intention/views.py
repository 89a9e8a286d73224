"""The cameras that look at a grasp, and depth pictures of hand and object without OpenGL."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import open3d as o3d

from dexgrasp.evaluation.solids import BOX, CYLINDER, SPHERE, Solids
from dexgrasp.objects import ObjectModel
from dexgrasp.objects.rays import scene_of
from dexgrasp.types import Array, CameraIntrinsics

FOVY = 0.5  # [rad], narrow enough that near fingers do not look huge
ELEVATION = 0.40  # [rad] above the object's horizon
BORDER = 0.03  # [m] around object and centres of the hand's solids: half a palm is that thick
FIRST_AZIMUTH = np.pi / 3.0  # [rad] from the palm, so that no view is through the hand's back


@dataclass(frozen=True, eq=False)
class View:
    """A camera at T_object_camera (4, 4), optical frame, aimed at the grasp."""

    T_object_camera: Array
    intrinsics: CameraIntrinsics


def grasp_views(
    model: ObjectModel, hand: Solids, T_object_palm: Array, count: int, size: int
) -> list[View]:
    """`count` square views of `size` [px] around the object's resting vertical.

    They hold the object and the `hand` in one pose, and are spread evenly; the first is
    FIRST_AZIMUTH from where the palm is.
    """
    T_up = model.T_table_object[:3, :3]  # rows: the table's axes in the object
    low, high = model.mesh.bounds
    corners = np.where(np.indices((2, 2, 2)).reshape(3, -1).T, high, low)
    points = np.concatenate([corners, hand.pose[0, :, :3, 3]])
    center = 0.5 * (points.min(axis=0) + points.max(axis=0))
    radius = np.linalg.norm(points - center, axis=1).max() + BORDER
    palm = T_up @ (T_object_palm[:3, 3] - 0.5 * (low + high))
    start = np.arctan2(palm[1], palm[0]) + FIRST_AZIMUTH
    intrinsics = CameraIntrinsics.from_fovy(size, size, FOVY)
    views = []
    for k in range(count):
        azimuth = start + 2.0 * np.pi * k / count
        out = np.array([np.cos(azimuth), np.sin(azimuth), np.tan(ELEVATION)])
        out /= np.linalg.norm(out)
        views.append(View(_looking(out, center, radius / np.sin(0.5 * FOVY), T_up), intrinsics))
    return views


def _looking(out: Array, center: Array, distance: float, T_up: Array) -> Array:
    """Pose of a camera `distance` [m] from `center`, in direction `out` of the table's axes."""
    forward = -out @ T_up
    right = np.cross(forward, T_up[2])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = center - distance * forward
    return pose


def view_rays(view: View) -> tuple[Array, Array]:
    """Origins and directions (h w, 3) in the object's frame; a step along one is depth [m]."""
    k = view.intrinsics
    u, v = np.meshgrid(np.arange(k.width), np.arange(k.height))
    local = np.stack([(u - k.cx) / k.fx, (v - k.cy) / k.fy, np.ones(u.shape)], axis=-1)
    direction = local.reshape(-1, 3) @ view.T_object_camera[:3, :3].T
    return np.broadcast_to(view.T_object_camera[:3, 3], direction.shape), direction


def cast_object(model: ObjectModel, origin: Array, direction: Array) -> Array:
    """Depth (n,) [m] along rays (n, 3) to the object; inf where they miss it."""
    rays = np.concatenate([origin, direction], axis=1).astype(np.float32)
    hits = scene_of(model.mesh).cast_rays(o3d.core.Tensor.from_numpy(rays), nthreads=1)
    return hits["t_hit"].numpy().astype(float)


def cast_solids(solids: Solids, origin: Array, direction: Array) -> Array:
    """Depth (n,) [m] along rays (n, 3) to the nearest solid of one pose; inf where they miss."""
    depth = np.full(len(origin), np.inf)
    _cast(
        solids.kind, solids.size, solids.to_solid[0], solids.pose[0, :, :3, 3], solids.radius,
        np.ascontiguousarray(origin), np.ascontiguousarray(direction), depth,
    )  # fmt: skip
    return depth


@numba.njit(cache=True)
def _sphere_hit(ox, oy, oz, dx, dy, dz, radius):
    """First hit of a ray with a sphere about the origin, or inf."""
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - radius * radius
    root = b * b - a * c
    if root < 0.0:
        return np.inf
    t = (-b - np.sqrt(root)) / a
    return t if t > 0.0 else np.inf


@numba.njit(cache=True)
def _side_hit(ox, oy, oz, dx, dy, dz, radius, half):
    """First hit with the side of a cylinder along z, or inf."""
    a = dx * dx + dy * dy
    if a < 1e-15:
        return np.inf
    b, c = ox * dx + oy * dy, ox * ox + oy * oy - radius * radius
    root = b * b - a * c
    if root < 0.0:
        return np.inf
    t = (-b - np.sqrt(root)) / a
    return t if t > 0.0 and abs(oz + t * dz) <= half else np.inf


@numba.njit(cache=True)
def _caps_hit(ox, oy, oz, dx, dy, dz, radius, half):
    """First hit with the flat ends of a cylinder along z, or inf."""
    if abs(dz) < 1e-15:
        return np.inf
    t = (-np.sign(dz) * half - oz) / dz
    x, y = ox + t * dx, oy + t * dy
    return t if t > 0.0 and x * x + y * y <= radius * radius else np.inf


@numba.njit(cache=True)
def _box_hit(ox, oy, oz, dx, dy, dz, size):
    """First hit with a box of full edges `size` about the origin, or inf."""
    near, far = -np.inf, np.inf
    for o, d, edge in ((ox, dx, size[0]), (oy, dy, size[1]), (oz, dz, size[2])):
        if abs(d) < 1e-15:
            if abs(o) > 0.5 * edge:
                return np.inf
            continue
        first, second = (-0.5 * edge - o) / d, (0.5 * edge - o) / d
        near, far = max(near, min(first, second)), min(far, max(first, second))
    return near if 0.0 < near <= far else np.inf


@numba.njit(cache=True)
def _hit(kind, size, ox, oy, oz, dx, dy, dz):
    if kind == BOX:
        return _box_hit(ox, oy, oz, dx, dy, dz, size)
    if kind == SPHERE:
        return _sphere_hit(ox, oy, oz, dx, dy, dz, size[0])
    half = 0.5 * size[1]
    side = _side_hit(ox, oy, oz, dx, dy, dz, size[0], half)
    if kind == CYLINDER:
        return min(side, _caps_hit(ox, oy, oz, dx, dy, dz, size[0], half))
    upper = _sphere_hit(ox, oy, oz - half, dx, dy, dz, size[0])
    return min(side, upper, _sphere_hit(ox, oy, oz + half, dx, dy, dz, size[0]))


@numba.njit(cache=True)
def _cast(kind, size, pose, center, radius, origin, direction, depth):
    for n in range(len(origin)):
        a, b, c = origin[n]
        u, v, w = direction[n]
        length = u * u + v * v + w * w
        for p in range(len(kind)):
            x, y, z = center[p, 0] - a, center[p, 1] - b, center[p, 2] - c
            along = x * u + y * v + z * w
            apart = x * x + y * y + z * z - along * along / length
            if apart > radius[p] * radius[p]:
                continue
            m = pose[p]
            hit = _hit(
                kind[p],
                size[p],
                m[0, 0] * a + m[0, 1] * b + m[0, 2] * c + m[0, 3],
                m[1, 0] * a + m[1, 1] * b + m[1, 2] * c + m[1, 3],
                m[2, 0] * a + m[2, 1] * b + m[2, 2] * c + m[2, 3],
                m[0, 0] * u + m[0, 1] * v + m[0, 2] * w,
                m[1, 0] * u + m[1, 1] * v + m[1, 2] * w,
                m[2, 0] * u + m[2, 1] * v + m[2, 2] * w,
            )
            depth[n] = min(depth[n], hit)
