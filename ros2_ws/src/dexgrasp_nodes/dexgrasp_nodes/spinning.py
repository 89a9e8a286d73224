"""How the nodes of a process are spun: each by a thread and an executor of its own.

rclpy's executors that wait on sets build a set of every entity anew for each message. Kilted's
`EventsExecutor` is told by the middleware instead; Jazzy has none and keeps the wait sets. Both
run one callback at a time, so goals run in threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rclpy.action.server import ActionServer, CancelResponse, ServerGoalHandle
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.subscription import Subscription

from dexgrasp_nodes.streams import PolledGroup

try:
    from rclpy.experimental.events_executor import EventsExecutor
except ImportError:
    EventsExecutor = None

WAIT = 0.5  # [s] for an event; without a limit, Kilted's `spin` never rests
Execute = Callable[[ServerGoalHandle], Any]


class PolledNode(Node):
    """A node whose `Stream`s no executor touches."""

    @property
    def subscriptions(self) -> Iterator[Subscription]:
        """Those with a callback, as executors ask for them."""
        for subscription in super().subscriptions:
            if not isinstance(subscription.callback_group, PolledGroup):
                yield subscription


class GoalThread(threading.Thread):
    """Runs one goal."""


class GoalServer(ActionServer):
    """An action server whose goals run in threads of their own, and may be cancelled.

    execute: called with the goal, returns the result message; it may take its time.
    """

    def __init__(self, node: Node, kind: Any, name: str, execute: Execute) -> None:
        self._work = execute
        super().__init__(node, kind, name, execute, cancel_callback=lambda _: CancelResponse.ACCEPT)

    def notify_execute(self, goal_handle: ServerGoalHandle, execute_callback: Any = None) -> None:
        """See `ActionServer`: it is called when a goal was accepted."""
        GoalThread(target=self._run, args=(goal_handle,), daemon=True).start()

    def _run(self, goal: ServerGoalHandle) -> None:
        try:
            result = self._work(goal)
        except Exception as error:
            self._node.get_logger().error(f"a goal failed: {error}")
            result = self.action_type.Result()  # and the goal counts as aborted
        # What is left to do, the answer to whoever asks for the result, is the executor's.
        super().notify_execute(goal, lambda _: result)


class Spinner:
    """Spins nodes until `stop`, each in a thread of its own.

    on_error: is told what a callback raised; the node is spun on.
    """

    def __init__(self, nodes: Sequence[Node], on_error: Callable[[Node, Exception], None]) -> None:
        self._on_error = on_error
        self._executors: list[Executor] = []
        self._threads: list[threading.Thread] = []
        self._stopped = False
        for node in nodes:
            executor = make_executor(node)
            arguments = (executor, node)
            self._executors.append(executor)
            self._threads.append(threading.Thread(target=self._spin, args=arguments, daemon=True))
        for thread in self._threads:
            thread.start()

    def _spin(self, executor: Executor, node: Node) -> None:
        while not self._stopped and node.context.ok():
            try:
                executor.spin_once(WAIT)
            except ExternalShutdownException:
                return
            except Exception as error:
                self._on_error(node, error)

    def stop(self, timeout: float) -> None:
        """Spin no more; goals and callbacks under way are waited for, `timeout` [s] at most."""
        deadline = time.monotonic() + timeout
        _join([each for each in threading.enumerate() if isinstance(each, GoalThread)], deadline)
        self._stopped = True
        for executor in self._executors:
            executor.shutdown(0.0)
        _join(self._threads, deadline)


def _join(threads: Sequence[threading.Thread], deadline: float) -> None:
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def make_executor(node: Node) -> Executor:
    """The executor that costs least, with `node` added."""
    make = SingleThreadedExecutor if EventsExecutor is None else EventsExecutor
    executor = make(context=node.context)
    executor.add_node(node)
    return executor
