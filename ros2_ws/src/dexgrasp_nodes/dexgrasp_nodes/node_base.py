"""What all nodes share: lifecycle with readable faults, diagnostics, start and end."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import rclpy
from dexgrasp_interfaces.msg import ErrorCode
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.action.server import ServerGoalHandle
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import Executor, MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions

from dexgrasp.errors import DexgraspError

Value = TypeVar("Value")
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
DIAGNOSTICS_PERIOD = 1.0  # [s]
SIGNAL_LATENCY = 0.1  # [s] from a signal to the end, at most
END_PATIENCE = 2.0  # [s] for callbacks under way to end
# Niceness, so that control and physics come first and whoever waits for grasps comes next.
WORKER, BACKGROUND = 5, 10


class NotActiveError(DexgraspError):
    """A request to a node that is not active."""

    code = ErrorCode.NOT_ACTIVE


def present(value: Value | None, what: str) -> Value:
    """`value`. Raises NotActiveError that names `what` is missing when it is None."""
    if value is None:
        raise NotActiveError(f"there is no {what} yet")
    return value


def send_feedback(goal: ServerGoalHandle, feedback: object) -> None:
    """Publish an action's feedback."""
    goal.publish_feedback(feedback)  # pyright: ignore[reportArgumentType]  # rclpy's hint is wrong


def error_code(error: Exception) -> int:
    """The `ErrorCode` of an exception."""
    return error.code if isinstance(error, DexgraspError) else ErrorCode.OTHER


class StackNode(LifecycleNode):
    """A lifecycle node whose faults are words and codes and never the end of the process.

    Subclasses override `setup`, `start`, `stop` and `teardown`; what they raise makes the
    transition fail. `active` is true between `start` and `stop`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.active = False
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Wall time: a paused or dead simulation is the very case that must be reported.
        self.create_timer(
            DIAGNOSTICS_PERIOD, self._diagnose, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def setup(self) -> None:
        """Read parameters and load what the node needs."""

    def start(self) -> None:
        """Begin to work."""

    def stop(self) -> None:
        """Stop working; keep what was loaded."""

    def teardown(self) -> None:
        """Release what `setup` loaded."""

    def health(self) -> tuple[bytes, str, Mapping[str, object]]:
        """Level of `DiagnosticStatus`, words and figures."""
        return DiagnosticStatus.OK, "active" if self.active else "inactive", {}

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle callback."""
        return self._attempt("configure", self.setup)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle callback."""
        result = self._attempt("activate", self.start)
        self.active = result == TransitionCallbackReturn.SUCCESS
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle callback."""
        self.active = False
        return self._attempt("deactivate", self.stop)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle callback."""
        return self._attempt("clean up", self.teardown)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle callback."""
        return self._attempt("shut down", self.close)

    def halt(self) -> None:
        """Stop working, whatever the state: goals under way end."""
        if self.active:
            self.active = False
            self.stop()

    def close(self) -> None:
        """Stop and release everything, whatever the state."""
        self.halt()
        self.teardown()

    def _attempt(self, what: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            action()
        except DexgraspError as error:
            self.get_logger().error(f"cannot {what}: {error} (error {error.code})")
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self.get_logger().error(f"cannot {what}: {error}\n{traceback.format_exc()}")
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _LifecycleNodeMixin__on_change_state(self, request, response):
        # In Jazzy an illegal transition raises out of spin and kills the process.
        parent = super()._LifecycleNodeMixin__on_change_state  # type: ignore[misc]
        try:
            return parent(request, response)
        except Exception as error:
            self.get_logger().error(f"illegal lifecycle transition: {error}")
            response.success = False
            return response

    def report_fault(self, error: Exception) -> None:
        """Log what went wrong in a loop or callback, at most once a second."""
        words = str(error) if isinstance(error, DexgraspError) else traceback.format_exc()
        self.get_logger().error(f"{words} (error {error_code(error)})", throttle_duration_sec=1.0)

    def _diagnose(self) -> None:
        level, words, figures = self.health()
        publish_status(self, self._diagnostics, level, words, figures)


def publish_status(
    node: Node, publisher, level: bytes, words: str, figures: Mapping[str, object]
) -> None:
    """Publish one `DiagnosticStatus` of this node."""
    message = DiagnosticArray()
    message.header.stamp = node.get_clock().now().to_msg()
    values = [
        KeyValue(key=key, value=f"{value:.3f}" if isinstance(value, float) else str(value))
        for key, value in figures.items()
    ]
    name = node.get_fully_qualified_name()
    message.status = [DiagnosticStatus(level=level, name=name, message=words, values=values)]
    publisher.publish(message)


def shut_down(executor: Executor) -> None:
    """End the callbacks, then what they use: rclpy's own order lets them meet freed handles."""
    pool = getattr(executor, "_executor", None)  # only a MultiThreadedExecutor has one
    if pool is not None:
        pool.shutdown(wait=True)
    executor.shutdown()


def run(make_node: Callable[[], Node], threads: int = 1, niceness: int = 0) -> None:
    """Spin a node until Ctrl-C or SIGTERM, then call its `halt` and `close` if it has them.

    threads: more than one for nodes whose callbacks wait for others.
    """
    run_beside(lambda: [make_node()], threads, niceness)


def run_beside(
    make_nodes: Callable[[], Sequence[Node]], threads: int = 1, niceness: int = 0
) -> None:
    """The same for several nodes in one process, which end in their order."""
    os.nice(niceness)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    # rclpy's own handlers would end the context while our loops still publish.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    nodes = make_nodes()
    executor = MultiThreadedExecutor(threads) if threads > 1 else SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    while not ended.is_set():
        try:
            executor.spin_once(timeout_sec=SIGNAL_LATENCY)
        except Exception:
            # What a callback raises comes out here, such as an answer to a client that is gone.
            nodes[0].get_logger().error(traceback.format_exc(), throttle_duration_sec=1.0)
    for node in nodes:
        _call_if_there(node, "halt")
    # Callbacks must not meet a half-destroyed node; one that waits for others may never end.
    ending = threading.Thread(target=shut_down, args=(executor,), daemon=True)
    ending.start()
    ending.join(END_PATIENCE)
    for node in nodes:
        _call_if_there(node, "close")
        node.destroy_node()
    rclpy.shutdown()


def _call_if_there(node: Node, method: str) -> None:
    action = getattr(node, method, None)
    if action is not None:
        action()
