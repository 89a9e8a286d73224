"""Depth images, pictures and cameras (REP 118, REP 103)."""

from __future__ import annotations

import array
import sys

import numpy as np
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from dexgrasp.errors import SceneError
from dexgrasp.types import CameraIntrinsics, DepthFrame
from dexgrasp_nodes.conversions.basics import seconds_from_stamp

MILLIMETRES = 1000.0


def depth_to_msg(frame: DepthFrame, head: Header) -> Image:
    """`32FC1` image [m] (REP 118)."""
    return _image(np.asarray(frame.depth, dtype=np.float32), "32FC1", head)


def depth_to_raw_msg(frame: DepthFrame, head: Header) -> Image:
    """`16UC1` image [mm], 0 where invalid (REP 118)."""
    millimetres = np.rint(np.nan_to_num(frame.depth, nan=0.0) * MILLIMETRES)
    return _image(np.clip(millimetres, 0, 65535).astype(np.uint16), "16UC1", head)


def picture_to_msg(picture: np.ndarray, head: Header) -> Image:
    """`rgb8` image of (h, w, 3) uint8."""
    return _image(picture, "rgb8", head)


def _image(pixels: np.ndarray, encoding: str, head: Header) -> Image:
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).tobytes())
    height, width = pixels.shape[:2]
    return Image(
        header=head, height=height, width=width, encoding=encoding, data=data,
        is_bigendian=int(sys.byteorder == "big"), step=pixels[0].nbytes,
    )  # fmt: skip


def picture_from_msg(message: Image) -> np.ndarray:
    """(h, w, 3) uint8 of an `rgb8` or `bgr8` image, red first. Raises SceneError."""
    if message.encoding not in ("rgb8", "bgr8"):
        raise SceneError(f"the image is {message.encoding!r}; known: bgr8, rgb8")
    pixels = _pixels(message, np.dtype(np.uint8), 3)
    return pixels if message.encoding == "rgb8" else pixels[..., ::-1]


def depth_from_msg(message: Image) -> np.ndarray:
    """(h, w) float32 [m] of a `32FC1` or `16UC1` image. Raises SceneError."""
    order = ">" if message.is_bigendian else "<"
    if message.encoding == "32FC1":
        return _pixels(message, np.dtype(f"{order}f4"), 1)[..., 0].astype(np.float32)
    if message.encoding == "16UC1":
        millimetres = _pixels(message, np.dtype(f"{order}u2"), 1)[..., 0]
        return millimetres.astype(np.float32) / np.float32(MILLIMETRES)
    raise SceneError(f"the depth image is {message.encoding!r}; known: 16UC1, 32FC1")


def _pixels(message: Image, kind: np.dtype, channels: int) -> np.ndarray:
    row = message.width * channels * kind.itemsize
    if message.width * message.height == 0:
        raise SceneError("the image is empty")
    if message.step < row or len(message.data) < message.step * message.height:
        raise SceneError(
            f"the image is truncated: {len(message.data)} bytes for "
            f"{message.width} x {message.height} {message.encoding}"
        )
    data = np.frombuffer(message.data, dtype=np.uint8)[: message.step * message.height]
    rows = np.ascontiguousarray(data.reshape(message.height, message.step)[:, :row])
    return rows.view(kind).reshape(message.height, message.width, channels)


def camera_info_to_msg(intrinsics: CameraIntrinsics, head: Header) -> CameraInfo:
    """Pinhole without distortion."""
    c = intrinsics
    k = [c.fx, 0.0, c.cx, 0.0, c.fy, c.cy, 0.0, 0.0, 1.0]
    p = [c.fx, 0.0, c.cx, 0.0, 0.0, c.fy, c.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return CameraInfo(
        header=head, width=c.width, height=c.height, distortion_model="plumb_bob",
        d=[0.0] * 5, k=k, r=np.eye(3).ravel().tolist(), p=p,
    )  # fmt: skip


def intrinsics_from_msg(message: CameraInfo) -> CameraIntrinsics:
    """Pinhole model. Raises SceneError when it is uncalibrated or distorted."""
    fx, fy = float(message.k[0]), float(message.k[4])
    if not (fx > 0.0 and fy > 0.0):
        raise SceneError(f"the camera info has focal lengths {fx}, {fy}: uncalibrated")
    if np.any(np.asarray(message.d)):
        raise SceneError("the camera info has distortion: rectify the depth image first")
    return CameraIntrinsics(
        message.width, message.height, fx, fy, float(message.k[2]), float(message.k[5])
    )


def depth_frame_from_msgs(image: Image, info: CameraInfo, pose: np.ndarray) -> DepthFrame:
    """A depth image with its camera at T_world_camera `pose`. Raises SceneError."""
    intrinsics = intrinsics_from_msg(info)
    depth = depth_from_msg(image)
    if depth.shape != (intrinsics.height, intrinsics.width):
        raise SceneError(
            f"the image is {depth.shape[1]} x {depth.shape[0]} but the camera info says "
            f"{intrinsics.width} x {intrinsics.height}"
        )
    return DepthFrame(depth, intrinsics, pose, seconds_from_stamp(image.header.stamp))
