"""Clouds and perceived objects."""

from __future__ import annotations

import array

import numpy as np
from dexgrasp_interfaces.msg import DetectedObject as DetectedObjectMsg
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from dexgrasp.errors import SceneError
from dexgrasp.types import DetectedObject
from dexgrasp_nodes.conversions.basics import (
    point_to_msg,
    pose_from_msg,
    pose_to_msg,
    vector_from_msg,
    vector_to_msg,
)


def cloud_to_msg(points: np.ndarray, head: Header) -> PointCloud2:
    """Cloud of points (n, 3) [m] as float32 x, y, z."""
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(points, dtype=np.float32).tobytes())
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate("xyz")
    ]
    return PointCloud2(
        header=head, height=1, width=len(points), fields=fields, point_step=12,
        row_step=12 * len(points), data=data, is_dense=True,
    )  # fmt: skip


def cloud_from_msg(message: PointCloud2) -> np.ndarray:
    """Finite points (n, 3) [m] of an ordered or unordered cloud.

    Raises SceneError when it is empty, all NaN, truncated, or has no float32 x, y, z.
    """
    offsets = {f.name: f.offset for f in message.fields if f.datatype == PointField.FLOAT32}
    if not {"x", "y", "z"} <= offsets.keys():
        raise SceneError(f"the cloud has float32 fields {sorted(offsets)}; x, y and z are needed")
    if message.width * message.height == 0:
        raise SceneError("the cloud is empty")
    row = message.width * message.point_step
    if message.row_step < row or len(message.data) < message.row_step * message.height:
        raise SceneError(
            f"the cloud is truncated: {len(message.data)} bytes for "
            f"{message.width} x {message.height} points of {message.point_step} bytes"
        )
    if max(offsets[axis] for axis in "xyz") + 4 > message.point_step:
        raise SceneError("the cloud's fields reach beyond its point_step")
    order = ">f4" if message.is_bigendian else "<f4"
    layout = np.dtype(
        {"names": list("xyz"), "formats": [order] * 3, "offsets": [offsets[a] for a in "xyz"],
         "itemsize": message.point_step}
    )  # fmt: skip
    data = np.frombuffer(message.data, dtype=np.uint8)[: message.row_step * message.height]
    rows = np.ascontiguousarray(data.reshape(message.height, message.row_step)[:, :row])
    flat = rows.view(layout).reshape(-1)
    points = np.stack([flat["x"], flat["y"], flat["z"]], axis=1).astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        raise SceneError(f"none of the cloud's {len(flat)} points is finite")
    return points


def detection_to_msg(detected: DetectedObject, head: Header) -> DetectedObjectMsg:
    """A perceived object, all in `head.frame_id`."""
    return DetectedObjectMsg(
        id=detected.identifier,
        pose=pose_to_msg(detected.T_world_object),
        size=vector_to_msg(detected.extents),
        cloud=cloud_to_msg(detected.cloud, head),
        table_height=float(detected.table_height),
        view_point=point_to_msg(detected.view_point),
    )


def detection_from_msg(message: DetectedObjectMsg) -> DetectedObject:
    """A perceived object. Raises SceneError for its cloud, ExecutionError for its pose."""
    extents = vector_from_msg(message.size)
    if not (np.isfinite(extents).all() and (extents > 0.0).all()):
        raise SceneError(f"the object's size {extents.tolist()} m is not positive")
    view_point = vector_from_msg(message.view_point)
    if not (np.isfinite(view_point).all() and np.isfinite(message.table_height)):
        raise SceneError("the object's table height or view point is not finite")
    return DetectedObject(
        message.id,
        cloud_from_msg(message.cloud),
        pose_from_msg(message.pose),
        extents,
        message.table_height,
        view_point,
    )
