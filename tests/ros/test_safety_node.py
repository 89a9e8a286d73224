"""Bridge and safety node in one process, driven by a client over DDS; no other node runs.

Times are of the simulation.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

import rclpy
from dexgrasp_interfaces.msg import ErrorCode, SafetyState
from dexgrasp_nodes import conversions as c
from dexgrasp_nodes.bridge_node import BridgeNode
from dexgrasp_nodes.safety_node import SafetyNode
from dexgrasp_nodes.spinning import Spinner
from dexgrasp_nodes.trial import Trial
from dexgrasp_nodes.world_node import WorldNode
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from std_msgs.msg import Bool, Empty, Float64MultiArray
from std_srvs.srv import Trigger

from dexgrasp.errors import SafetyError, UnknownNameError
from dexgrasp.hands import HandModel

pytestmark = pytest.mark.ros
DOMAIN_ID = 77
SUCCESS = TransitionCallbackReturn.SUCCESS
STILL = 0.02  # [rad]


def no_fault(node: Node, error: Exception) -> None:
    raise error


class Rig:
    """Both nodes, active, and a client that commands."""

    def __init__(self) -> None:
        rclpy.init(domain_id=DOMAIN_ID)
        self.safety = SafetyNode()
        self._world = WorldNode()
        self.bridge = BridgeNode(self.safety, self._world)
        node = Node("client")
        self.states: list[SafetyState] = []
        node.create_subscription(SafetyState, "safety/state", self.states.append, 50)
        self._joints = node.create_publisher(Float64MultiArray, "hand_controller/commands", 1)
        self._palm = node.create_publisher(PoseStamped, "wrist_controller/target_pose", 1)
        self._stop = node.create_publisher(Bool, "safety/e_stop", 1)
        self._beat = node.create_publisher(Empty, "safety/heartbeat", 1)
        self._spinner = Spinner((self.safety, self.bridge, self._world, node), no_fault)
        assert self.bridge.trigger_configure() == SUCCESS
        # Nothing moves before the limits are there.
        assert self.bridge.trigger_activate() != SUCCESS
        assert self.safety.trigger_configure() == SUCCESS
        assert self.safety.trigger_activate() == SUCCESS
        assert self.bridge.trigger_activate() == SUCCESS
        self.until(lambda: self.states, "a state of the safety node")

    def close(self) -> None:
        """End both nodes."""
        self.bridge.halt()
        self._spinner.stop(10.0)
        self.bridge.close()
        self.safety.close()
        rclpy.shutdown()

    @property
    def state(self) -> SafetyState:
        """The newest."""
        return self.states[-1]

    @property
    def sent(self) -> np.ndarray:
        """(J,) [rad] what the hand was sent last."""
        return self.bridge.controller.output.copy()

    def count(self, name: str) -> int:
        """Control steps with an intervention."""
        return self.state.counts[self.state.interventions.index(name)]

    def command(self, joints: np.ndarray) -> None:
        """Stream one command of (J,) [rad]."""
        self._joints.publish(Float64MultiArray(data=joints.tolist()))

    def command_palm(self, x: float) -> None:
        """Stream one target of the palm."""
        message = PoseStamped(header=c.header(0.0))
        message.pose.position.x = x
        self._palm.publish(message)

    def command_here(self, age: float) -> None:
        """Stream where the palm is as its target, made of a state so old [s]."""
        seen = self.bridge.world.backend.observe()
        stamp = self.bridge.world.now - age
        pose = c.pose_to_msg(seen.T_world_palm[0])
        self._palm.publish(PoseStamped(header=c.header(stamp), pose=pose))

    def stop(self, on: bool = True) -> None:
        """Send a message to the emergency stop."""
        self._stop.publish(Bool(data=on))

    def beat(self) -> None:
        """Send a heartbeat."""
        self._beat.publish(Empty())

    def reset(self) -> None:
        """Release the emergency stop."""
        assert self.safety._on_reset(Trigger.Request(), Trigger.Response()).success
        self.until(lambda: not self.state.e_stopped, "the release")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + 120.0
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.01)

    def wait(self, seconds: float) -> None:
        """Let time go by [s]."""
        end = self.bridge.world.now + seconds
        self.until(lambda: self.bridge.world.now > end, "the time")


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


@pytest.fixture
def hand(rig: Rig) -> Rig:
    """At home, with a command in force that has just come."""
    rig.bridge.world.reset(remove_objects=True)
    rig.wait(0.2)
    return rig


def moved(hand: Rig, by: float) -> np.ndarray:
    """The targets in force with one joint moved [rad]."""
    target = hand.sent
    target[1] += by
    return target


def test_a_hand_that_nobody_commands_keeps_its_targets(hand: Rig) -> None:
    before = hand.sent
    hand.wait(0.3)
    np.testing.assert_array_equal(hand.sent, before)
    assert not hand.state.refused
    assert hand.state.command_age < 0.05


def test_silence_holds_a_heartbeat_revives_and_long_silence_relaxes(hand: Rig) -> None:
    target = moved(hand, 0.2)
    hand.command(target)
    hand.until(lambda: np.abs(hand.sent - target).max() < 1e-6, "the motion")
    hand.until(lambda: "STALE_COMMAND" in hand.state.refused, "the hold")
    hand.beat()
    hand.until(lambda: not hand.state.refused, "the heartbeat")
    before = hand.count("RELAXED")
    hand.until(lambda: hand.count("RELAXED") > before, "the relaxation")
    hand.beat()
    hand.wait(0.1)
    assert "STALE_COMMAND" in hand.state.refused


def test_a_refused_jump_does_not_come_true_later(hand: Rig) -> None:
    before = hand.sent
    hand.command(before + 1.0)
    hand.until(lambda: "JUMP" in hand.state.refused, "the refusal")
    hand.wait(0.1)
    assert np.abs(hand.sent - before).max() < STILL
    assert np.abs(hand.bridge.controller.target - before).max() < STILL


def test_what_is_no_number_never_reaches_the_limits(hand: Rig) -> None:
    before, refused = hand.sent, hand.bridge.controller.refused
    hand.command(np.full(len(before), math.nan))
    hand.command_palm(math.nan)
    hand.until(lambda: hand.bridge.controller.refused == refused + 2, "both refusals")
    np.testing.assert_array_equal(hand.sent, before)


def test_an_emergency_stop_outlasts_commands_messages_and_a_reset_of_the_world(hand: Rig) -> None:
    hand.stop()
    hand.until(lambda: hand.state.e_stopped, "the stop")
    before = hand.sent
    hand.stop(on=False)
    hand.command(moved(hand, 0.1))
    hand.wait(0.2)
    np.testing.assert_array_equal(hand.sent, before)
    assert ("E_STOP" in hand.state.refused, "reset" in hand.state.words) == (True, True)
    assert hand.safety.health()[0] == DiagnosticStatus.ERROR
    hand.bridge.world.reset(remove_objects=True)
    hand.wait(0.2)
    assert hand.state.e_stopped
    hand.reset()
    released = hand.sent
    hand.wait(0.2)
    assert np.abs(hand.sent - released).max() < STILL
    hand.command(moved(hand, 0.1))
    hand.wait(0.05)
    assert np.abs(hand.sent - released).max() > 0.08


def test_a_command_made_of_an_old_state_is_flagged_and_of_a_very_old_one_refused(
    hand: Rig,
) -> None:
    before = hand.count("STALE_STATE"), hand.count("INVALID_STATE")
    hand.command_here(age=0.0)
    hand.wait(0.3)
    assert (hand.count("STALE_STATE"), hand.count("INVALID_STATE")) == before
    hand.wait(0.5)  # a stamp is never negative
    hand.command_here(age=0.5)
    hand.until(lambda: "INVALID_STATE" in hand.state.refused, "the refusal")
    assert hand.state.observation_age == pytest.approx(0.5, abs=0.2)
    assert hand.count("STALE_STATE") > before[0]
    hand.command_here(age=0.0)
    hand.until(lambda: "INVALID_STATE" not in hand.state.refused, "the next command")
    hand.command(hand.sent)
    hand.until(lambda: hand.state.observation_age == 0.0, "a command that tells no age")


def test_a_jammed_joint_stands_still_until_it_is_freed(hand: Rig) -> None:
    world, name = hand.bridge.world, HandModel.load("allegro_right").joint_names[1]
    with pytest.raises(UnknownNameError, match="elbow"):
        world.jam(["elbow"])

    def follows() -> bool:
        target = moved(hand, 0.1)
        for _ in range(5):
            hand.command(target)
            hand.wait(0.05)
        at = world.backend.observe().joint_position[0, 1]
        return bool(abs(at - target[1]) < 0.05)

    world.jam([name])
    assert not follows()
    world.jam([])
    assert follows()


def test_an_inactive_safety_node_is_deaf(hand: Rig) -> None:
    before = hand.sent
    assert hand.safety.trigger_deactivate() == SUCCESS
    hand.command(moved(hand, 0.1))
    hand.wait(0.2)
    assert np.abs(hand.sent - before).max() < STILL
    assert "inactive" in hand.safety.health()[1]
    assert hand.safety.trigger_activate() == SUCCESS
    hand.command(moved(hand, 0.1))
    hand.wait(0.1)
    assert np.abs(hand.sent - before).max() > 0.05


def test_a_goal_judges_what_is_refused() -> None:
    trial = Trial(1, None, None, None, None)  # type: ignore[arg-type]  # of no grasp

    def judge(now: float, since: float, *refused: str, stop: bool = False) -> int:
        state = SafetyState(header=c.header(since), refused=list(refused), e_stopped=stop)
        try:
            trial.check_safety(state, now)
        except SafetyError as error:
            return error.code
        return ErrorCode.OK

    assert judge(1.05, 1.0, "JUMP") == ErrorCode.OK
    assert judge(1.2, 1.1, "JUMP") == ErrorCode.SAFETY
    assert judge(1.3, 1.3, "TABLE") == ErrorCode.OK
    assert judge(1.35, 1.35, "JUMP") == ErrorCode.OK
    assert judge(1.4, 1.4, stop=True) == ErrorCode.ESTOPPED
