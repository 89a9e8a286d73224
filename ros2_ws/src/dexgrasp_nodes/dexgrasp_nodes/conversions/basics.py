"""Times, vectors and poses. ROS quaternions are scalar last, the library's scalar first."""

from __future__ import annotations

import array
from collections.abc import Iterable

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, Vector3
from std_msgs.msg import Header

from dexgrasp.errors import ExecutionError
from dexgrasp.geometry import pose_from_quaternion, quaternion_from_pose

WORLD_FRAME = "world"
UNIT_TOLERANCE = 1e-3


def stamp_from_seconds(seconds: float) -> Time:
    """Message time of a time [s] >= 0."""
    nanoseconds = round(seconds * 1e9)
    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def seconds_from_stamp(stamp: Time) -> float:
    """Time [s] of a message time."""
    return stamp.sec + 1e-9 * stamp.nanosec


def header(seconds: float, frame: str = WORLD_FRAME) -> Header:
    """Header at a time [s]."""
    return Header(stamp=stamp_from_seconds(seconds), frame_id=frame)


def doubles(values: Iterable[float]) -> array.array:
    """What a `float64[]` field takes fastest."""
    return array.array("d", np.asarray(values, dtype=np.float64).tobytes())


def point_to_msg(point: np.ndarray) -> Point:
    """Point of (3,)."""
    return Point(x=float(point[0]), y=float(point[1]), z=float(point[2]))


def vector_to_msg(vector: np.ndarray) -> Vector3:
    """Vector of (3,)."""
    return Vector3(x=float(vector[0]), y=float(vector[1]), z=float(vector[2]))


def vector_from_msg(message: Point | Vector3) -> np.ndarray:
    """(3,) of a point or vector."""
    return np.array([message.x, message.y, message.z])


def pose_to_msg(pose: np.ndarray) -> Pose:
    """Pose of (4, 4)."""
    return Pose(position=point_to_msg(pose[:3, 3]), orientation=_quaternion_to_msg(pose))


def transform_to_msg(pose: np.ndarray) -> Transform:
    """Transform of (4, 4)."""
    return Transform(translation=vector_to_msg(pose[:3, 3]), rotation=_quaternion_to_msg(pose))


def _quaternion_to_msg(pose: np.ndarray) -> Quaternion:
    w, x, y, z = (float(v) for v in quaternion_from_pose(pose))
    return Quaternion(w=w, x=x, y=y, z=z)


def pose_from_msg(message: Pose) -> np.ndarray:
    """(4, 4) of a pose. Raises ExecutionError for NaN or a quaternion that is not unit."""
    return _pose(vector_from_msg(message.position), message.orientation)


def pose_from_transform(message: Transform) -> np.ndarray:
    """(4, 4) of a transform. Raises ExecutionError like `pose_from_msg`."""
    return _pose(vector_from_msg(message.translation), message.rotation)


def _pose(position: np.ndarray, rotation: Quaternion) -> np.ndarray:
    quaternion = np.array([rotation.w, rotation.x, rotation.y, rotation.z])
    if not (np.isfinite(position).all() and np.isfinite(quaternion).all()):
        raise ExecutionError("a pose holds NaN or infinity")
    if abs(np.linalg.norm(quaternion) - 1.0) > UNIT_TOLERANCE:
        raise ExecutionError(
            f"the quaternion {quaternion[1:].tolist()} w {quaternion[0]} is not unit"
        )
    return pose_from_quaternion(position, quaternion)
