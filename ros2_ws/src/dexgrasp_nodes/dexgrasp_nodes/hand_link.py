"""The hand as the executor sees it: its state and the safety node's words in, commands out."""

from __future__ import annotations

import time

import numpy as np
from dexgrasp_interfaces.msg import FingerForces, SafetyState
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Empty, Float64MultiArray

from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, Observation
from dexgrasp_nodes.conversions import (
    WORLD_FRAME,
    doubles,
    header,
    observation_from_msgs,
    pose_from_msg,
    pose_to_msg,
    seconds_from_stamp,
)
from dexgrasp_nodes.node_base import present
from dexgrasp_nodes.streams import Stream

HEARTBEAT_PERIOD = 0.03  # [s]; the safety node waits for 0.1 s
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)  # of what is sensed
SEEN_WITHIN = 0.5  # [s]; an older view of the held object tells nothing about now
RESET_JUMP = 0.10  # [m] from the palm's target: somebody put the hand elsewhere


class HandLink:
    """Polled topics of the hand.

    sent: the command sent last, None before the first.  safety: the safety node's newest words.
    """

    def __init__(self, node: Node) -> None:
        self.sent: Command | None = None
        self._hand: HandModel | None = None
        self._joints = Stream(node, JointState, "joint_states", NEWEST)
        self._palm = Stream(node, PoseStamped, "wrist_controller/current_pose", NEWEST)
        self._forces = Stream(node, FingerForces, "finger_forces", NEWEST)
        self._held = Stream(node, PoseStamped, "held_object", NEWEST)
        self._safety = Stream(node, SafetyState, "safety/state")
        self._heartbeat = node.create_publisher(Empty, "safety/heartbeat", 1)
        self._commands = node.create_publisher(Float64MultiArray, "hand_controller/commands", 1)
        self._palm_target = node.create_publisher(PoseStamped, "wrist_controller/target_pose", 1)
        self._beaten = -np.inf

    def attach(self, hand: HandModel) -> None:
        """Tell which hand it is."""
        self._hand = hand

    def poll(self) -> None:
        """Take what has come."""
        for stream in (self._joints, self._palm, self._forces, self._safety):
            stream.take_all()

    @property
    def safety(self) -> SafetyState | None:
        """The safety node's newest words."""
        return self._safety.newest

    @property
    def silence(self) -> float:
        """Wall-clock time since joint states or palm poses came last [s]."""
        return max(self._joints.age, self._palm.age)

    @property
    def now(self) -> float:
        """The hand's time: that of its newest message [s]; 0 before the first."""
        return max(self._stamps(), default=0.0)

    @property
    def age(self) -> float:
        """How old the older of joint states and palm pose is, by the hand's own clock [s].

        Of all topics together nobody can tell: when the hand's clock stops, nothing ages.
        """
        joints, palm = self._joints.newest, self._palm.newest
        if joints is None or palm is None:
            return np.inf
        oldest = min(seconds_from_stamp(m.header.stamp) for m in (joints, palm))
        return self.now - oldest

    def _stamps(self) -> list[float]:
        newest = (self._joints.newest, self._palm.newest, self._forces.newest)
        return [seconds_from_stamp(m.header.stamp) for m in newest if m is not None]

    def observe(self, forces_within: float = np.inf) -> Observation:
        """The newest state. Raises NotActiveError before the first, ExecutionError for a bad one.

        forces_within: older forces are not sensed [s of wall clock].
        """
        return observation_from_msgs(
            present(self._joints.newest, "joint state"),
            present(self._palm.newest, "palm pose"),
            self._forces.newest if self._forces.age < forces_within else None,
            present(self._hand, "hand"),
        )

    def held_object(self) -> Array | None:
        """(4, 4) where in the palm a camera newly sees the held object; see HeldObjectTracker."""
        pose = self._held.poll()
        if pose is None or self.now - seconds_from_stamp(pose.header.stamp) > SEEN_WITHIN:
            return None
        return pose_from_msg(pose.pose)

    def finger_force(self, hand: HandModel) -> Array:
        """(F,) newest forces [N]; NaN where none are sensed."""
        forces = self._forces.newest
        if forces is None or tuple(forces.finger_names) != hand.finger_names:
            return np.full(len(hand.finger_names), np.nan)
        return np.asarray(forces.force)

    def send(self, command: Command, stamp: float) -> None:
        """Send the targets of world 0; stamp: time of the state they were made of [s]."""
        self.sent = command
        self._commands.publish(Float64MultiArray(data=doubles(command.joint_position[0])))
        pose = pose_to_msg(command.T_world_palm[0])
        self._palm_target.publish(PoseStamped(header=header(stamp, WORLD_FRAME), pose=pose))

    def keep_alive(self) -> None:
        """Between goals: what was commanded last is still meant."""
        now = time.monotonic()
        if self.sent is not None and now - self._beaten > HEARTBEAT_PERIOD:
            self._beaten = now
            self._heartbeat.publish(Empty())

    def is_elsewhere(self) -> bool:
        """Whether the palm is far from its target: after a reset nothing is held any more."""
        if self.sent is None:
            return True
        palm = self.observe().T_world_palm[0, :3, 3]
        return bool(np.linalg.norm(palm - self.sent.T_world_palm[0, :3, 3]) > RESET_JUMP)

    def joint_targets(self, observation: Observation) -> Array:
        """(1, J) [rad] the targets in force, as far as they are this node's."""
        if self.sent is None or self.is_elsewhere():
            return observation.joint_position
        return self.sent.joint_position
