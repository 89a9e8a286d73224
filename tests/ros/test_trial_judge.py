"""The judge of one trial: three modalities, and a slow judge that holds up nothing."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

from builtin_interfaces.msg import Time
from dexgrasp_interfaces.msg import ExecutorState
from dexgrasp_nodes import conversions as c
from dexgrasp_nodes.trial_judge import TrialJudge
from std_msgs.msg import Header

from dexgrasp.evaluation.intention import BackgroundJudge, IntentionScores, JudgeError
from dexgrasp.execution import Phase
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.types import GroundTruth, Observation

pytestmark = pytest.mark.ros


class Waits:
    """A judge that answers when it is told to, or fails."""

    name = "slow"

    def __init__(self, error: Exception | None = None) -> None:
        self.may_answer = threading.Event()
        self.error = error
        self.asked: list[str] = []

    def judge(self, case) -> IntentionScores:
        self.asked.append(case.instruction)
        assert self.may_answer.wait(20.0)
        if self.error is not None:
            raise self.error
        return IntentionScores(0.9, 0.8, 0.75, "holds the handle", self.name, 1.0)

    def release(self) -> None:
        """Nothing to free."""


@pytest.fixture(scope="module")
def hand() -> HandModel:
    return HandModel.load("allegro_right")


@pytest.fixture
def workers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def state(phase: Phase, seconds: int) -> ExecutorState:
    head = Header(stamp=Time(sec=seconds))
    return ExecutorState(header=head, trial=1, phase=int(phase), phase_name=phase.name)


def truth(hand: HandModel, height: float, seconds: float):
    model = load_object("mug")
    pose = np.eye(4)
    pose[2, 3] = height
    com = np.asarray(model.com) + np.array([0.0, 0.0, height])
    values = GroundTruth(
        np.array([seconds]), pose[None, None], com[None, None], np.zeros((1, 1, 3)),
        np.zeros((1, len(hand.finger_names))),
    )  # fmt: skip
    return c.truth_to_msg(values, ["mug"], ["mug"], hand, Header(), 0.0)


def observed(hand: HandModel) -> Observation:
    zeros = np.zeros((1, hand.joint_count))
    palm = np.eye(4)
    palm[:3, 3] = [0.0, 0.0, 0.2]
    forces = np.full((1, len(hand.finger_names)), np.nan)
    return Observation(np.zeros(1), zeros, zeros, zeros, palm[None], forces)


def lifted(hand: HandModel, workers: ThreadPoolExecutor, judge: Waits) -> TrialJudge:
    """A trial that has lifted the mug and is over, but for its judge."""
    trial = TrialJudge(
        state(Phase.APPROACH, 0), hand, workers, BackgroundJudge(judge), "hand over the {object}"
    )
    trial.on_truth(truth(hand, 0.0, 0.0))
    trial.on_state(state(Phase.FULL_GRASP, 1), observed(hand))
    trial.on_truth(truth(hand, 0.0, 1.0))
    trial.on_state(state(Phase.LIFT, 2), observed(hand))
    trial.on_truth(truth(hand, 0.3, 2.0))
    trial.on_state(state(Phase.DONE, 3), observed(hand))
    deadline = time.monotonic() + 20.0
    while not (trial.ended and judge.asked) and time.monotonic() < deadline:
        time.sleep(0.01)
    return trial


def test_a_slow_judge_does_not_hold_up_the_trial(hand, workers) -> None:
    judge = Waits()
    trial = lifted(hand, workers, judge)
    assert trial.ended
    assert trial.intention_pending
    report = trial.report()
    assert (report.finished, report.success, report.phase) == (True, True, "DONE")
    assert report.plausibility_judged
    assert not report.intention_judged
    assert math.isnan(report.alignment)
    judge.may_answer.set()
    deadline = time.monotonic() + 20.0
    while trial.intention_pending and time.monotonic() < deadline:
        time.sleep(0.01)
    late = trial.report()
    assert (late.trial, late.intention_judged, late.intended) == (1, True, True)
    assert (late.alignment, late.visual_consistency, late.task_score) == (0.9, 0.8, 0.75)
    assert (late.judge, late.instruction) == ("slow", "hand over the mug")
    assert judge.asked == ["hand over the mug"]


def test_a_judge_that_fails_leaves_the_other_verdicts(hand, workers) -> None:
    judge = Waits(JudgeError("no server at http://localhost:1"))
    judge.may_answer.set()
    trial = lifted(hand, workers, judge)
    deadline = time.monotonic() + 20.0
    while trial.intention_pending and time.monotonic() < deadline:
        time.sleep(0.01)
    report = trial.report()
    assert report.success
    assert not report.intention_judged
    assert report.reasons == "not judged: no server at http://localhost:1"


def test_a_trial_that_never_lifts_asks_no_judge(hand, workers) -> None:
    judge = Waits()
    trial = TrialJudge(state(Phase.APPROACH, 0), hand, workers, BackgroundJudge(judge), "lift it")
    trial.on_truth(truth(hand, 0.0, 0.0))
    trial.on_state(state(Phase.FAILED, 1), observed(hand))
    assert trial.ended
    assert not trial.intention_pending
    assert not trial.report().success
    assert judge.asked == []
