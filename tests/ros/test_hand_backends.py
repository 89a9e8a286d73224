"""Bridge and safety node over every kind of robot: the same graph, and faults of the hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

import rclpy
from dexgrasp_interfaces.msg import ErrorCode
from dexgrasp_nodes.bridge_node import BridgeNode
from dexgrasp_nodes.safety_node import SafetyNode
from dexgrasp_nodes.spinning import Spinner
from dexgrasp_nodes.world_node import WorldNode
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from dexgrasp.hands import HandModel
from dexgrasp.hardware import load_hardware, robots
from dexgrasp.hardware.emulation import EmulatedLeap, FreeJoints

pytestmark = pytest.mark.ros
DOMAIN_ID = 150
DOMAINS = cycle(range(DOMAIN_ID + 1, DOMAIN_ID + 20))
KINDS = ["mujoco", "mock_components", "emulated", "physical_device"]
SUCCESS = TransitionCallbackReturn.SUCCESS
HAND = HandModel.load("leap_right")
POWER = HAND.postures["power"]
OVERLOAD = 1 << 5
PATIENT = 1.0  # [s] for answers on a busy machine
STRIDE = 0.3  # [rad] from where the joints are to what is commanded
DISCOVERY = 3.0  # [s] without anything new


def no_fault(node: Node, error: Exception) -> None:
    raise error


class Rig:
    """Both nodes over one kind of robot, and a client."""

    def __init__(self, kind: str) -> None:
        # Nodes of a domain are known for a while after their end, those of this process, too.
        rclpy.init(domain_id=next(DOMAINS))
        self.safety = SafetyNode()
        self.world = WorldNode()
        self.bridge = BridgeNode(self.safety, self.world)
        for node in (self.safety, self.bridge):
            node.set_parameters([Parameter("hand", value=HAND.name)])
        self.bridge.set_parameters([Parameter("ros2_control_hardware_type", value=kind)])
        self.client = Node("client")
        self._joints = self.client.create_publisher(
            Float64MultiArray, "hand_controller/commands", 1
        )
        self._reset = self.client.create_client(Trigger, "safety/reset")
        nodes = (self.safety, self.bridge, self.world, self.client)
        self._spinner: Spinner | None = Spinner(nodes, no_fault)

    def start(self) -> None:
        for node in (self.safety, self.bridge):
            assert node.trigger_configure() == SUCCESS
            assert node.trigger_activate() == SUCCESS

    def close(self) -> None:
        if self._spinner is None:
            return
        self.bridge.halt()
        self._spinner.stop(10.0)
        self._spinner = None
        self.bridge.close()
        self.safety.close()
        for node in (self.client, self.bridge, self.world, self.safety):
            node.destroy_node()
        rclpy.shutdown()

    def until(self, condition: Callable[[], object], what: str, timeout: float = 60.0) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"{what} did not happen: {self.bridge.health()}"
            time.sleep(0.02)

    @property
    def position(self) -> np.ndarray:
        return self.bridge.world.backend.observe().joint_position[0]

    def reach(self, target: np.ndarray) -> None:
        """Command `target` until the joints are there."""

        def there() -> bool:
            way = target - self.position
            next_one = self.position + way.clip(-STRIDE, STRIDE)
            self._joints.publish(Float64MultiArray(data=next_one.tolist()))
            return bool((np.abs(way) < 0.08).all())

        self.until(there, "the motion")

    def reset(self) -> None:
        self.until(self._reset.service_is_ready, "safety/reset")
        future = self._reset.call_async(Trigger.Request())
        self.until(future.done, "the answer of safety/reset")

    def settled_graph(self, expected: set[tuple] | None) -> set[tuple]:
        """The graph once it is as expected, or else once it has stopped to grow."""
        graph, end = self.graph(), time.monotonic() + DISCOVERY
        while graph != expected and time.monotonic() < end:
            time.sleep(0.5)
            grown = self.graph()
            end = end if grown == graph else time.monotonic() + DISCOVERY
            graph = grown
        return graph

    def graph(self) -> set[tuple]:
        """Topics with direction, type and QoS, and services, of the bridge's process."""
        seen: set[tuple] = set()
        for node in (self.bridge, self.safety, self.world):
            name = node.get_name()
            for topic, _ in self.client.get_topic_names_and_types():
                for way, infos in (
                    ("gives", self.client.get_publishers_info_by_topic(topic)),
                    ("takes", self.client.get_subscriptions_info_by_topic(topic)),
                ):
                    seen |= {
                        (name, way, topic, i.topic_type, i.qos_profile.reliability,
                         i.qos_profile.durability)
                        for i in infos if i.node_name == name
                    }  # fmt: skip
            services = self.client.get_service_names_and_types_by_node(name, "/")
            seen |= {(name, "serves", service, *kinds) for service, kinds in services}
        return seen


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Rig]]:
    """Rigs; a physical device is an emulated hand at the end of a serial port."""
    config = load_hardware(HAND.name)
    emulator = EmulatedLeap(HAND, config, FreeJoints(HAND))
    plugged_in = config.model_copy(
        update={"port": emulator.port, "answer_timeout": PATIENT, "watchdog": 2.0}
    )
    real = plugged_in.model_copy(
        update={"link": config.link.model_copy(update={"patience": 2 * PATIENT})}
    )
    monkeypatch.setattr(robots, "load_hardware", lambda _: real)
    rigs: list[Rig] = []

    def build(kind: str) -> Rig:
        rigs.append(Rig(kind))
        rigs[-1].start()
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.close()
    emulator.close()


def test_the_graph_is_the_same_whatever_moves_the_hand(make) -> None:
    graphs = {}
    for kind in KINDS:
        rig = make(kind)
        graphs[kind] = rig.settled_graph(graphs.get(KINDS[0]))
        rig.close()
    topics = {entry[2] for entry in graphs["mujoco"]}
    assert {"/joint_states", "/camera/depth/image", "/hand_controller/commands"} <= topics
    for kind in KINDS[1:]:
        assert graphs[kind] == graphs["mujoco"], kind


@pytest.mark.parametrize("kind", ["mock_components", "emulated", "physical_device"])
def test_commands_reach_the_hand_through_the_safety_filter(make, kind) -> None:
    rig = make(kind)
    rig.reach(POWER)
    level, words, figures = rig.bridge.health()
    assert level in (b"\x00", b"\x01"), words  # a busy machine is slower than real time
    if kind != "mock_components":
        assert {"read_rate", "hottest_motor_c", "lowest_voltage_v"} <= set(figures)


def test_an_overload_stops_the_hand_until_it_is_reset(make) -> None:
    rig = make("emulated")
    rig.reach(POWER)
    motors = rig.bridge.world.backend.emulator.motors
    motors.fail(2, OVERLOAD)
    rig.until(lambda: rig.safety.e_stopped, "the emergency stop")
    level, words, _ = rig.bridge.health()
    assert level == b"\x02"
    assert "motor 2 (joint_2): overload" in words
    rig.reset()
    rig.until(lambda: not rig.safety.e_stopped and rig.bridge.robot.link.connected, "the recovery")
    rig.reach(HAND.postures["open"])


def test_a_hand_without_power_is_found_again(make) -> None:
    rig = make("emulated")
    rig.reach(POWER)
    emulator = rig.bridge.world.backend.emulator
    emulator.switch_power(False)
    rig.until(lambda: np.isnan(rig.position).all(), "the loss of the hand")
    assert rig.bridge.health()[0] == b"\x02"
    emulator.switch_power(True)
    rig.until(lambda: np.isfinite(rig.position).all(), "the return of the hand")
    rig.reach(HAND.postures["open"])


def test_a_hand_that_is_not_there_fails_in_words(make, monkeypatch) -> None:
    nowhere = load_hardware(HAND.name).model_copy(update={"port": "/dev/none"})
    monkeypatch.setattr(robots, "load_hardware", lambda _: nowhere)
    said: list[str] = []
    monkeypatch.setattr(
        BridgeNode, "get_logger", lambda _: SimpleNamespace(error=said.append, info=said.append)
    )
    with pytest.raises(AssertionError):
        make("physical_device")
    assert any("/dev/none cannot be opened" in words for words in said)


def test_a_pick_goes_through_driver_and_emulated_bus(launch_stack, tmp_path: Path) -> None:
    arguments = ["ros2_control_hardware_type:=emulated"]
    with launch_stack(DOMAIN_ID, HAND.name, tmp_path, arguments) as leap:
        result, _ = leap.pick_until_held("baseball")
        assert (result.error_code, result.error_msg) == (ErrorCode.OK, "")
