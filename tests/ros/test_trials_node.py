"""Trials of a plan with an operator, against a stack of fakes over real DDS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

from dexgrasp_interfaces.msg import ErrorCode
from dexgrasp_nodes import trials_node
from fake_stack import FakeStack, fake_stack

from dexgrasp.evaluation.trials import PLAN_FILE, Entry, TrialLog, TrialsPlan

pytestmark = pytest.mark.ros
DOMAIN_ID = 172
PLAN = {
    "hand": "leap_right", "hardware": ["mujoco", "physical_device"], "objects": ["mug", "baseball"],
    "repetitions": 2, "seed": 5,
}  # fmt: skip


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN_ID))
    with fake_stack(DOMAIN_ID) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One that holds the plan."""
    (tmp_path / PLAN_FILE).write_text(yaml.safe_dump(PLAN))
    return tmp_path


def run(
    folder: Path, hardware: str, monkeypatch: pytest.MonkeyPatch, answers: tuple[str, ...] = ()
) -> tuple[int, list[str]]:
    """Exit code, and the questions that were asked; after the answers nobody is there."""
    left, questions = iter(answers), []

    def ask(question: str) -> str:
        questions.append(question)
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(trials_node.run_trials, "__defaults__", (ask,))
    values = {"folder": folder, "hardware": hardware, "hand": "leap_right", "startup_timeout": 20.0}
    parameters = [item for k, v in values.items() for item in ("-p", f"{k}:={v}")]
    with pytest.raises(SystemExit) as ending:
        trials_node.main(["--ros-args", *parameters])
    return int(ending.value.code or 0), questions


def entries(folder: Path) -> list[Entry]:
    return TrialLog(folder, TrialsPlan.load(folder / PLAN_FILE)).entries


def test_a_simulated_world_judges_itself(stack, folder, monkeypatch) -> None:
    stack.failing = {"mug"}
    assert run(folder, "mujoco", monkeypatch) == (0, [])
    found = entries(folder)
    assert [(e.judge, e.trial.object, e.trial.success) for e in found] == [
        ("truth", "mug", False), ("truth", "baseball", True),
    ] * 2  # fmt: skip
    assert stack.seeds == [5, 5, 6, 6]
    assert list(folder.glob("mujoco/*/index.html"))
    pictures = [e.trial.picture for e in found]
    assert all(list(folder.glob(f"mujoco/*/{picture}")) for picture in pictures)


def test_the_operator_judges_a_real_hand_and_may_repeat(stack, folder, monkeypatch) -> None:
    stack.knows_truth, stack.failing, stack.object = False, {"mug"}, "mug"
    # Placed, judged: as suggested; against it; not counted, then a slip of the finger; yes.
    answers = ("", "", "", "y", "", "a", "", "what", "y", "", "n")
    code, questions = run(folder, "physical_device", monkeypatch, answers)
    assert code == 0
    found = entries(folder)
    assert [(e.judge, e.suggested, e.trial.success) for e in found] == [
        ("operator", False, False), ("operator", False, True), ("operator", False, True),
        ("operator", False, False),
    ]  # fmt: skip
    assert questions[0].startswith("place mug alone")
    assert "[n]" in questions[1]
    assert len(stack.seeds) == 5


def test_it_goes_on_where_it_was_left(stack, folder, monkeypatch) -> None:
    stack.knows_truth = False
    code, _ = run(folder, "physical_device", monkeypatch, ("", "y", ""))
    assert code == 2, "nobody was there any more"
    assert len(entries(folder)) == 1
    code, questions = run(folder, "physical_device", monkeypatch, ("", "") * 3)
    assert code == 0
    assert [(e.trial.object, e.trial.seed) for e in entries(folder)] == [
        ("mug", 5), ("baseball", 5), ("mug", 6), ("baseball", 6),
    ]  # fmt: skip
    assert "[y]" in questions[1]


def test_a_stack_that_breaks_ends_them(stack, folder, monkeypatch, capfd) -> None:
    stack.broken = ErrorCode.BACKEND
    assert run(folder, "mujoco", monkeypatch)[0] == 2
    assert "trials: no sign of life" in capfd.readouterr().err
    assert entries(folder) == []
