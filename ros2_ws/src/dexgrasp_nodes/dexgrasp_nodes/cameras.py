"""The simulated cameras: a depth camera that the robot has, and a view for people."""

from __future__ import annotations

from collections.abc import Callable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from dexgrasp.simulation import SimulationConfig
from dexgrasp_nodes.conversions import (
    camera_info_to_msg,
    depth_to_msg,
    depth_to_raw_msg,
    header,
    picture_to_msg,
    transform_to_msg,
)
from dexgrasp_nodes.loop import Loop
from dexgrasp_nodes.node_base import LATCHED
from dexgrasp_nodes.world import World

DEPTH_FRAME = "camera_depth_optical_frame"
OVERVIEW_FRAME = "overview_optical_frame"


class Cameras:
    """Topics `camera/depth/*`, `overview/*` and the cameras' `/tf_static`.

    The topics are there for every backend, and silent where a real camera publishes instead.
    """

    def __init__(self, node: Node) -> None:
        publish = node.create_publisher
        self._tf_static = publish(TFMessage, "/tf_static", LATCHED)
        self._depth = publish(Image, "camera/depth/image", 2)
        self._depth_raw = publish(Image, "camera/depth/image_raw", 2)
        self._depth_info = publish(CameraInfo, "camera/depth/camera_info", 10)
        self._overview = publish(Image, "overview/image", 2)
        self._overview_info = publish(CameraInfo, "overview/camera_info", 10)
        self._loop: Loop | None = None

    def start(
        self,
        world: World,
        config: SimulationConfig,
        rate: float,
        on_error: Callable[[Exception], None],
    ) -> None:
        """Render `world` at `rate` [Hz] of its time."""
        self._world, self._config = world, config
        self._period, self._due = 1.0 / rate, 0.0
        self._publish_frames()
        self._loop = Loop("cameras", 1.0 / rate, self._render, on_error)
        self._loop.start()

    def stop(self) -> None:
        """Render no more."""
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    @property
    def rate(self) -> float:
        """Pictures per second; 0 while there are none."""
        return self._loop.statistics()["rate"] if self._loop is not None else 0.0

    def _publish_frames(self) -> None:
        cameras = {DEPTH_FRAME: self._config.camera, OVERVIEW_FRAME: self._config.overview}
        transforms = [
            TransformStamped(
                header=header(0.0),
                child_frame_id=frame,
                transform=transform_to_msg(camera.T_world_camera),
            )
            for frame, camera in cameras.items()
        ]
        self._tf_static.publish(TFMessage(transforms=transforms))

    def _render(self) -> None:
        # A simulation slower than real time takes as many pictures of its own seconds.
        if self._world.now < self._due and not self._world.paused:
            return
        self._due = self._world.now + 0.9 * self._period
        frame = self._world.depth()
        if frame is None:
            return
        head = header(frame.time, DEPTH_FRAME)
        self._depth_info.publish(camera_info_to_msg(frame.intrinsics, head))
        self._depth.publish(depth_to_msg(frame, head))
        if self._depth_raw.get_subscription_count():
            self._depth_raw.publish(depth_to_raw_msg(frame, head))
        if self._overview.get_subscription_count():
            head = header(frame.time, OVERVIEW_FRAME)
            self._overview_info.publish(camera_info_to_msg(self._config.overview.intrinsics, head))
            self._overview.publish(picture_to_msg(self._world.backend.color(), head))
