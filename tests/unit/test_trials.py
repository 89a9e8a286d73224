"""Plans of trials, their log over interruptions, and the table that compares hardware."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from rich.console import Console

from dexgrasp.errors import ConfigError, UnknownNameError
from dexgrasp.evaluation.results import TrialResult
from dexgrasp.evaluation.trials import LOG_FILE, Entry, TrialLog, TrialsPlan, side_by_side

VALUES = {
    "hand": "leap_right", "hardware": ["mujoco", "physical_device"], "objects": ["mug", "baseball"],
    "repetitions": 3, "seed": 7,
}  # fmt: skip


def load(folder: Path, **changes) -> TrialsPlan:
    """The plan through its file."""
    path = folder / "given.yaml"
    path.write_text(yaml.safe_dump({**VALUES, **changes}))
    return TrialsPlan.load(path)


def entry(kind: str, name: str, seed: int, success: bool) -> Entry:
    trial = TrialResult(name, "leap_right", seed, success, "DONE")
    return Entry(kind, "truth", success, trial)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"hand": "paw"}, UnknownNameError, "unknown hand 'paw'"),
        ({"hardware": ["gazebo"]}, UnknownNameError, "unknown hardware type 'gazebo'"),
        ({"objects": ["unicorn"]}, UnknownNameError, "unknown object 'unicorn'"),
        ({"objects": []}, ConfigError, "objects"),
        ({"repetitions": 0}, ConfigError, "repetitions"),
        ({"repetition": 1}, ConfigError, "unknown key 'repetition'"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(tmp_path, changes, error, words) -> None:
    with pytest.raises(error, match=words):
        load(tmp_path, **changes)


def test_a_real_table_may_have_things_that_are_in_no_catalogue(tmp_path) -> None:
    plan = load(tmp_path, hardware=["physical_device"], objects=["my red cup"])
    assert plan.objects == ("my red cup",)


def test_what_is_left_is_the_plan_less_what_is_done(tmp_path) -> None:
    plan = load(tmp_path)
    log = TrialLog(tmp_path / "run", plan)
    order = [(p.object, p.seed) for p in log.remaining("mujoco")]
    assert order == [(name, seed) for seed in (7, 8, 9) for name in ("mug", "baseball")]
    log.add(entry("mujoco", "mug", 7, True))
    again = TrialLog(tmp_path / "run", plan)
    assert [(p.object, p.seed) for p in again.remaining("mujoco")] == order[1:]
    assert len(again.remaining("physical_device")) == 6
    assert again.entries[0].trial.success


def test_a_line_that_was_cut_off_is_tried_again(tmp_path) -> None:
    plan = load(tmp_path)
    log = TrialLog(tmp_path, plan)
    log.add(entry("mujoco", "mug", 7, True))
    with (tmp_path / LOG_FILE).open("a") as file:
        file.write('{"hardware": "muj')
    again = TrialLog(tmp_path, plan)
    assert len(again.entries) == 1
    again.add(entry("mujoco", "baseball", 7, False))
    assert len(TrialLog(tmp_path, plan).entries) == 2


def test_another_plan_does_not_go_on_in_the_same_folder(tmp_path) -> None:
    TrialLog(tmp_path / "run", load(tmp_path))
    with pytest.raises(ConfigError, match="choose another folder"):
        TrialLog(tmp_path / "run", load(tmp_path, repetitions=4))


def test_the_table_has_hardware_side_by_side(tmp_path) -> None:
    plan = load(tmp_path)
    found = [entry("mujoco", "mug", seed, seed < 9) for seed in (7, 8, 9)]
    console = Console(width=100)
    with console.capture() as capture:
        console.print(side_by_side(plan, found))
    lines = capture.get().splitlines()
    (mug,) = (line for line in lines if "mug" in line)
    # Wilson (1927): 2 of 3 is 21 to 94 %.
    assert "2 of 3  (21 to 94 %)" in mug
    assert mug.count("not tried") == 1
    (everything,) = (line for line in lines if "│ all " in line)
    assert "2 of 3" in everything
