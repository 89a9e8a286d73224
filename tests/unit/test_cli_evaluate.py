"""`dexgrasp evaluate` as a user runs it: files in, a report out, faults in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dexgrasp.geometry import quaternion_from_pose
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.synthesis import GraspGeometry, make_synthesizer

TABLES = ("report.json", "trials.parquet", "trials.csv", "config.yaml", "index.html")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dexgrasp", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture(scope="module")
def grasps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good grasps of a can, one with a quaternion that is none, one of a missing object."""
    can, hand = load_object("tomato_soup_can"), HandModel.load("allegro_right")
    found = make_synthesizer().synthesize(hand, GraspGeometry(can, np.eye(4), 0.0), 3, seed=3)
    rows = np.array([0, 1, 2, 0, 0])
    quaternion = quaternion_from_pose(found.T_frame_palm)[rows]
    quaternion[3] *= 2.0
    file = tmp_path_factory.mktemp("grasps") / "mixed.npz"
    np.savez(
        file,
        hand=np.array(hand.name),
        object=np.array(["tomato_soup_can"] * 4 + ["teapot"]),
        joint_names=np.array(hand.joint_names),
        palm_position=found.T_frame_palm[rows, :3, 3],
        palm_quaternion=quaternion,
        grasp=found.grasp[rows],
    )
    return file


@pytest.fixture(scope="module")
def finished(grasps: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("out") / "run"
    done = run("evaluate", grasps, "--protocol", "robot", "--out", out, "--pictures", 2)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_a_run_leaves_every_file(finished) -> None:
    out, printed = finished
    assert all((out / name).stat().st_size > 100 for name in TABLES)
    trials = pq.read_table(out / "trials.parquet").to_pylist()
    assert [trial["row"] for trial in trials] == [0, 1, 2]
    assert sum(trial["success"] for trial in trials) >= 2
    assert all(trial["plausible"] is not None for trial in trials)
    assert all(trial["intended"] is not None for trial in trials)
    assert len(list((out / "pictures").glob("*.png"))) == 2
    assert "tomato_soup_can" in printed
    assert "survey" in printed


def test_bad_rows_are_named_in_the_terminal_and_the_report(finished, grasps) -> None:
    out, printed = finished
    assert "2 rows were rejected" in printed
    assert "quaternion" in printed
    assert "teapot" in printed
    report = json.loads((out / "report.json").read_text())
    assert [item["row"] for item in report["rejected"]] == [3, 4]


def test_the_same_command_again_only_reports(finished, grasps) -> None:
    out, _ = finished
    before = (out / "trials.jsonl").read_bytes()
    again = run("evaluate", grasps, "--protocol", "robot", "--out", out, "--pictures", 2)
    assert again.returncode == 0
    assert "3 of 3 trials are done already" in again.stderr
    assert (out / "trials.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--protocol", "survey"), "differs in protocol"),
        (("--protocol", "robot", "--hand", "leap_right"), "holds grasps of allegro_right"),
        (("--protocol", "robot", "--hand", "alegro"), "known: allegro_right, leap_right"),
        (("--protocol", "moon"), "unknown protocol 'moon'"),
        (("--protocol", "robot", "--modalities", "smell"), "unknown modality 'smell'"),
        (("--protocol", "robot", "--friction", "-1"), "friction"),
        (("--protocol", "robot", "--wrist", "rubber"), "wrist"),
        (("--protocol", "robot", "--format", "xml"), "unknown grasp format"),
    ],
)
def test_faults_are_one_line(finished, grasps, options, words) -> None:
    out, _ = finished
    done = run("evaluate", grasps, "--out", out, *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_without_one_usable_grasp_is_an_error(tmp_path, grasps) -> None:
    whole = grasps.read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    done = run("evaluate", tmp_path / "cut.npz", "--hand", "allegro_right", "--out", tmp_path / "o")
    assert done.returncode == 2
    assert "cut.npz" in done.stderr


def test_objects_without_any_mesh_are_an_error(tmp_path, grasps) -> None:
    (tmp_path / "empty").mkdir()
    done = run("evaluate", grasps, "--meshes", tmp_path / "empty", "--out", tmp_path / "o")
    assert done.returncode == 2
    assert "none of the" in done.stderr
    assert "no mesh of 'tomato_soup_can'" in done.stderr


def test_a_file_that_does_not_name_its_hand_asks_for_it(tmp_path) -> None:
    (tmp_path / "grasps.json").write_text('{"grasps": []}')
    done = run("evaluate", tmp_path / "grasps.json", "--out", tmp_path / "o")
    assert done.returncode == 2
    assert "give --hand: allegro_right, leap_right" in done.stderr
