"""Judging in the background, and judges by name."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from dexgrasp.errors import UnknownNameError
from dexgrasp.evaluation.intention import (
    BackgroundJudge,
    IntentionCase,
    IntentionScores,
    make_judge,
)
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object

HAND = HandModel.load("allegro_right")


def case(instruction: str) -> IntentionCase:
    return IntentionCase(HAND, HAND.postures["open"], np.eye(4), load_object("mug"), instruction)


class Waiting:
    """A judge that waits until it is let go."""

    name = "waiting"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.released = threading.Event()

    def judge(self, case: IntentionCase) -> IntentionScores:
        self.go.wait(10)
        if case.instruction == "fail":
            raise ZeroDivisionError("a fault of the judge")
        return IntentionScores(1.0, 1.0, 1.0, "", self.name, 0.0)

    def release(self) -> None:
        self.released.set()


def test_one_failing_or_cancelled_case_leaves_the_others() -> None:
    judge = Waiting()

    def rude(_: object) -> None:
        raise RuntimeError("a fault of the listener")

    background = BackgroundJudge(judge)
    first = background.submit(case("fail"), rude)
    second, third = background.submit(case("lift it")), background.submit(case("lift it"))
    assert second.cancel()
    judge.go.set()
    assert third.result(10).passed
    assert isinstance(first.exception(), ZeroDivisionError)
    assert background.close(timeout=10.0)
    assert judge.released.is_set()


def test_judges_by_name(tmp_path: Path) -> None:
    assert make_judge().name == "geometric"
    assert make_judge("vlm", folder=tmp_path).name == "vlm"
    with pytest.raises(UnknownNameError, match=r"'clip'; known: geometric, vlm"):
        make_judge("clip")


def test_the_geometric_judge_in_the_background_scores_the_same() -> None:
    judge = make_judge("geometric")
    with BackgroundJudge(judge, workers=2) as background:
        futures = [background.submit(case("lift it")) for _ in range(4)]
    alone = judge.judge(case("lift it"))
    assert {f.result(0).reasons for f in futures} == {alone.reasons}


def test_no_workers_judge_nothing() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        BackgroundJudge(make_judge(), workers=0)
