"""A hand that another program drives: targets and states go over its topics.

So a lab can keep its driver: the vendors' own nodes, or whatever serves ros2_control's topic-based
systems.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from dexgrasp.errors import ConfigError
from dexgrasp.hands import HandModel
from dexgrasp.hardware import HandLink
from dexgrasp.hardware.driver import BusError, HandError, HandState, SoftStart, admitted
from dexgrasp.hardware.robots import PhysicalBackend, Robot
from dexgrasp.hardware.topics import Service, TopicConfig, TopicOrder
from dexgrasp.simulation import SimulationConfig
from dexgrasp.types import Array
from dexgrasp_nodes.streams import Stream

FIRST = 5.0  # [s] for the first state: discovery takes its time
LOOK = 0.001  # [s] between two looks
ANSWER = 1.0  # [s] until a service is asked again


class TopicDriver:
    """`HandDriver` over topics. What heats or breaks the motors is the other program's business."""

    def __init__(
        self,
        node: Node,
        hand: HandModel,
        config: TopicConfig,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises UnknownNameError for an order that the hand has not, ConfigError for a service."""
        self.hand, self.config = hand, config
        self.fault: HandError | None = None
        self.period = 1.0 / config.rate
        self._order, self._clock = TopicOrder(hand, config.order), clock
        self._start: SoftStart | None = None
        self._limp = False
        self._commands = node.create_publisher(JointState, config.commands, 1)
        self._off = node.create_publisher(String, config.off.topic, 1) if config.off else None
        self._source = _Answers(node, config.service) if config.service else _Topic(node, config)

    def connect(self) -> None:
        """See `HandDriver.connect`: nothing is sent, so the hand holds what it was told last."""
        self._start, self._limp = None, False
        self._take(FIRST)

    def read(self) -> HandState:
        """See `HandDriver.read`. Waits for a new state, two periods and `grace` at most."""
        state = self._take(2.0 * self.period + self.config.grace)
        if not (self._limp or (self._start and self._start.begun)):
            self._start = SoftStart(state.position, self.config.soft_start_speed * self.period)
        return state

    def _take(self, patience: float) -> HandState:
        end = time.monotonic() + patience
        while (message := self._source.newest()) is None:
            if time.monotonic() > end:
                raise BusError(
                    f"no states come from {self._source.name}: is the hand's own node running, and "
                    "in this domain and namespace?"
                )
            time.sleep(LOOK)
        names = getattr(message, "name", ())
        unknown = np.full(self.hand.joint_count, np.nan)
        return HandState(
            self._clock(),
            self._order.read(names, message.position),
            self._order.read_rates(names, message.velocity),
            self._order.read_rates(names, message.effort) * self.config.effort_scale,
            unknown,
            unknown,
            unknown,
        )

    def write(self, target: Array) -> Array:
        """See `HandDriver.write`."""
        wanted = admitted(self.hand, target, self._start, self.fault)
        message = JointState(name=self._order.names, position=self._order.written(wanted))
        self._commands.publish(message)
        return wanted

    def relax(self) -> None:
        """See `HandDriver.relax`. Raises HandError where the other program has no word for it."""
        if self._off is None or self.config.off is None:
            raise HandError(f"the node behind {self.config.commands} cannot make the hand limp")
        self._limp, self._start = True, None
        self._off.publish(String(data=self.config.off.word))

    def clear_fault(self) -> None:
        """See `HandDriver.clear_fault`: faults are not told over topics."""

    def disconnect(self) -> None:
        """See `HandDriver.disconnect`. Without a word for limp the hand holds."""
        self._start = None
        if self._off is not None and self.config.off is not None:
            self._off.publish(String(data=self.config.off.word))

    def abandon(self) -> None:
        """See `HandDriver.abandon`: the other program holds."""
        self._start = None


class _Topic:
    """States that are published."""

    def __init__(self, node: Node, config: TopicConfig) -> None:
        self.name = str(config.states)
        self._stream = Stream(node, JointState, self.name, qos_profile_sensor_data)

    def newest(self) -> JointState | None:
        """The newest since the last look."""
        return self._stream.poll()


class _Answers:
    """States that a service tells: one request is on its way at any time."""

    def __init__(self, node: Node, service: Service) -> None:
        self.name = service.name
        package, _, name = service.type.split("/")
        try:
            kind = getattr(importlib.import_module(f"{package}.srv"), name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"{service.type} is not installed ({error}): source the workspace of the hand's "
                "own node as well"
            ) from error
        self._request = kind.Request
        self._client = node.create_client(kind, service.name)
        self._asked: Any = None
        self._asked_at = -np.inf

    def newest(self) -> Any:
        """The answer to the last request, if it has come; then the next is sent."""
        if self._asked is None:
            if self._client.service_is_ready():
                self._asked = self._client.call_async(self._request())
                self._asked_at = time.monotonic()
            return None
        if self._asked.done():
            answer, self._asked = self._asked.result(), None
            return answer
        if time.monotonic() - self._asked_at > ANSWER:  # the server died with the request
            self._client.remove_pending_request(self._asked)
            self._asked = None
        return None


def topic_robot(node: Node, hand: HandModel, config: SimulationConfig, topics: str) -> Robot:
    """The hand behind `config/topics/<topics>.yaml`. Raises what `TopicDriver` and its link do."""
    settings = TopicConfig.load(topics)
    link = HandLink(TopicDriver(node, hand, settings), settings.link)
    return Robot(PhysicalBackend(hand, config, link), link.driver.period, False, link)
