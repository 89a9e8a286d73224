"""Brings the lifecycle nodes up in order, and up again when one of them was restarted.

A node that somebody deactivated stays so until `~/startup` is called.
"""

from __future__ import annotations

import threading
import time

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.node import Node
from std_srvs.srv import Trigger

from dexgrasp_nodes.loop import Loop
from dexgrasp_nodes.node_base import BACKGROUND, run

POLL = 0.01  # [s]
NEXT = {
    State.PRIMARY_STATE_UNCONFIGURED: Transition.TRANSITION_CONFIGURE,
    State.PRIMARY_STATE_INACTIVE: Transition.TRANSITION_ACTIVATE,
}
NAMES = {Transition.TRANSITION_CONFIGURE: "configure", Transition.TRANSITION_ACTIVATE: "activate"}


class LifecycleManagerNode(Node):
    """Parameters: `node_names`, `autostart`. Services `~/startup` and `~/is_active`."""

    def __init__(self) -> None:
        super().__init__("lifecycle_manager")
        self.declare_parameter("node_names", ["bridge"])
        self.declare_parameter("autostart", True)
        self.declare_parameter("period", 0.5)
        self.declare_parameter("answer_timeout", 2.0)
        self.declare_parameter("transition_timeout", 60.0)
        self._wanted = self.get_parameter("autostart").value
        self._active: dict[str, bool] = {}
        self._failed: set[str] = set()
        self._finished: set[str] = set()
        self._names: list[str] = list(self.get_parameter("node_names").value)
        self._states = {
            name: self.create_client(GetState, f"{name}/get_state") for name in self._names
        }
        self._changes = {
            name: self.create_client(ChangeState, f"{name}/change_state") for name in self._names
        }
        self.create_service(Trigger, "~/startup", self._on_startup)
        self.create_service(Trigger, "~/is_active", self._on_is_active)
        period = self.get_parameter("period").value
        self._halted = threading.Event()
        self._loop = Loop("manager", period, self._check, self._on_error)
        self._loop.start()

    def halt(self) -> None:
        """Stop looking at the nodes."""
        self._halted.set()
        self._loop.stop()

    def _on_error(self, error: Exception) -> None:
        self.get_logger().error(str(error), throttle_duration_sec=5.0)

    def _on_startup(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._wanted = True
        self._failed.clear()
        self._finished.clear()
        response.success = True
        return response

    def _on_is_active(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        missing = [name for name in self._names if not self._active.get(name)]
        response.success = not missing
        response.message = f"not active: {', '.join(missing)}" if missing else "all active"
        return response

    def _check(self) -> None:
        """Advance every node that is not active, in order; later ones wait for earlier ones."""
        if not self._wanted:
            return
        for name in self._names:
            was_active = self._active.get(name, False)
            self._active[name] = self._bring_up(name)
            if self._active[name] != was_active:
                words = "active" if self._active[name] else "no longer active"
                self.get_logger().info(f"{name} is {words}")
            if not self._active[name]:
                return

    def _bring_up(self, name: str) -> bool:
        """Whether a node is active after the transitions it needs.

        A transition that failed is not tried again until the node was gone for a while or
        `~/startup` is called: it would fail for the same reason.
        """
        for _ in range(len(NEXT) + 1):
            state = self._ask_state(name)
            if state is None:
                self._failed.discard(name)
            if state == State.PRIMARY_STATE_UNCONFIGURED:
                self._finished.discard(name)
            if state == State.PRIMARY_STATE_ACTIVE:
                self._finished.add(name)
                return True
            if state not in NEXT or name in self._failed | self._finished:
                return False
            if not self._change(name, NEXT[state]):
                return False
        return False

    def _ask_state(self, name: str) -> int | None:
        answer = self._call(
            self._states[name], GetState.Request(), self.get_parameter("answer_timeout").value
        )
        return None if answer is None else answer.current_state.id

    def _change(self, name: str, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        limit = self.get_parameter("transition_timeout").value
        answer = self._call(self._changes[name], request, limit)
        if answer is not None and answer.success:
            return True
        self._failed.add(name)
        self.get_logger().error(
            f"{name} did not {NAMES[transition]}: its log tells why; ~/startup tries again"
        )
        return False

    def _call(self, client: Client, request, timeout: float):
        """The answer, or None when there is none in time."""
        if not client.service_is_ready():
            return None
        future = client.call_async(request)
        deadline = time.monotonic() + timeout
        while not future.done():
            if time.monotonic() > deadline or self._halted.wait(POLL):
                client.remove_pending_request(future)
                return None
        return future.result()


def main() -> None:
    """Run the node."""
    run(LifecycleManagerNode, niceness=BACKGROUND)
