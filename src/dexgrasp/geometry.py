"""Rigid transforms in batches. Matrices are (..., 4, 4); quaternions are scalar first.

Rotations are taken as such: to check each costs SciPy five times as long as to convert it.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

Array = np.ndarray


def pose_from_quaternion(position: Array, quaternion: Array) -> Array:
    """(..., 4, 4) poses from positions (..., 3) [m] and quaternions (..., 4) w first."""
    position, quaternion = np.asarray(position, float), np.asarray(quaternion, float)
    pose = np.zeros((*position.shape[:-1], 4, 4))
    flat = Rotation.from_quat(quaternion.reshape(-1, 4), scalar_first=True).as_matrix()
    pose[..., :3, :3] = flat.reshape(*position.shape[:-1], 3, 3)
    pose[..., :3, 3] = position
    pose[..., 3, 3] = 1.0
    return pose


def quaternion_from_pose(pose: Array) -> Array:
    """(..., 4) unit quaternions, w first and not negative, of poses (..., 4, 4)."""
    turns = Rotation.from_matrix(pose[..., :3, :3].reshape(-1, 3, 3), assume_valid=True)
    flat = turns.as_quat(canonical=True, scalar_first=True)
    return flat.reshape(*pose.shape[:-2], 4)


def inverse(pose: Array) -> Array:
    """Inverse of rigid transforms (..., 4, 4)."""
    result = np.zeros_like(pose)
    transposed = np.swapaxes(pose[..., :3, :3], -1, -2)
    result[..., :3, :3] = transposed
    result[..., :3, 3] = -np.einsum("...ij,...j->...i", transposed, pose[..., :3, 3])
    result[..., 3, 3] = 1.0
    return result


def transform_points(pose: Array, points: Array) -> Array:
    """Map points (n, 3) by a pose (4, 4), or batches (..., n, 3) by (..., 4, 4)."""
    return points @ np.swapaxes(pose[..., :3, :3], -1, -2) + pose[..., None, :3, 3]


def rotation_between(first: Array, second: Array) -> Array:
    """(n, 3) rotation vectors [rad] that turn poses `first` (n, 4, 4) into `second`."""
    relative = second[:, :3, :3] @ np.swapaxes(first[:, :3, :3], 1, 2)
    return Rotation.from_matrix(relative, assume_valid=True).as_rotvec()


def interpolate_poses(first: Array, second: Array, fraction: Array) -> Array:
    """Poses (n, 4, 4) at `fraction` (n,) of the straight, shortest way between two batches."""
    turn = rotation_between(first, second) * fraction[:, None]
    pose = second.copy()
    pose[:, :3, :3] = Rotation.from_rotvec(turn).as_matrix() @ first[:, :3, :3]
    pose[:, :3, 3] += (first[:, :3, 3] - second[:, :3, 3]) * (1.0 - fraction)[:, None]
    return pose


def minimum_jerk(fraction: Array) -> Array:
    """Smooth time scaling of [0, 1] with zero end velocities and accelerations."""
    s = np.clip(fraction, 0.0, 1.0)
    return s**3 * (10.0 - 15.0 * s + 6.0 * s**2)
