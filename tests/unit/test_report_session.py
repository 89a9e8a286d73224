"""A run's folder and verdict."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dexgrasp.evaluation.pictures import TrialFilm
from dexgrasp.evaluation.results import TrialResult
from dexgrasp.evaluation.session import TrialSession


def make_result(success: bool, name: str = "mug") -> TrialResult:
    return TrialResult(name, "leap_right", 0, success, "DONE" if success else "LIFT")


def make_film() -> TrialFilm:
    film = TrialFilm()
    film.add(np.zeros((24, 32, 3), np.uint8), 0.0, "LIFT")
    film.add(np.full((24, 32, 3), 9, np.uint8), 0.1, "LIFT")
    return film


@pytest.mark.parametrize(
    ("picked", "failed", "planned", "passed"),
    [(4, 1, 5, True), (3, 2, 5, False), (4, 0, 5, True), (1, 0, 1, True), (3, 0, 5, False)],
)
def test_four_of_five_planned_picks_pass(
    tmp_path: Path, picked: int, failed: int, planned: int, passed: bool
) -> None:
    session = TrialSession(tmp_path, "Demo", planned, {}, "make demo")
    session.results += [make_result(True)] * picked + [make_result(False)] * failed
    assert session.passed is passed


def test_a_finished_trial_is_on_disk_at_once(tmp_path: Path) -> None:
    session = TrialSession(tmp_path, "Demo", 5, {}, "make demo")
    result = session.finish(make_result(True), make_film(), {})
    assert (tmp_path / result.picture).is_file()
    assert (tmp_path / result.animation).is_file()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["trials"][0]["picture"] == "01_mug.png"
    assert (tmp_path / "index.html").is_file()


def test_trials_of_one_object_keep_their_own_pictures(tmp_path: Path) -> None:
    session = TrialSession(tmp_path, "Demo", 2, {}, "make demo")
    first, second = (session.finish(make_result(True), make_film(), {}) for _ in range(2))
    assert first.picture != second.picture


def test_a_trial_without_frames_is_reported_without_pictures(tmp_path: Path) -> None:
    session = TrialSession(tmp_path, "Demo", 1, {}, "make demo")
    assert session.finish(make_result(False), TrialFilm(), {}).picture == ""
    assert list(tmp_path.glob("*.png")) == []


def test_an_object_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    session = TrialSession(tmp_path / "run", "Demo", 1, {}, "make demo")
    session.folder.mkdir()
    result = session.finish(make_result(True, "../mug"), make_film(), {})
    assert (session.folder / result.picture).resolve().parent == session.folder.resolve()
