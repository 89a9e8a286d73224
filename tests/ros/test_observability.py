"""What is said of a goal: markers, and a recording of all of it."""

from __future__ import annotations

import math
import threading
import time

import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

import rclpy
from dexgrasp_interfaces.msg import ExecutorState, SafetyState
from dexgrasp_nodes.markers import SLIP_COLOR, STOP_COLOR, TOUCH_COLOR, safety_marker, touch_markers
from dexgrasp_nodes.recorder_node import BAG_FOLDER, RecorderNode
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import Reader
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from dexgrasp.hands import HandModel

pytestmark = pytest.mark.ros
DOMAIN_ID = 79
HAND = HandModel.load("allegro_right")


def state(**fields) -> ExecutorState:
    return ExecutorState(
        finger_names=list(HAND.finger_names),
        touching=[True, False, False, False],
        finger_force=[3.0, 0.0, math.nan, 100.0],
        touch_confidence=[1.0, 1.0, math.nan, 1.0],
        **fields,
    )


def test_touch_is_drawn_on_the_fingertips() -> None:
    markers = touch_markers(state(), HAND).markers
    assert [m.header.frame_id for m in markers] == [HAND.links[i].name for i in HAND.distal_links]
    assert markers[0].color == TOUCH_COLOR
    assert markers[1].color != TOUCH_COLOR
    assert markers[1].scale.x == markers[2].scale.x < markers[0].scale.x < markers[3].scale.x
    assert touch_markers(state(slipping=True), HAND).markers[0].color == SLIP_COLOR


def test_an_emergency_stop_is_drawn_in_words_until_the_reset() -> None:
    stopped = SafetyState(e_stopped=True, words="the emergency stop is latched; reset it")
    (text,) = safety_marker(stopped, Header(frame_id="world")).markers
    assert (text.text, text.color) == (stopped.words, STOP_COLOR)
    (gone,) = safety_marker(SafetyState(), Header(frame_id="world")).markers
    assert (gone.action, gone.ns, gone.id) == (Marker.DELETE, text.ns, text.id)


def test_every_word_of_a_goal_is_recorded(tmp_path) -> None:
    said = {
        "/executor/state": state(
            slipping=True, holding=True, interventions=[0, 2], refused=["JUMP"]
        ),
        "/safety/state": SafetyState(e_stopped=True, interventions=["E_STOP"], counts=[7]),
        "/diagnostics": DiagnosticArray(status=[DiagnosticStatus(name="/executor")]),
        "/markers": MarkerArray(markers=[Marker(ns="touch")]),
    }
    context = Context()
    rclpy.init(
        context=context, domain_id=DOMAIN_ID, args=["--ros-args", "-p", f"folder:={tmp_path}"]
    )
    node, recorder = Node("speaker", context=context), RecorderNode(context)
    publishers = {topic: node.create_publisher(type(m), topic, 10) for topic, m in said.items()}
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60.0
    while not all(p.get_subscription_count() for p in publishers.values()):
        assert time.monotonic() < deadline, "the recorder does not listen"
        time.sleep(0.02)
    for topic, message in said.items():
        publishers[topic].publish(message)
    while not said.keys() <= recorder.written.keys():
        assert time.monotonic() < deadline, recorder.written
        time.sleep(0.02)
    recorder.close()
    executor.shutdown()
    thread.join(5.0)
    rclpy.shutdown(context=context)
    check_bag(tmp_path / BAG_FOLDER, said)


def check_bag(folder, said: dict) -> None:
    """The bag holds each message once, byte for byte as it was sent."""
    with Reader(folder) as reader:
        read = {c.topic: data for c, _, data in reader.messages() if c.topic in said}
    assert read.keys() == said.keys()
    for topic, message in said.items():
        again = deserialize_message(bytes(read[topic]), type(message))
        # NaN is not equal to itself.
        assert str(again) == str(message), topic
