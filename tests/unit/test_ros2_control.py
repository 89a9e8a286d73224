"""The `ros2_control` block of each hand's description, for labs that run controller_manager."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import xacro

from dexgrasp.config import resource_path
from dexgrasp.hands import HandModel

HANDS = ("allegro_right", "leap_right")


@pytest.mark.parametrize("name", HANDS)
def test_every_joint_takes_positions_and_begins_within_its_limits(name: str) -> None:
    hand = HandModel.load(name)
    control = ElementTree.fromstring(hand.urdf_text).find("ros2_control")
    assert control is not None
    assert control.findtext("hardware/plugin") == "mock_components/GenericSystem"
    joints = control.findall("joint")
    assert {joint.get("name") for joint in joints} == set(hand.joint_names)
    for joint in joints:
        interfaces = [e.get("name") for e in joint if e.tag == "state_interface"]
        assert interfaces == ["position", "velocity", "effort"]
        assert [e.get("name") for e in joint.findall("command_interface")] == ["position"]
        index = hand.joint_names.index(str(joint.get("name")))
        begin = float(joint.findtext("state_interface/param") or "nan")
        assert hand.joint_lower[index] <= begin <= hand.joint_upper[index]


def test_a_topic_based_system_has_the_topics_of_our_own() -> None:
    path = str(resource_path("urdf", "leap_right.urdf.xacro"))
    robot = xacro.process_file(path, mappings={"ros2_control_hardware_type": "topic_based"})
    hardware = ElementTree.fromstring(robot.toxml()).find("ros2_control/hardware")
    assert hardware is not None
    assert "JointStateTopicSystem" in str(hardware.findtext("plugin"))
    topics = {param.get("name"): param.text for param in hardware.findall("param")}
    assert topics == {
        "joint_commands_topic": "/robot_joint_commands",
        "joint_states_topic": "/robot_joint_states",
    }


def test_an_unknown_type_is_an_error() -> None:
    path = str(resource_path("urdf", "leap_right.urdf.xacro"))
    with pytest.raises(xacro.XacroException, match="paw"):
        xacro.process_file(path, mappings={"ros2_control_hardware_type": "paw"})
