"""An action of another node that may die while it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from dexgrasp_interfaces.msg import ErrorCode
from rclpy.action.client import ActionClient
from rclpy.node import Node
from rclpy.task import Future

from dexgrasp.errors import DexgraspError

POLL = 0.01  # [s]
LOOK_PERIOD = 0.5  # [s] between two looks whether the server still is the same
CANCEL_WAIT = 20.0  # [s] for a cancelled goal to end; a held object is put down first


class RemoteError(DexgraspError):
    """A goal that came to nothing, with the code of why."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class GoalClient(ActionClient):
    """An action client that cannot lose the answer to a goal.

    Kilted's `send_goal_async` registers a future, lets go of its lock and then puts another
    future in the place of the first: an answer that comes in between reaches only the first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lock = threading.RLock()

    def send_goal_async(self, *args: Any, **kwargs: Any) -> Future:
        """See `ActionClient.send_goal_async`; no answer is taken before it returns."""
        with self._lock:
            return super().send_goal_async(*args, **kwargs)


class RemoteAction:
    """Client of an action whose silence has the error code `code`.

    A server that dies is known by its DDS endpoints: they vanish when its lease ends, even
    if a new process of the same name is up by then, which would never answer the old goal.
    Its slowness is measured by the node's clock: where the machine is slow, so is a simulation,
    and a paused one takes no time from anybody.
    """

    def __init__(self, node: Node, kind: Any, name: str, code: int) -> None:
        self._node = node
        self._name = name
        self._code = code
        self._client = GoalClient(node, kind, name)
        self._servers: set[tuple[int, ...]] = set()
        self._looked = 0.0

    def call(
        self,
        goal: Any,
        limit: float,
        check: Callable[[], None],
        on_feedback: Callable[[Any], None] | None = None,
        enough: Callable[[], bool] = lambda: False,
    ) -> Any:
        """The result message. `check` is called while waiting and raises to give up.

        `enough` is asked while waiting, too: once it is true, the goal is cancelled and the
        answer is None, without waiting for the goal's end.
        limit: [s]. Raises RemoteError when the server is absent, dies, refuses, is late or
        answers with an error; and what `check` raises, once the goal has been cancelled.
        """
        self._servers = self._find_servers()
        if not self._servers:
            raise RemoteError(self._code, f"nobody offers the action {self._name}")
        deadline = self._now() + limit
        sent = self._client.send_goal_async(goal, on_feedback)
        self._wait(sent.done, deadline)
        handle: Any = sent.result()
        if not handle.accepted:
            raise RemoteError(ErrorCode.NOT_ACTIVE, f"{self._name} refused the goal")
        answer = handle.get_result_async()
        try:
            self._wait(lambda: answer.done() or enough(), deadline, check)
        except DexgraspError:
            handle.cancel_goal_async()
            self._wait_for_end(answer)
            raise
        if not answer.done():
            handle.cancel_goal_async()
            return None
        result = answer.result().result
        if result.error_code:
            raise RemoteError(result.error_code, result.error_msg)
        return result

    def _wait(
        self,
        condition: Callable[[], bool],
        deadline: float,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        while not condition():
            check()
            self._check_server()
            if self._now() > deadline:
                raise RemoteError(self._code, f"{self._name} did not answer in time")
            time.sleep(POLL)

    def _wait_for_end(self, answer: Future) -> None:
        """Give a cancelled goal the time to end safely, unless its server is dead."""
        try:
            self._wait(answer.done, self._now() + CANCEL_WAIT)
        except RemoteError as error:
            self._node.get_logger().warning(f"after the cancellation: {error}")

    def _now(self) -> float:
        return 1e-9 * self._node.get_clock().now().nanoseconds

    def _check_server(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_PERIOD:
            return
        self._looked = now
        if not self._servers <= self._find_servers():
            raise RemoteError(self._code, f"the node that offers {self._name} died")

    def _find_servers(self) -> set[tuple[int, ...]]:
        publishers = self._node.get_publishers_info_by_topic(f"{self._name}/_action/status")
        return {tuple(publisher.endpoint_gid) for publisher in publishers}
