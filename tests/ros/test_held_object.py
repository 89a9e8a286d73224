"""The object in the hand as the perception node tells it, over real topics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import trimesh

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

import rclpy
from dexgrasp_interfaces.msg import ExecutorState
from dexgrasp_nodes.conversions import header, pose_from_msg, pose_to_msg
from dexgrasp_nodes.held_object import HeldObjectTracker
from dexgrasp_nodes.streams import Stream
from geometry_msgs.msg import PoseStamped
from rclpy.context import Context
from rclpy.node import Node

from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.perception import PerceivedScene
from dexgrasp.perception.table import Plane
from dexgrasp.types import DetectedObject

pytestmark = pytest.mark.ros
DOMAIN_ID = 174
HAND = HandModel.load("allegro_right")
CAMERA = np.array([0.6, 0.0, 0.6])
SURFACE = trimesh.sample.sample_surface(trimesh.creation.box((0.06, 0.08, 0.1)), 3000, seed=0)[0]


@pytest.fixture
def node() -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context, domain_id=DOMAIN_ID)
    node = Node("test_held_object", context=context)
    yield node
    node.destroy_node()
    context.shutdown()


def until(done: Callable[[], bool], words: str) -> None:
    deadline = time.monotonic() + 30.0
    while not done():
        assert time.monotonic() < deadline, words
        time.sleep(0.01)


def palm_at(seconds: float) -> np.ndarray:
    """(4, 4) a palm that rises by 0.1 m/s."""
    palm = np.eye(4)
    palm[2, 3] = 0.3 + 0.1 * seconds
    return palm


def scene(seconds: float, slid: float = 0.0) -> PerceivedScene:
    """A box between the fingers, which has slid down by so much [m]."""
    box = palm_at(seconds)
    box[:3, 3] += box[:3, :3] @ HAND.T_palm_grasp[:3, 3] - [0.0, 0.0, slid]
    cloud = transform_points(box, SURFACE)
    detected = DetectedObject(0, cloud, box, np.array([0.06, 0.08, 0.1]), 0.0, CAMERA)
    return PerceivedScene((detected,), Plane(np.array([0.0, 0.0, 1.0]), 0.0), seconds)


def test_a_lifted_object_has_a_pose_in_the_palm(node: Node) -> None:
    tracker = HeldObjectTracker(node)
    told: Stream[PoseStamped] = Stream(node, PoseStamped, "held_object", 10)
    states = node.create_publisher(ExecutorState, "executor/state", 10)
    until(lambda: states.get_subscription_count() > 0, "nobody takes the states")
    poses: list[PoseStamped] = []

    def see(seconds: float, phase: int, slid: float = 0.0) -> None:
        state = ExecutorState(header=header(seconds), phase=phase, time_in_phase=seconds - 1.0)
        states.publish(state)
        pose = pose_to_msg(palm_at(seconds))
        tracker.remember([PoseStamped(header=header(seconds, "world"), pose=pose)])
        time.sleep(0.2)
        tracker.update(scene(seconds, slid), HAND)
        time.sleep(0.2)
        poses.extend(told.take_all())

    see(0.9, ExecutorState.FULL_GRASP)
    see(1.1, ExecutorState.LIFT)
    assert not poses  # the first look is what later ones are compared with
    see(1.3, ExecutorState.LIFT)
    see(1.5, ExecutorState.HOLD, slid=0.012)
    see(1.7, ExecutorState.DONE)
    assert [p.header.frame_id for p in poses] == [HAND.link_names[0]] * 2
    resting, slipped = (pose_from_msg(p.pose)[:3, 3] for p in poses)
    assert np.linalg.norm(resting) < 0.001
    np.testing.assert_allclose(slipped, [0.0, 0.0, -0.012], atol=0.003)
