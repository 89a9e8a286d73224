"""What a viewer needs: the latched robot description, the hand's transforms and markers.

Stands in for robot_state_publisher, with the library's own kinematics: the picture in RViz
is what the stack computes with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dexgrasp_interfaces.msg import (
    DetectedObjectArray,
    ExecutorState,
    GraspArray,
    HandContactArray,
    SafetyState,
)
from geometry_msgs.msg import TransformStamped
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel
from dexgrasp_nodes.conversions import (
    WORLD_FRAME,
    joint_positions_from_msg,
    transform_to_msg,
)
from dexgrasp_nodes.loop import Loop
from dexgrasp_nodes.markers import (
    contact_markers,
    grasp_markers,
    object_markers,
    phase_marker,
    safety_marker,
    touch_markers,
)
from dexgrasp_nodes.node_base import BACKGROUND, LATCHED, run
from dexgrasp_nodes.spinning import PolledNode
from dexgrasp_nodes.streams import Stream

Message = TypeVar("Message")


class DescriptionNode(PolledNode):
    """Parameters: `hand`, `rate` of transforms and markers [Hz]."""

    def __init__(self) -> None:
        super().__init__("description")
        name = self.declare_parameter("hand", "allegro_right").value
        rate = self.declare_parameter("rate", 25.0).value
        self._description = self.create_publisher(String, "robot_description", LATCHED)
        self._tf = self.create_publisher(TFMessage, "/tf", 100)
        self._markers = self.create_publisher(MarkerArray, "markers", 10)
        self._joints = Stream(self, JointState, "joint_states", qos_profile_sensor_data)
        self._contacts = Stream(self, HandContactArray, "contacts", qos_profile_sensor_data)
        self._objects = Stream(self, DetectedObjectArray, "objects")
        self._grasps = Stream(self, GraspArray, "grasps", LATCHED)
        self._state = Stream(self, ExecutorState, "executor/state")
        self._safety = Stream(self, SafetyState, "safety/state", LATCHED)
        self._hand = HandModel.load(name)
        self._description.publish(String(data=self._hand.urdf_text))
        self._loop = Loop("description", 1.0 / rate, self._publish, self._on_error)
        self._loop.start()

    def halt(self) -> None:
        """Stop publishing."""
        self._loop.stop()

    def _on_error(self, error: Exception) -> None:
        self.get_logger().error(str(error), throttle_duration_sec=1.0)

    def _publish(self) -> None:
        joints = self._joints.poll()
        if joints is not None:
            self._publish_links(joints)
        self._draw(self._objects, object_markers)
        self._draw(self._grasps, grasp_markers)
        self._draw(self._contacts, contact_markers)
        self._draw(self._state, self._executor)
        self._draw(self._safety, lambda message: safety_marker(message, _in_world(message.header)))

    def _draw(self, stream: Stream[Message], markers: Callable[[Message], MarkerArray]) -> None:
        message = stream.poll()
        if message is not None:
            self._markers.publish(markers(message))

    def _executor(self, message: ExecutorState) -> MarkerArray:
        phase = phase_marker(message, _in_world(message.header))
        return MarkerArray(markers=[*phase.markers, *touch_markers(message, self._hand).markers])

    def _publish_links(self, joints: JointState) -> None:
        poses = self._hand.forward(joint_positions_from_msg(joints, self._hand)[None])[0]
        transforms = []
        for index, link in enumerate(self._hand.links[1:], start=1):
            T_parent_link = inverse(poses[link.parent]) @ poses[index]
            head = Header(stamp=joints.header.stamp, frame_id=self._hand.link_names[link.parent])
            transforms.append(
                TransformStamped(
                    header=head,
                    child_frame_id=link.name,
                    transform=transform_to_msg(T_parent_link),
                )
            )
        self._tf.publish(TFMessage(transforms=transforms))


def _in_world(head: Header) -> Header:
    return Header(stamp=head.stamp, frame_id=WORLD_FRAME)


def main() -> None:
    """Run the node."""
    run(DescriptionNode, niceness=BACKGROUND)
