"""Joint trajectories: sampled as sent, refused with the reason."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

from builtin_interfaces.msg import Duration
from dexgrasp_nodes.trajectory import UnknownJointsError, read_trajectory
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from dexgrasp.errors import ExecutionError
from dexgrasp.hands import HandModel

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def hand() -> HandModel:
    return HandModel.load("allegro_right")


def trajectory(hand: HandModel, *points: tuple[float, list[float]], **fields) -> JointTrajectory:
    names = list(hand.joint_names[:2])
    message = JointTrajectory(joint_names=names)
    for seconds, positions in points:
        when = Duration(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))
        message.points.append(JointTrajectoryPoint(time_from_start=when, positions=positions))
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def test_straight_lines_between_waypoints_and_other_joints_stay(hand: HandModel) -> None:
    start = hand.postures["open"]
    read = read_trajectory(trajectory(hand, (1.0, [0.1, 0.2]), (3.0, [0.3, 0.6])), start, hand)
    assert read.duration == 3.0
    np.testing.assert_allclose(read.sample(2.0)[:2], [0.2, 0.4])
    np.testing.assert_allclose(read.sample(0.0), start)
    np.testing.assert_allclose(read.sample(9.0)[:2], [0.3, 0.6])
    np.testing.assert_allclose(read.sample(2.0)[2:], start[2:])


def test_velocities_make_a_cubic(hand: HandModel) -> None:
    message = trajectory(hand, (1.0, [0.1, 0.2]), (2.0, [0.3, 0.4]))
    for point in message.points:
        point.velocities = [0.05, 0.0]
    read = read_trajectory(message, hand.postures["open"], hand)
    step = 1e-5
    speed = (read.sample(1.0 + step) - read.sample(1.0 - step)) / (2 * step)
    np.testing.assert_allclose(speed[:2], [0.05, 0.0], atol=1e-4)


def test_positions_stay_within_the_limits(hand: HandModel) -> None:
    read = read_trajectory(trajectory(hand, (1.0, [9.0, 9.0])), hand.postures["open"], hand)
    np.testing.assert_allclose(read.sample(1.0)[:2], hand.joint_upper[:2])


def test_unusable_trajectories_are_refused_with_the_reason(hand: HandModel) -> None:
    good = (1.0, [0.1, 0.2])
    cases = {
        "no points": trajectory(hand),
        "do not increase": trajectory(hand, good, good),
        "NaN": trajectory(hand, (1.0, [math.nan, 0.0])),
        "1 positions for 2 joints": trajectory(hand, (1.0, [0.1])),
    }
    for words, message in cases.items():
        with pytest.raises(ExecutionError, match=words):
            read_trajectory(message, hand.postures["open"], hand)
    for names in ([], ["elbow", "wrist"], [hand.joint_names[0]] * 2):
        with pytest.raises(UnknownJointsError, match="names joints"):
            read_trajectory(trajectory(hand, good, joint_names=names), hand.postures["open"], hand)
