"""Subscriptions that are polled: the newest message when a loop wants it, no callback.

A callback per message costs an executor wake-up each; at 250 Hz and three topics that is
a good part of a core. Taking the message directly costs some 20 us.
"""

from __future__ import annotations

import time
from typing import Any, Generic, TypeVar

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile

Message = TypeVar("Message")


class PolledGroup(CallbackGroup):
    """Keeps its entities out of every executor's wait set."""

    def can_execute(self, entity: Any) -> bool:
        """Never."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Never begins."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing to do: nothing ever runs."""


class Stream(Generic[Message]):
    """A polled subscription; the depth of `qos` is how many messages wait between two polls.

    raw: messages are the serialized bytes. Not for several threads at once.
    """

    def __init__(
        self,
        node: Node,
        message_type: type[Message],
        topic: str,
        qos: QoSProfile | int = 1,
        raw: bool = False,
    ) -> None:
        self._subscription = node.create_subscription(
            message_type, topic, _ignore, qos, callback_group=PolledGroup(), raw=raw
        )
        self.newest: Message | None = None
        self.received = -float("inf")

    def take_all(self) -> list[Message]:
        """Messages that came since the last call, oldest first."""
        messages = [message for message, _ in self.take_stamped()]
        if messages:
            self.newest = messages[-1]
            self.received = time.monotonic()
        return messages

    def take_stamped(self) -> list[tuple[Message, int]]:
        """The same with the time of receipt in nanoseconds since 1970."""
        messages = []
        with self._subscription.handle:
            while True:
                taken = self._subscription.handle.take_message(
                    self._subscription.msg_type, self._subscription.raw
                )
                if taken is None:
                    return messages
                message, info = taken
                messages.append((message, info["received_timestamp"]))

    def poll(self) -> Message | None:
        """The newest message if one came since the last call, else None."""
        return self.newest if self.take_all() else None

    @property
    def age(self) -> float:
        """Wall-clock time since the last message was taken [s]; infinite before the first."""
        return time.monotonic() - self.received


def _ignore(_message: Any) -> None:
    """Never called: the group keeps executors away."""
