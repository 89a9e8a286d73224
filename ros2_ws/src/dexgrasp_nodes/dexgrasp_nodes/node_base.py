"""What all nodes share: lifecycle with readable faults, diagnostics, start and end."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import TypeVar

import rclpy
from dexgrasp_interfaces.msg import ErrorCode
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.action.server import ServerGoalHandle
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions

from dexgrasp.errors import DexgraspError
from dexgrasp_nodes.spinning import PolledNode, Spinner

Value = TypeVar("Value")
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
DIAGNOSTICS_PERIOD = 1.0  # [s]
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


class StackNode(PolledNode, LifecycleNode):
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
        log_fault(self, error)

    def _diagnose(self) -> None:
        level, words, figures = self.health()
        publish_status(self, self._diagnostics, level, words, figures)


def log_fault(node: Node, error: Exception) -> None:
    """Log what was caught, at most once a second."""
    words = str(error) if isinstance(error, DexgraspError) else traceback.format_exc()
    node.get_logger().error(f"{words} (error {error_code(error)})", throttle_duration_sec=1.0)


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


def run(make_node: Callable[[], Node], niceness: int = 0) -> None:
    """Spin a node until Ctrl-C or SIGTERM, then call its `halt` and `close` if it has them."""
    run_beside(lambda: [make_node()], niceness)


def run_beside(make_nodes: Callable[[], Sequence[Node]], niceness: int = 0) -> None:
    """The same for several nodes in one process, which end in their order."""
    os.nice(niceness)
    ended: SimpleQueue[None] = SimpleQueue()  # whose `put` a signal handler may call
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.put(None))
    # rclpy's own handlers would end the context while our loops still publish.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    nodes = make_nodes()
    spinner = Spinner(nodes, _report_raised)
    ended.get()
    for node in nodes:
        _call_if_there(node, "halt")
    # Callbacks must not meet a half-destroyed node; one that waits for others may never end.
    spinner.stop(END_PATIENCE)
    for node in nodes:
        _call_if_there(node, "close")
        node.destroy_node()
    rclpy.shutdown()


def _report_raised(node: Node, error: Exception) -> None:
    """What a callback raises comes out of spinning, such as an answer to a client that is gone."""
    words = "".join(traceback.format_exception(error))
    node.get_logger().error(words, throttle_duration_sec=1.0)


def _call_if_there(node: Node, method: str) -> None:
    action = getattr(node, method, None)
    if action is not None:
        action()
