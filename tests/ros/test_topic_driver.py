"""A hand behind another program's topics: the vendors' nodes and ros2_control, each as a fake."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

import rclpy
from dexgrasp_nodes import topic_driver
from dexgrasp_nodes.topic_driver import TopicDriver, topic_robot
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from dexgrasp.errors import ConfigError
from dexgrasp.hands import HandModel
from dexgrasp.hardware import BusError, HandError
from dexgrasp.hardware.topics import TopicConfig
from dexgrasp.simulation import SimulationConfig
from dexgrasp.types import Command

pytestmark = pytest.mark.ros
DOMAIN_ID = 173
ALLEGRO, LEAP = HandModel.load("allegro_right"), HandModel.load("leap_right")


class OtherNode(Node):
    """Drives a hand at once to where it is told, and says so at 100 Hz, both in its own order."""

    def __init__(self, context: rclpy.Context, hand: HandModel, config: TopicConfig) -> None:
        super().__init__("other", context=context)
        self.names = list(hand.joint_names) if config.order is None else []
        self.position = self.start = hand.postures["open"].tolist()
        if config.order is not None:
            self.position = self.start = hand.to_order(hand.postures["open"], config.order).tolist()
        self.silent, self.words = False, []
        self._states = self.create_publisher(JointState, config.states, qos_profile_sensor_data)
        self.create_subscription(JointState, config.commands, self._on_command, 1)
        if config.off:
            self.create_subscription(String, config.off.topic, self._on_word, 1)
        self.create_timer(0.01, self._tell)

    def _on_command(self, message: JointState) -> None:
        assert list(message.name) == self.names
        self.position = list(message.position)

    def _on_word(self, message: String) -> None:
        self.words.append(message.data)

    def _tell(self) -> None:
        if not self.silent:
            rates = [0.1] * 16
            self._states.publish(
                JointState(name=self.names, position=self.position, velocity=rates, effort=rates)
            )


class Rig:
    """Another program's node, and ours."""

    def __init__(self, hand: HandModel, name: str) -> None:
        self.hand, self.config = hand, TopicConfig.load(name)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=DOMAIN_ID)
        self.other = OtherNode(self.context, hand, self.config)
        self.node = Node("ours", context=self.context)
        self._executor = MultiThreadedExecutor(2, context=self.context)
        self._executor.add_node(self.other)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join(5.0)
        for node in (self.node, self.other):
            node.destroy_node()
        self.context.shutdown()


@pytest.fixture
def make() -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def build(hand: HandModel, name: str) -> Rig:
        rigs.append(Rig(hand, name))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.close()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("hand", "name"), [(ALLEGRO, "allegro_node"), (LEAP, "ros2_control")], ids=["allegro", "leap"]
)
def test_targets_arrive_in_the_others_order_and_states_in_ours(make, hand, name) -> None:
    rig = make(hand, name)
    robot = topic_robot(rig.node, hand, SimulationConfig.load(), name)
    start = robot.backend.observe().joint_position[0]
    assert start == pytest.approx(hand.postures["open"])
    target = hand.clip(start + 0.03)
    command = Command(target[None], np.eye(4)[None])

    def there() -> bool:
        robot.backend.step(command, robot.period)
        return bool(np.allclose(robot.backend.observe().joint_position[0], target))

    until(there)
    assert robot.backend.observe().joint_effort[0] == pytest.approx(0.1)
    robot.backend.close()
    if rig.config.off:
        until(lambda: rig.other.words == ["off"])


def test_the_first_targets_are_soft(make) -> None:
    rig = make(ALLEGRO, "allegro_node")
    driver = TopicDriver(rig.node, ALLEGRO, rig.config)
    with pytest.raises(HandError, match="before the first full read"):
        driver.write(ALLEGRO.postures["power"])
    driver.connect()
    start = driver.read().position
    sent = driver.write(ALLEGRO.postures["power"])
    assert np.abs(sent - start).max() <= rig.config.soft_start_speed * driver.period + 1e-9


def test_a_node_that_is_silent_is_told_and_found_again(make) -> None:
    rig = make(LEAP, "ros2_control")
    robot = topic_robot(rig.node, LEAP, SimulationConfig.load(), "ros2_control")
    rig.other.silent = True
    until(lambda: robot.link.read() is None)
    assert "/robot_joint_states: is the hand's own node running" in robot.link.words
    rig.other.silent = False
    until(lambda: robot.link.read() is not None)
    robot.backend.close()


def test_nobody_there_fails_in_words(make, monkeypatch) -> None:
    rig = make(ALLEGRO, "allegro_node")
    rig.other.silent = True
    monkeypatch.setattr(topic_driver, "FIRST", 0.3)
    with pytest.raises(BusError, match="no states come from allegroHand/joint_states"):
        TopicDriver(rig.node, ALLEGRO, rig.config).connect()


def test_a_service_that_is_not_installed_is_named(make) -> None:
    rig = make(LEAP, "ros2_control")
    with pytest.raises(ConfigError, match="leap_hand/srv/LeapPosVelEff is not installed"):
        TopicDriver(rig.node, LEAP, TopicConfig.load("leap_node"))


def test_a_service_is_asked_for_states_once_at_a_time(make, monkeypatch) -> None:
    """The vendor's service type is not installed here: its client is a fake, the topic is not."""
    rig = make(LEAP, "ros2_control")
    asked: list[SimpleNamespace] = []
    removed: list[SimpleNamespace] = []

    class Client:
        def service_is_ready(self) -> bool:
            return True

        def call_async(self, _: object) -> SimpleNamespace:
            position = [np.pi + 0.1] * 16
            answer = SimpleNamespace(position=position, velocity=[0.2] * 16, effort=[100.0] * 16)
            answering = len(asked) != 1  # the second is lost
            asked.append(SimpleNamespace(done=lambda: answering, result=lambda: answer))
            return asked[-1]

        def remove_pending_request(self, future: SimpleNamespace) -> None:
            removed.append(future)

    package = ModuleType("leap_hand.srv")
    package.LeapPosVelEff = SimpleNamespace(Request=SimpleNamespace)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "leap_hand", ModuleType("leap_hand"))
    monkeypatch.setitem(sys.modules, "leap_hand.srv", package)
    monkeypatch.setattr(rig.node, "create_client", lambda *_, **__: Client())
    monkeypatch.setattr(topic_driver, "ANSWER", 0.1)
    driver = TopicDriver(rig.node, LEAP, TopicConfig.load("leap_node"))
    driver.connect()
    state = driver.read()
    assert removed == [asked[1]]
    assert state.position == pytest.approx(0.1)
    assert state.velocity == pytest.approx(0.2)
    # 100 of the node's units are 74.6 mA, with 0.517 Nm/A.
    assert state.effort == pytest.approx(0.0746 * 0.517, rel=0.01)
    with pytest.raises(HandError, match="cannot make the hand limp"):
        driver.relax()
