"""Picks one object after the other with the running stack and writes `results/<time>/`.

Exit code: 0 when at least 4 of 5 picks succeed, 1 when fewer do, 2 when the stack does not
answer, 130 after Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import rclpy
from dexgrasp_interfaces.action import PickObject
from dexgrasp_interfaces.msg import ErrorCode, TrialReport
from dexgrasp_interfaces.srv import SpawnObject
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from dexgrasp.errors import DexgraspError, UnknownNameError
from dexgrasp.evaluation.configuration import resolved_configuration
from dexgrasp.evaluation.pictures import TrialFilm
from dexgrasp.evaluation.report import new_results_folder
from dexgrasp.evaluation.report_table import TrialBoard, stack_lines, summary_lines
from dexgrasp.evaluation.results import TrialResult, summarise
from dexgrasp.evaluation.session import TrialSession
from dexgrasp.objects import object_names
from dexgrasp_nodes.conversions import picture_from_msg, seconds_from_stamp, trial_result
from dexgrasp_nodes.node_base import BACKGROUND, END_PATIENCE, LATCHED
from dexgrasp_nodes.node_parameters import read_parameters
from dexgrasp_nodes.remote_action import GoalClient
from dexgrasp_nodes.spinning import Spinner
from dexgrasp_nodes.stack_health import StackHealth

DEFAULT_OBJECTS = "tomato_soup_can,sugar_box,baseball,mustard_bottle,mug"
POLL_PERIOD = 0.1  # [s]
ANSWER_WAIT = 1.0  # [s] before the lifecycle manager is asked again
REPORT_WAIT = 20.0  # [s] for the evaluator after the action has answered; a busy machine is slow
EXECUTION = "execution"
# Answers that blame a node and not the grasp: the next trial would end in the same way.
BROKEN_STACK = (
    ErrorCode.BACKEND,
    ErrorCode.NOT_ACTIVE,
    ErrorCode.STATE_LOST,
    ErrorCode.PERCEPTION_TIMEOUT,
    ErrorCode.SYNTHESIS_TIMEOUT,
    ErrorCode.EXECUTION_TIMEOUT,
    ErrorCode.ESTOPPED,
)


class DemoError(Exception):
    """What ends the demo before its last trial, in words for the user."""


class DemoNode(Node):
    """Client of the stack: spawns, picks, and keeps the reports and frames of the trial."""

    def __init__(self) -> None:
        super().__init__("demo")
        self.hand: str = self.declare_parameter("hand", "allegro_right").value
        self.seed: int = self.declare_parameter("seed", 0).value
        objects: str = self.declare_parameter("objects", DEFAULT_OBJECTS).value
        self.objects = [name.strip() for name in objects.split(",") if name.strip()]
        self.results = Path(self.declare_parameter("results", "results").value)
        self.startup_timeout: float = self.declare_parameter("startup_timeout", 90.0).value
        self.trial_timeout: float = self.declare_parameter("trial_timeout", 300.0).value
        self.stage = ""
        self.phase = ""
        self.trial = 0
        self.fault: Exception | None = None
        self.film = TrialFilm()
        self.health = StackHealth()
        self.reports: dict[int, TrialReport] = {}
        self._spawn = self.create_client(SpawnObject, "simulation/spawn_object")
        self._is_active = self.create_client(Trigger, "lifecycle_manager/is_active")
        self._folder = self.create_publisher(String, "results_folder", LATCHED)
        self._pick = GoalClient(self, PickObject, "pick_object")
        self.create_subscription(TrialReport, "trial_reports", self._on_report, 10)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self.photo_topic: str = self.declare_parameter("photo_topic", "overview/image").value
        self.create_subscription(Image, self.photo_topic, self._on_image, qos_profile_sensor_data)

    def _on_report(self, message: TrialReport) -> None:
        if message.finished:
            self.reports[message.trial] = message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        if self.stage:  # only while the whole stack is at work
            self.health.add(message)

    def _on_image(self, message: Image) -> None:
        if self.stage == EXECUTION and self.trial:
            stamp = seconds_from_stamp(message.header.stamp)
            self.film.add(picture_from_msg(message), stamp, self.phase)

    def _on_feedback(self, message: Any) -> None:
        feedback = message.feedback
        self.stage = feedback.stage
        if self.stage != EXECUTION or feedback.state.phase_name:
            self.phase = feedback.state.phase_name or self.stage.upper()
        self.trial = feedback.state.trial

    def announce(self, folder: Path) -> None:
        """Tell recorder and evaluator where the results go."""
        self._folder.publish(String(data=str(folder.resolve())))

    def wait_for_stack(self) -> None:
        """Return when every node of the stack is active. Raises DemoError."""
        deadline = time.monotonic() + self.startup_timeout
        self._until(self._is_active.service_is_ready, deadline, "there is no lifecycle manager")
        while (answer := self._ask_whether_active()) is None or not answer.success:
            words = "the lifecycle manager does not answer" if answer is None else answer.message
            self._check_time(deadline, words)
            time.sleep(POLL_PERIOD)
        self._until(self._pick.server_is_ready, deadline, "pick_object is not offered")

    def _ask_whether_active(self) -> Trigger.Response | None:
        """None without an answer: a service met a moment ago may lose its first one."""
        future = self._is_active.call_async(Trigger.Request())
        deadline = time.monotonic() + ANSWER_WAIT
        while not future.done() and time.monotonic() < deadline:
            time.sleep(POLL_PERIOD)
        if future.done():
            return future.result()
        self._is_active.remove_pending_request(future)
        return None

    def spawn(self, name: str) -> None:
        """Put `name` on the table, alone. Raises DemoError when the simulation refuses."""
        path = Path(name)
        name = str(path.resolve()) if path.is_file() else name
        request = SpawnObject.Request(name=name, random_pose=True, seed=self.seed, replace=True)
        response = self._await(
            self._spawn.call_async(request), f"the simulation did not spawn {name}"
        )
        if response.error_code:
            raise DemoError(f"cannot spawn {name}: {response.error_msg}")

    def pick(
        self, on_progress: Callable[[str], None]
    ) -> tuple[PickObject.Result, TrialReport | None]:
        """Pick what is on the table; the evaluator's report is that of the last attempt.

        It is None when nothing was executed then.

        on_progress: called with the phase while the trial runs. Raises DemoError.
        """
        self.film, self.stage, self.phase, self.trial = TrialFilm(), "", "", 0
        goal = PickObject.Goal(seed=self.seed)
        handle = self._await(
            self._pick.send_goal_async(goal, self._on_feedback), "no answer to the pick goal"
        )
        if not handle.accepted:
            raise DemoError("the pick goal was rejected: is every node of the stack active?")
        silence = f"no result of the pick within {self.trial_timeout:.0f} s"
        result = self._await(handle.get_result_async(), silence, on_progress).result
        self.stage = ""
        if result.error_code in BROKEN_STACK:
            raise DemoError(f"{result.error_msg} (error {result.error_code}); see the nodes' logs")
        trial = result.attempts[-1].trial if result.attempts else 0
        return result, self._report(trial) if trial else None

    def _report(self, trial: int) -> TrialReport:
        deadline = time.monotonic() + REPORT_WAIT
        self._until(
            lambda: trial in self.reports,
            deadline,
            "the evaluator sent no report: is its node running?",
        )
        return self.reports[trial]

    def _await(
        self, future: Future, words: str, on_progress: Callable[[str], None] | None = None
    ) -> Any:
        """The future's result. Raises DemoError after `trial_timeout`."""
        deadline = time.monotonic() + self.trial_timeout
        self._until(future.done, deadline, words, on_progress)
        return future.result()

    def _until(
        self,
        condition: Callable[[], bool],
        deadline: float,
        words: str,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        """Wait for `condition`. Raises DemoError with `words` at the deadline."""
        while not condition():
            self._check_time(deadline, words)
            if on_progress is not None:
                on_progress(self.phase)
            time.sleep(POLL_PERIOD)

    def _check_time(self, deadline: float, words: str) -> None:
        if not rclpy.ok():
            raise KeyboardInterrupt
        if self.fault is not None:
            raise DemoError(f"a message could not be used: {self.fault}") from self.fault
        if time.monotonic() > deadline:
            alive = ", ".join(sorted(name for name in self.get_node_names() if name != "demo"))
            raise DemoError(f"{words} (nodes alive: {alive or 'none'})")


Client = TypeVar("Client", bound=DemoNode)


def check_objects(names: list[str]) -> None:
    """Raise UnknownNameError for a name that is neither in the catalogue nor a file."""
    known = object_names()
    for name in names:
        if name not in known and not Path(name).is_file():
            raise UnknownNameError("object", name, known)


def run_demo(node: DemoNode) -> bool:
    """Run all trials and write the report; returns whether enough picks succeeded."""
    check_objects(node.objects)
    folder = new_results_folder(node.results)
    node.announce(folder)
    node.wait_for_stack()
    title = f"{node.hand} picks {len(node.objects)} objects, seed {node.seed}"
    rerun = f"make demo HAND={node.hand} OBJECTS={','.join(node.objects)} SEED={node.seed}"
    configuration = resolved_configuration([node.hand], node.objects, [node.seed])
    configuration["node_parameters"] = read_parameters(node)
    session = TrialSession(folder, title, len(node.objects), configuration, rerun)
    with TrialBoard(title) as board:
        for name in node.objects:
            result = run_trial(node, name, board)
            board.finished(session.finish(result, node.film, node.health.summary()))
    for line in summary_lines(summarise(session.results)) + stack_lines(session.stack):
        print(line, flush=True)
    print(f"report: {session.write()}", flush=True)
    return session.passed


def run_trial(node: DemoNode, name: str, board: TrialBoard) -> TrialResult:
    """Spawn one object, a catalogue name or a mesh file, and pick it."""
    node.spawn(name)
    name = Path(name).stem
    result, report = node.pick(lambda phase: board.running(name, phase))
    if report is not None and not node.film.frames:
        node.get_logger().warning(f"no pictures: nothing came on {node.photo_topic}")
    return trial_result(name, node.hand, node.seed, result, report)


def main(args: list[str] | None = None) -> None:
    """Run the demo and exit with its code."""
    run_client("demo", DemoNode, run_demo, args)


def run_client(
    name: str, make: Callable[[], Client], work: Callable[[Client], bool], args: list[str] | None
) -> None:
    """Let a client of the stack do its work, and exit with the code that the module tells.

    name: who complains on stderr.
    """
    os.nice(BACKGROUND)
    rclpy.init(args=args)
    node = make()
    spinner = Spinner([node], _keep_fault)
    try:
        code = 0 if work(node) else 1
    except (DemoError, DexgraspError) as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        code = 2
    except KeyboardInterrupt:
        code = 130
    spinner.stop(END_PATIENCE)
    rclpy.try_shutdown()
    sys.exit(code)


def _keep_fault(node: Any, error: Exception) -> None:
    """A fault in a callback must end the demo, not silence it."""
    node.fault = error
