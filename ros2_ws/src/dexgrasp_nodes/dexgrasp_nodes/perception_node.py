"""Depth images to objects, by `dexgrasp.perception`."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from dexgrasp_interfaces.msg import DetectedObjectArray
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2
from std_msgs.msg import Header

from dexgrasp.errors import DexgraspError
from dexgrasp.hands import HandModel
from dexgrasp.perception import PerceivedScene, PerceptionConfig, body_spheres, perceive
from dexgrasp_nodes.conversions import (
    WORLD_FRAME,
    cloud_to_msg,
    depth_frame_from_msgs,
    detection_to_msg,
    observation_from_msgs,
)
from dexgrasp_nodes.held_object import KEPT, HeldObjectTracker
from dexgrasp_nodes.loop import Loop
from dexgrasp_nodes.node_base import BACKGROUND, StackNode, error_code, present, run
from dexgrasp_nodes.streams import Stream
from dexgrasp_nodes.transforms import TransformTree

FRESH = 0.5  # [s]; older joint states say nothing about where the hand is now


class PerceptionNode(StackNode):
    """Publishes what stands on the table; an image that shows nothing gives code and words.

    While something is lifted, `held_object` tells where in the hand it is.
    """

    def __init__(self) -> None:
        super().__init__("perception")
        self.declare_parameter("hand", "allegro_right")
        self.declare_parameter("perception", "default")
        self.declare_parameter("rate", 5.0)
        self._objects = self.create_publisher(DetectedObjectArray, "objects", 10)
        self._cloud = self.create_publisher(PointCloud2, "objects/cloud", 2)
        self._image = Stream(self, Image, "camera/depth/image", qos_profile_sensor_data)
        self._info = Stream(self, CameraInfo, "camera/depth/camera_info", qos_profile_sensor_data)
        self._joints = Stream(self, JointState, "joint_states", qos_profile_sensor_data)
        self._palm = Stream(
            self,
            PoseStamped,
            "wrist_controller/current_pose",
            QoSProfile(depth=KEPT, reliability=ReliabilityPolicy.BEST_EFFORT),
        )
        self._held = HeldObjectTracker(self)
        self._transforms = TransformTree(self)
        self._loop: Loop | None = None
        self._seconds = 0.0
        self._words = "no image yet"

    def setup(self) -> None:
        """Read the configuration. Raises UnknownNameError, ConfigError."""
        self._hand = HandModel.load(self.get_parameter("hand").value)
        self._config = PerceptionConfig.load(self.get_parameter("perception").value)

    def start(self) -> None:
        """Begin to look."""
        period = 1.0 / self.get_parameter("rate").value
        self._loop = Loop("perception", period, self._look, self.report_fault)
        self._loop.start()

    def stop(self) -> None:
        """Stop looking."""
        if self._loop is not None:
            self._loop.stop()

    def _look(self) -> None:
        self._transforms.update()
        self._info.take_all()
        self._joints.take_all()
        self._held.remember(self._palm.take_all())
        image = self._image.poll()
        if image is None or self._info.newest is None:
            return
        head = Header(stamp=image.header.stamp, frame_id=WORLD_FRAME)
        answer = DetectedObjectArray(header=head)
        start = time.perf_counter()
        try:
            scene = self._perceive(image)
        except DexgraspError as error:
            answer.error_code, answer.error_msg = error_code(error), str(error)
        else:
            answer.objects = [detection_to_msg(o, head) for o in scene.objects]
            clouds = np.concatenate([o.cloud for o in scene.objects])
            self._cloud.publish(cloud_to_msg(clouds, head))
            self._held.update(scene, self._hand)
        answer.seconds = self._seconds = time.perf_counter() - start
        self._words = answer.error_msg or f"{len(answer.objects)} objects"
        self._objects.publish(answer)

    def _perceive(self, image: Image) -> PerceivedScene:
        pose = self._transforms.lookup(WORLD_FRAME, image.header.frame_id)
        frame = depth_frame_from_msgs(image, present(self._info.newest, "camera info"), pose)
        return perceive(frame, self._config, self._body())

    def _body(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Spheres that cover the hand where it is now; None when that is not known."""
        if max(self._joints.age, self._palm.age) > FRESH:
            return None
        now = observation_from_msgs(
            present(self._joints.newest, "joint state"),
            present(self._palm.newest, "palm pose"),
            None,
            self._hand,
        )
        return body_spheres(self._hand, now)

    def health(self) -> tuple[bytes, str, Mapping[str, object]]:
        """See `StackNode.health`."""
        if not self.active or self._loop is None:
            return super().health()
        fresh = self._image.age < 1.0
        level = DiagnosticStatus.OK if fresh else DiagnosticStatus.WARN
        words = self._words if fresh else "no depth image for more than a second"
        return level, words, {"seconds": self._seconds, **self._loop.statistics()}


def main() -> None:
    """Run the node."""
    run(PerceptionNode, niceness=BACKGROUND)
