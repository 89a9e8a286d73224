"""The newest transforms of `/tf` and `/tf_static`: what these nodes need of tf2."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from dexgrasp.errors import SceneError
from dexgrasp.geometry import inverse
from dexgrasp_nodes.conversions import pose_from_transform
from dexgrasp_nodes.streams import Stream

STATIC_QOS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
LONGEST_CHAIN = 64


class TransformTree:
    """Looks up poses between frames by the newest transforms. Not for several threads."""

    def __init__(self, node: Node) -> None:
        self._streams = [
            Stream(node, TFMessage, "/tf", 100),
            Stream(node, TFMessage, "/tf_static", STATIC_QOS),
        ]
        self._parents: dict[str, tuple[str, np.ndarray]] = {}

    def update(self) -> None:
        """Take what came since the last call."""
        for stream in self._streams:
            for message in stream.take_all():
                self.add(message)

    def add(self, message: TFMessage) -> None:
        """Remember the transforms of a message."""
        for stamped in message.transforms:
            pose = pose_from_transform(stamped.transform)
            self._parents[stamped.child_frame_id] = (stamped.header.frame_id, pose)

    def lookup(self, target: str, source: str) -> np.ndarray:
        """T_target_source (4, 4). Raises SceneError when the frames are not connected."""
        root_of_target, T_root_target = self._to_root(target)
        root_of_source, T_root_source = self._to_root(source)
        if root_of_target != root_of_source:
            raise SceneError(f"no transform from frame {source!r} to {target!r} on /tf")
        return inverse(T_root_target) @ T_root_source

    def _to_root(self, frame: str) -> tuple[str, np.ndarray]:
        pose = np.eye(4)
        for _ in range(LONGEST_CHAIN):
            if frame not in self._parents:
                return frame, pose
            frame, T_parent_child = self._parents[frame]
            pose = T_parent_child @ pose
        raise SceneError(f"the transforms of frame {frame!r} run in a circle")
