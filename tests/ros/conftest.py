"""A running stack, launched from the shipped file, and a client to talk to it over DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

from dexgrasp_interfaces.action import PickObject  # noqa: E402
from dexgrasp_interfaces.msg import ErrorCode, TrialReport  # noqa: E402
from dexgrasp_interfaces.srv import SpawnObject  # noqa: E402
from dexgrasp_nodes.remote_action import GoalClient  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

IS_ACTIVE = "/lifecycle_manager/is_active"
LAUNCH = "from dexgrasp.cli import main; main()"
STARTUP = 15.0  # [s]; a machine that takes longer gets as much more time for everything else
LONGEST_STARTUP = 600.0  # [s]
ANSWER = 120.0  # [s]
ASK_AGAIN = 15.0  # [s]
TEST_TIMEOUT = 3600.0  # [s]; the limits here scale with the machine, pytest's own must not be first

Value = TypeVar("Value")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave it to the limits below to end a test that waits for a stack."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT))


class Stack:
    """Client of a stack in another process, in the stack's own domain.

    Entities are made and destroyed in the thread that spins: rclpy's executor dies of one that
    another thread destroys between the two looks it takes at what it is going to wait for.
    """

    def __init__(self, domain_id: int, hand: str) -> None:
        self.domain_id = domain_id
        self.hand = hand
        self.slowness = 1.0
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node = Node("test_client", context=self.context)
        self.reports: list[TrialReport] = []
        self.node.create_subscription(TrialReport, "/trial_reports", self.reports.append, 50)
        self._clients: dict[str, Any] = {}
        self._closed = threading.Event()
        self._fault: Exception | None = None
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            while not self._closed.is_set():
                self._executor.spin_once(timeout_sec=0.1)
        except Exception as error:
            self._fault = error
            raise

    def until(self, condition: Callable[[], Any], what: str, timeout: float = ANSWER) -> Any:
        """The first truthy value of `condition`; fails the test after `timeout` [s].

        timeout: of an ordinary machine; a slow one gets more.
        """
        timeout *= self.slowness
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            if self._fault is not None:
                raise RuntimeError("the test's client no longer spins") from self._fault
            time.sleep(0.02)
        return pytest.fail(f"{what} did not happen within {timeout:.0f} s")

    def do(self, action: Callable[[], Value]) -> Value:
        """What `action` returns or raises in the thread that spins."""
        done: Future[Value] = Future()

        def work() -> None:
            try:
                done.set_result(action())
            except Exception as error:
                done.set_exception(error)

        self._executor.create_task(work)
        self.until(done.done, "a turn of the client's thread")
        return done.result()

    @contextmanager
    def listening(
        self, kind: type, topic: str, callback: Callable[[Any], None], qos: Any = 10
    ) -> Iterator[None]:
        """Call `callback` with the messages of a topic while the block runs."""
        subscription = self.do(lambda: self.node.create_subscription(kind, topic, callback, qos))
        try:
            yield
        finally:
            self.do(lambda: self.node.destroy_subscription(subscription))

    def message(self, kind: type, topic: str, qos: Any = 10, timeout: float = 30.0) -> Any:
        """The next message of a topic."""
        received: list[Any] = []
        with self.listening(kind, topic, received.append, qos):
            return self.until(lambda: received and received[0], f"a message on {topic}", timeout)

    def _client(self, name: str, make: Callable[[], Any]) -> Any:
        """The client of a service or action, made at its first use."""
        if name not in self._clients:
            self._clients[name] = self.do(make)
        return self._clients[name]

    def call(self, kind: type, name: str, request: Any) -> Any:
        """The response of a service; asked again where a server that has died took the request."""
        client = self._client(name, lambda: self.node.create_client(kind, name))
        for _ in range(int(ANSWER / ASK_AGAIN)):
            self.until(client.service_is_ready, f"the service {name}", 30.0)
            future = client.call_async(request)
            deadline = time.monotonic() + ASK_AGAIN * self.slowness
            self.until(lambda f=future, d=deadline: f.done() or time.monotonic() > d, name)
            if future.done():
                return future.result()
            client.remove_pending_request(future)
        return pytest.fail(f"{name} did not answer within {ANSWER * self.slowness:.0f} s")

    def send(self, kind: type, name: str, goal: Any, feedback: Callable | None = None) -> Any:
        """The handle of an accepted goal."""
        client = self._client(name, lambda: GoalClient(self.node, kind, name))
        self.until(client.server_is_ready, f"the action {name}", 60.0)
        future = client.send_goal_async(goal, feedback)
        self.until(future.done, f"the answer of {name} to a goal")
        handle = future.result()
        assert handle.accepted
        return handle

    def result(self, handle: Any) -> Any:
        """The result of a goal, with its status."""
        future = handle.get_result_async()
        self.until(future.done, "the result of the goal")
        return future.result()

    def run(self, kind: type, name: str, goal: Any) -> Any:
        """Send a goal and return its result message."""
        return self.result(self.send(kind, name, goal)).result

    def spawn(self, name: str, seed: int = 0, replace: bool = True) -> SpawnObject.Response:
        """Put an object on the table at a random resting pose."""
        request = SpawnObject.Request(name=name, random_pose=True, seed=seed, replace=replace)
        return self.call(SpawnObject, "/simulation/spawn_object", request)

    def pick(self, **fields: Any) -> PickObject.Result:
        """A whole pick."""
        return self.run(PickObject, "/pick_object", PickObject.Goal(**fields))

    def watch(self, **fields: Any) -> WatchedPick:
        """A pick under way."""
        return WatchedPick(self, PickObject.Goal(**fields))

    def pick_until_held(
        self, name: str, attempts: int = 3
    ) -> tuple[PickObject.Result, TrialReport]:
        """The first of some picks that lifts `name` and holds it, with the evaluator's report.

        A judge slower than the trial reports once more: the report is the one with its scores.
        A pick succeeds in most cases and not in all (README); that it never does is a fault.
        """
        verdicts = []
        for seed in range(attempts):
            before = len(self.reports)
            assert self.spawn(name, seed).error_code == ErrorCode.OK
            result = self.pick(seed=seed)
            if result.stage != "execution":  # the evaluator has seen nothing
                verdicts.append((result.error_code, result.error_msg, result.stage))
                continue
            report = self.until(
                lambda start=before: [r for r in self.reports[start:] if r.finished],
                "a finished report",
                20.0,
            )[0]
            if result.error_code == ErrorCode.OK and report.success:
                judged = self.until(
                    lambda start=before: [
                        r for r in self.reports[start:] if r.finished and r.intention_judged
                    ],
                    "a report with the intention",
                    20.0,
                )[0]
                return result, judged
            verdicts.append((result.error_code, result.error_msg, report.phase))
        return pytest.fail(f"none of {attempts} picks of {name} held it: {verdicts}")

    def is_active(self) -> bool:
        """Whether every managed node is active."""
        return self.call(Trigger, IS_ACTIVE, Trigger.Request()).success

    def start(self, words: str) -> None:
        """Wait until every managed node is active; that shows how slow the machine is."""
        started = time.monotonic()
        client = self._client(IS_ACTIVE, lambda: self.node.create_client(Trigger, IS_ACTIVE))
        for condition in (client.service_is_ready, self.is_active):
            self.until(condition, f"the start of the stack ({words})", LONGEST_STARTUP)
        self.slowness = max(1.0, (time.monotonic() - started) / STARTUP)

    def process(self, node: str) -> int | None:
        """Process id of one of the stack's nodes."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            domain = f"ROS_DOMAIN_ID={self.domain_id}".encode()
            if f"/{node}_node\0".encode() in command and domain in environment.split(b"\0"):
                return int(folder.name)
        return None

    def kill(self, node: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill a node without warning, or send it another signal."""
        pid = self.process(node)
        assert pid is not None
        os.kill(pid, number)

    def close(self) -> None:
        """Leave the domain."""
        self._closed.set()
        self._thread.join(timeout=5.0)
        rclpy.shutdown(context=self.context)


class WatchedPick:
    """A pick whose stages, phases and attempts are watched."""

    def __init__(self, stack: Stack, goal: PickObject.Goal) -> None:
        self._stack = stack
        self.seen: list[str] = []
        self.handle = stack.send(PickObject, "/pick_object", goal, self._on_feedback)

    def _on_feedback(self, message: Any) -> None:
        feedback = message.feedback
        self.seen += [
            f"{feedback.attempt.number} {what}"
            for what in (feedback.stage, feedback.state.phase_name)
        ]

    def reach(self, what: str, attempt: int = 1) -> WatchedPick:
        """Wait for a stage or phase of an attempt."""
        wanted = f"{attempt} {what}"
        self._stack.until(lambda: wanted in self.seen, f"the stage {wanted}", 60.0)
        return self

    def result(self) -> PickObject.Result:
        """Its result."""
        return self._stack.result(self.handle).result


@contextmanager
def launched(
    domain_id: int, hand: str, folder: Path, arguments: Sequence[str] = ()
) -> Iterator[Stack]:
    """The stack of bringup.launch.xml, with more arguments, while the block runs."""
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain_id), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", LAUNCH, "launch", "bringup.launch.xml", f"hand:={hand}"]
    with (folder / "launch.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *arguments, "--logs", str(folder)], env=environment, stdout=log, stderr=log
        )
        stack = Stack(domain_id, hand)
        try:
            stack.start(log.name)
            yield stack
        finally:
            stack.close()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30.0 * stack.slowness) == 128 + signal.SIGINT


@pytest.fixture(scope="module")
def allegro(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[Stack]:
    """A stack with the Allegro in the domain that the module names DOMAIN_ID."""
    folder = tmp_path_factory.mktemp("stack")
    with launched(request.module.DOMAIN_ID, "allegro_right", folder) as stack:
        yield stack


@pytest.fixture
def launch_stack() -> Callable[..., AbstractContextManager[Stack]]:
    """`launched`, for a test that also looks at how its stack ends."""
    return launched
