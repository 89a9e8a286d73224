"""Judges every trial while it runs, by `dexgrasp.evaluation`; alone in reading the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dexgrasp_interfaces.msg import ExecutorState, GroundTruth, TrialReport
from geometry_msgs.msg import PoseStamped
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from dexgrasp.evaluation.intention import BackgroundJudge, make_judge
from dexgrasp.evaluation.report import plain
from dexgrasp.execution import Phase
from dexgrasp.hands import HandModel
from dexgrasp.types import Observation
from dexgrasp_nodes.conversions import observation_from_msgs
from dexgrasp_nodes.loop import Loop
from dexgrasp_nodes.node_base import BACKGROUND, LATCHED, StackNode, present, run
from dexgrasp_nodes.streams import Stream
from dexgrasp_nodes.trial_judge import TrialJudge, rehearse

PERIOD = 0.02  # [s]; the truth comes at 50 Hz
PROGRESS_EVERY = 10  # periods between two reports of a running trial
FRESH = 0.5  # [s]
REPORT_FILE = "trials.jsonl"


class EvaluatorNode(StackNode):
    """Reports on `trial_reports`: running ones at 5 Hz, then one that is `finished`.

    Parameter `folder`: where finished reports are appended to `trials.jsonl`; empty: the
    folder that `results_folder` names, if any.  Parameters `judge` (geometric or vlm) and
    `instruction` (`{object}` stands for the object's name): of the intention modality. A judge
    that takes longer than the trial does not hold it up: its report comes once more with it.
    """

    def __init__(self) -> None:
        super().__init__("evaluator")
        self.declare_parameter("hand", "allegro_right")
        self.declare_parameter("judge", "geometric")
        self.declare_parameter("instruction", "pick up the {object}")
        self._folder = self.declare_parameter("folder", "").value
        self._reports = self.create_publisher(TrialReport, "trial_reports", 20)
        self._states = Stream(self, ExecutorState, "executor/state", 50)
        self._truths = Stream(self, GroundTruth, "ground_truth/objects", 50)
        self._joints = Stream(self, JointState, "joint_states", qos_profile_sensor_data)
        self._palm = Stream(
            self, PoseStamped, "wrist_controller/current_pose", qos_profile_sensor_data
        )
        self.create_subscription(String, "results_folder", self._on_folder, LATCHED)
        self._workers: ThreadPoolExecutor | None = None
        self._loop: Loop | None = None
        self._judge: TrialJudge | None = None
        self._late: list[TrialJudge] = []
        self._intention: BackgroundJudge | None = None
        self._ticks = 0

    def _on_folder(self, message: String) -> None:
        self._folder = self._folder or message.data

    def setup(self) -> None:
        """Load the hand and the judge. Raises UnknownNameError, ConfigError."""
        self._hand = HandModel.load(self.get_parameter("hand").value)
        self._intention = BackgroundJudge(make_judge(self.get_parameter("judge").value))
        self._workers = ThreadPoolExecutor(1, "plausibility")
        self._workers.submit(rehearse, self._hand)

    def start(self) -> None:
        """Begin to watch."""
        self._loop = Loop("evaluator", PERIOD, self._watch, self._on_error)
        self._loop.start()

    def stop(self) -> None:
        """Stop watching; a running trial stays without a verdict."""
        if self._loop is not None:
            self._loop.stop()
        self._judge = None
        self._late.clear()

    def teardown(self) -> None:
        """End the workers; a judge that still waits for its server ends on its own."""
        if self._intention is not None:
            self._intention.close()
        self._intention = None
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)
        self._workers = None

    def _on_error(self, error: Exception) -> None:
        self.report_fault(error)
        self._judge = None

    def _watch(self) -> None:
        for stream in (self._joints, self._palm):
            stream.take_all()
        for state in self._states.take_all():
            self._on_state(state)
        truths = self._truths.take_all()
        self._publish_late()
        if self._judge is None:
            return
        for truth in truths:
            self._judge.on_truth(truth)
        self._ticks += 1
        if self._judge.ended:
            self._finish(self._judge)
        elif self._ticks % PROGRESS_EVERY == 0:
            self._reports.publish(self._judge.report())

    def _on_state(self, state: ExecutorState) -> None:
        judge = self._judge
        if judge is not None and judge.state.trial == state.trial:
            judge.on_state(state, self._observe())
        elif Phase.APPROACH <= state.phase <= Phase.HOLD:
            self._judge = TrialJudge(
                state,
                self._hand,
                present(self._workers, "worker"),
                present(self._intention, "judge"),
                self.get_parameter("instruction").value,
            )

    def _observe(self) -> Observation | None:
        if max(self._joints.age, self._palm.age) > FRESH:
            return None
        return observation_from_msgs(
            present(self._joints.newest, "joint state"),
            present(self._palm.newest, "palm pose"),
            None,
            self._hand,
        )

    def _finish(self, judge: TrialJudge) -> None:
        self._judge = None
        report = judge.report()
        if judge.intention_pending:
            self._late.append(judge)
        verdict = "picked" if report.success else report.error_msg or "not lifted high enough"
        self.get_logger().info(f"trial {report.trial}, {report.object}: {verdict}")
        self._send(report)

    def _publish_late(self) -> None:
        """Reports of trials that ended before their intention was judged."""
        for judge in [judge for judge in self._late if not judge.intention_pending]:
            self._late.remove(judge)
            self._send(judge.report())

    def _send(self, report: TrialReport) -> None:
        self._reports.publish(report)
        if self._folder:
            line = json.dumps(plain(report_values(report)))
            with (Path(self._folder) / REPORT_FILE).open("a") as file:
                file.write(f"{line}\n")

    def health(self) -> tuple[bytes, str, Mapping[str, object]]:
        """See `StackNode.health`."""
        level, words, figures = super().health()
        if self.active and self._truths.age > 1.0:
            words = "no ground truth: trials cannot be judged"
        return level, words, figures


def report_values(report: TrialReport) -> dict[str, object]:
    """The fields of a report but its header."""
    names = report.get_fields_and_field_types()
    return {name: getattr(report, name) for name in names if name != "header"}


def main() -> None:
    """Run the node."""
    run(EvaluatorNode, niceness=BACKGROUND)
