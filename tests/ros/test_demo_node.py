"""The demo as users run it, a process of its own, against a stack of fakes over real DDS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

import rclpy
from dexgrasp_interfaces.action import PickObject
from dexgrasp_interfaces.msg import ErrorCode, PickAttempt, TrialReport
from dexgrasp_interfaces.srv import SpawnObject
from dexgrasp_nodes.conversions import header, picture_to_msg
from dexgrasp_nodes.demo_node import main
from dexgrasp_nodes.node_base import LATCHED
from dexgrasp_nodes.stack_health import StackHealth
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.action.server import ActionServer, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

pytestmark = pytest.mark.ros
DOMAIN_ID = 61
RUN_DEMO = "from dexgrasp_nodes.demo_node import main; main()"
EXECUTED_PHASES = ("COVER", "FULL_GRASP", "LIFT", "HOLD")


class FakeStack(Node):
    """Answers as the stack does; its flags make it fail in the ways of a stack."""

    def __init__(self, context: Context) -> None:
        super().__init__("fake_stack", context=context)
        self.failing: set[str] = set()
        self.unseen: set[str] = set()
        self.silent = False
        self.stopping = threading.Event()
        self.rejecting = False
        self.refusing = False
        self.reporting = True
        self.encoding = "rgb8"
        self.object = ""
        self.seeds: list[int] = []
        self.trial = 0
        group = ReentrantCallbackGroup()
        self.inactive = ""
        self.folders: list[str] = []
        self.broken = ErrorCode.OK
        self.create_subscription(
            String, "results_folder", lambda m: self.folders.append(m.data), LATCHED
        )
        self.create_service(Trigger, "/lifecycle_manager/is_active", self._on_is_active)
        self.create_service(SpawnObject, "/simulation/spawn_object", self._spawn)
        self._reports = self.create_publisher(TrialReport, "/trial_reports", 10)
        self._images = self.create_publisher(Image, "/overview/image", 10)
        self._server = ActionServer(
            self,
            PickObject,
            "/pick_object",
            self._pick,
            goal_callback=self._on_goal,  # type: ignore[arg-type]  # rclpy's hint is wrong
            callback_group=group,
        )

    def destroy_node(self) -> None:
        """The action server holds the node: without this it lingers in the graph."""
        self._server.destroy()
        super().destroy_node()

    def _on_goal(self, _goal: PickObject.Goal) -> GoalResponse:
        return GoalResponse.REJECT if self.rejecting else GoalResponse.ACCEPT

    def _on_is_active(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success, response.message = not self.inactive, f"not active: {self.inactive}"
        return response

    def _spawn(
        self, request: SpawnObject.Request, response: SpawnObject.Response
    ) -> SpawnObject.Response:
        if self.refusing:
            response.error_code, response.error_msg = ErrorCode.BACKEND, "out of memory"
        self.object = request.name
        return response

    def _pick(self, handle) -> PickObject.Result:
        self.seeds.append(handle.request.seed)
        if self.silent:
            self.stopping.wait()
            handle.abort()
            return PickObject.Result()
        if self.broken:
            handle.abort()
            return PickObject.Result(
                error_code=self.broken, error_msg="no sign of life", stage="synthesis"
            )
        if self.object in self.unseen:
            handle.succeed()
            return PickObject.Result(
                error_code=ErrorCode.SCENE, error_msg="nothing above the table", stage="perception"
            )
        self.trial += 1
        self._execute(handle)
        good = self.object not in self.failing
        if self.reporting:
            self._reports.publish(self._report(good))
        handle.succeed()
        code = ErrorCode.OK if good else ErrorCode.OBJECT_LOST
        return PickObject.Result(
            error_code=code,
            error_msg="" if good else "the fingers lost the object",
            stage="execution",
            perception_seconds=0.04,
            synthesis_seconds=1.5,
            execution_seconds=6.0,
            attempts=[PickAttempt(number=1, trial=self.trial)],
        )

    def _execute(self, handle) -> None:
        feedback = PickObject.Feedback(stage="execution")
        feedback.state.trial = self.trial
        for index, phase in enumerate(EXECUTED_PHASES):
            feedback.state.phase_name = phase
            handle.publish_feedback(feedback)
            for step in range(3):
                picture = np.full((36, 48, 3), 20 + 50 * index + step, np.uint8)
                message = picture_to_msg(picture, header(index + 0.1 * step))
                message.encoding = self.encoding
                self._images.publish(message)
                time.sleep(0.02)

    def _report(self, good: bool) -> TrialReport:
        return TrialReport(
            trial=self.trial,
            object=self.object,
            finished=True,
            success=good,
            phase="DONE" if good else "LIFT",
            grasp_kind="power",
            grasp_score=0.8,
            max_height=0.31 if good else 0.05,
            plausibility_judged=True,
            plausible=True,
            penetration_volume=2e-7,
            contacts=3,
        )


@pytest.fixture
def stack() -> Iterator[FakeStack]:
    context = Context()
    rclpy.init(context=context, domain_id=DOMAIN_ID)
    node = FakeStack(context)
    executor = MultiThreadedExecutor(4, context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield node
    node.stopping.set()
    executor.shutdown(timeout_sec=5.0)
    thread.join(timeout=5.0)
    node.destroy_node()
    context.try_shutdown()


def arguments(results: Path, **parameters: object) -> list[str]:
    values = {"results": results, "startup_timeout": 20.0, **parameters}
    return ["--ros-args", *(item for k, v in values.items() for item in ("-p", f"{k}:={v}"))]


def start_demo(results: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN_DEMO, *arguments(results)],
        env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN_ID)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass
class Demo:
    """Runs the node's `main` in this process and keeps what it printed."""

    results: Path
    capture: pytest.CaptureFixture[str]
    output: str = ""
    errors: str = ""

    def run(self, **parameters: object) -> int:
        with pytest.raises(SystemExit) as ending:
            main(arguments(self.results, **parameters))
        self.output, self.errors = self.capture.readouterr()
        return ending.value.code  # type: ignore[return-value]


@pytest.fixture
def demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Demo:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN_ID))
    return Demo(tmp_path, capsys)


def read_report(results: Path) -> dict:
    (folder,) = results.iterdir()
    return json.loads((folder / "report.json").read_text())


def test_four_of_five_picks_are_enough(stack: FakeStack, tmp_path: Path) -> None:
    stack.failing = {"mug"}
    process = start_demo(tmp_path)
    output, errors = process.communicate(timeout=120.0)
    assert process.returncode == 0, errors
    assert "picks: 4 of 5 = 80%" in output
    report = read_report(tmp_path)
    assert [t["success"] for t in report["trials"]] == [True] * 4 + [False]
    assert report["trials"][4]["error_code"] == ErrorCode.OBJECT_LOST
    assert report["summary"]["seconds"]["synthesis"]["median"] == 1.5
    (folder,) = tmp_path.iterdir()
    media = [t[kind] for t in report["trials"] for kind in ("picture", "animation")]
    assert all((folder / name).stat().st_size > 0 for name in media)


def test_too_few_picks_fail_the_demo(stack: FakeStack, demo: Demo) -> None:
    stack.failing = {"mug"}
    stack.unseen = {"baseball"}
    assert demo.run(objects="mug,baseball,mug", seed=3) == 1
    assert "nothing above the table" in demo.output
    assert stack.seeds == [3, 3, 3]
    trials = read_report(demo.results)["trials"]
    assert [t["phase"] for t in trials] == ["LIFT", "PERCEPTION", "LIFT"]


def test_a_log_has_one_line_per_trial(stack: FakeStack, demo: Demo) -> None:
    assert demo.run(objects="mug,baseball") == 0
    lines = [line.split()[0] for line in demo.output.splitlines() if line.endswith("picked")]
    assert lines == ["mug", "baseball"]
    assert "\x1b" not in demo.output


def test_a_missing_stack_is_named(demo: Demo) -> None:
    assert demo.run(startup_timeout=1.0) == 2
    assert "there is no lifecycle manager" in demo.errors


def test_a_node_that_does_not_come_up_is_named(stack: FakeStack, demo: Demo) -> None:
    stack.inactive = "perception"
    assert demo.run(startup_timeout=4.0) == 2
    assert "not active: perception" in demo.errors


def test_a_node_that_dies_ends_the_demo(stack: FakeStack, demo: Demo) -> None:
    stack.broken = ErrorCode.SYNTHESIS_TIMEOUT
    assert demo.run() == 2
    assert f"no sign of life (error {ErrorCode.SYNTHESIS_TIMEOUT})" in demo.errors
    assert len(stack.seeds) == 1


def test_the_configuration_holds_the_parameters_of_the_nodes(stack: FakeStack, demo: Demo) -> None:
    stack.declare_parameter("hand", "leap_right")
    assert demo.run(objects="mug") == 0
    (folder,) = demo.results.iterdir()
    configuration = yaml.safe_load((folder / "config.yaml").read_text())
    assert configuration["node_parameters"]["/fake_stack"]["hand"] == "leap_right"
    assert configuration["execution"]["lift_height"] > 0.0


def test_the_results_folder_is_announced(stack: FakeStack, demo: Demo) -> None:
    assert demo.run(objects="mug") == 0
    # Demos of earlier tests may not have left the graph yet: their latched words come too.
    assert str(next(demo.results.iterdir())) in stack.folders


def test_a_silent_stack_ends_the_demo(stack: FakeStack, demo: Demo) -> None:
    stack.silent = True
    assert demo.run(trial_timeout=2.0) == 2
    assert "no result of the pick within 2 s" in demo.errors
    assert "fake_stack" in demo.errors


def test_a_silent_evaluator_ends_the_demo(stack: FakeStack, demo: Demo) -> None:
    stack.reporting = False
    assert demo.run() == 2
    assert "evaluator" in demo.errors


def test_a_picture_that_cannot_be_read_ends_the_demo(stack: FakeStack, demo: Demo) -> None:
    stack.encoding = "mono8"
    assert demo.run(objects="mug") == 2
    assert "mono8" in demo.errors


def test_a_rejected_goal_is_explained(stack: FakeStack, demo: Demo) -> None:
    stack.rejecting = True
    assert demo.run() == 2
    assert "rejected" in demo.errors


def test_a_refused_spawn_is_explained(stack: FakeStack, demo: Demo) -> None:
    stack.refusing = True
    assert demo.run(objects="mug") == 2
    assert "cannot spawn mug: out of memory" in demo.errors


def test_an_unknown_object_is_refused_before_any_trial(stack: FakeStack, demo: Demo) -> None:
    assert demo.run(objects="mug,unicorn") == 2
    assert "unicorn" in demo.errors
    assert stack.trial == 0


def test_ctrl_c_ends_the_demo(stack: FakeStack, tmp_path: Path) -> None:
    stack.silent = True
    process = start_demo(tmp_path)
    deadline = time.monotonic() + 60.0
    while not stack.seeds and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10.0)
    assert process.returncode == 130


def test_health_is_summed_up_per_node_and_figure() -> None:
    health = StackHealth()
    for rate in ("124.0", "126.0", "nan", "unknown"):
        values = [KeyValue(key="rate", value=rate), KeyValue(key="paused", value="False")]
        status = DiagnosticStatus(name="/robot/executor", values=values)
        health.add(DiagnosticArray(status=[status]))
    assert health.summary() == {"executor": {"rate": {"min": 124.0, "median": 125.0, "max": 126.0}}}
