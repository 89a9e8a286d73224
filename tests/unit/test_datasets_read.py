"""`read_grasps` over files and folders, and `dexgrasp convert`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from dexgrasp.cli import app
from dexgrasp.datasets import format_names, read_grasps, write_grasps
from dexgrasp.errors import GraspError, UnknownNameError
from dexgrasp.hands import HandModel

load = cache(HandModel.load)


def save_set(path: Path, count: int, seed: int = 0, spoil: int | None = None) -> Path:
    """A DexGraspNet file of Allegro grasps; `spoil`: a row with a joint that is NaN."""
    hand, rng = load("allegro_right"), np.random.default_rng(seed)
    rows = []
    for i in range(count):
        q = rng.uniform(hand.joint_lower, hand.joint_upper)
        q[3] = np.nan if i == spoil else q[3]
        values = dict(zip(hand.joint_names, q, strict=True))
        angles = Rotation.random(random_state=seed + i).as_euler("xyz")
        for axis, place, angle in zip("xyz", rng.normal(size=3), angles, strict=True):
            values |= {f"WRJT{axis}": float(place), f"WRJR{axis}": float(angle)}
        rows.append({"qpos": values, "scale": 0.1})
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.array(rows, dtype=object), allow_pickle=True)
    return path


def test_a_folder_is_one_table_numbered_through(tmp_path: Path) -> None:
    save_set(tmp_path / "a" / "mug.npy", 3, spoil=1)
    save_set(tmp_path / "b" / "bowl.npy", 2, seed=5)
    table = read_grasps(tmp_path, load("allegro_right"))
    assert table.objects == ("mug", "mug", "bowl", "bowl")
    assert table.row.tolist() == [0, 2, 3, 4]
    assert [r.row for r in table.rejected] == [1]
    assert "mug.npy row 1" in table.rejected[0].words
    single = read_grasps(tmp_path / "b" / "bowl.npy", load("allegro_right"))
    np.testing.assert_array_equal(table.grasp[2:], single.grasp)


def test_a_broken_file_in_a_folder_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    save_set(tmp_path / "a.npy", 2)
    broken = save_set(tmp_path / "b.npy", 2)
    broken.write_bytes(broken.read_bytes()[:300])
    save_set(tmp_path / "c.npy", 2, seed=3)
    table = read_grasps(tmp_path, load("allegro_right"))
    assert table.row.tolist() == [0, 1, 3, 4]
    (rejected,) = table.rejected
    assert rejected.row == 2
    assert str(broken) in rejected.words


def test_a_folder_of_nothing_readable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GraspError, match="holds no file of grasps"):
        read_grasps(tmp_path, load("allegro_right"))
    (tmp_path / "a.npy").write_bytes(b"nothing")
    with pytest.raises(GraspError, match=r"a\.npy is not a whole"):
        read_grasps(tmp_path, load("allegro_right"))


def test_an_unknown_layout_lists_the_known(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((3, 4)))
    with pytest.raises(GraspError) as error:
        read_grasps(path, load("allegro_right"))
    for name in format_names():
        assert name in str(error.value)
    assert "--mapping" in str(error.value)


def test_a_given_format_is_held_to(tmp_path: Path) -> None:
    path = save_set(tmp_path / "a.npy", 2)
    assert len(read_grasps(path, load("allegro_right"), "dexgraspnet")) == 2
    with pytest.raises(GraspError, match="not in the layout bodex"):
        read_grasps(path, load("allegro_right"), "bodex")
    with pytest.raises(UnknownNameError, match=r"unknown grasp format 'dexnet'.*dexgraspnet"):
        read_grasps(path, load("allegro_right"), "dexnet")
    with pytest.raises(GraspError, match="does not exist"):
        read_grasps(tmp_path / "b.npy", load("allegro_right"))
    with pytest.raises(GraspError, match=r"a \.txt file; read"):
        read_grasps(save_set(tmp_path / "b.npy", 1).rename(tmp_path / "b.txt"), load("leap_right"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"robot_pose": "none", "scene_path": 3}, "is not quite bodex: ValueError"),
        ({"grasp_qpos": np.zeros((1, 23)), "scene_path": None}, "is in None, which is neither"),
        ({"right_hand": {"trans": 1, "rot": 2, "pose": 3}, "mug": {"trans": 1, "rot": 2}}, "trans"),
        ([{"qpos": 3, "scale": "x"}], "no grasp with WRJTx"),
    ],
)
def test_values_of_another_kind_are_an_error_that_names_the_file(
    tmp_path: Path, value: object, words: str
) -> None:
    path = tmp_path / "odd.npy"
    np.save(path, np.array(value, dtype=object), allow_pickle=True)
    with pytest.raises(GraspError, match=words) as error:
        read_grasps(path, load("allegro_right"))
    assert str(path) in str(error.value)


def test_native_files_in_a_folder_are_joined(tmp_path: Path) -> None:
    hand = load("allegro_right")
    table = read_grasps(save_set(tmp_path / "in" / "a.npy", 4), hand)
    out = tmp_path / "out"
    out.mkdir()
    write_grasps(table[:1], out / "a.npz")
    write_grasps(table[1:], out / "b.parquet")
    joined = read_grasps(out, hand)
    np.testing.assert_array_equal(joined.grasp, table.grasp)
    assert joined.row.tolist() == [0, 1, 2, 3]


def test_convert_prints_counts_and_rejected_rows(tmp_path: Path) -> None:
    source = save_set(tmp_path / "mug.npy", 14)
    hand = load("allegro_right")
    content = np.load(source, allow_pickle=True)
    for row in content[:12]:
        row["qpos"]["joint_0.0"] = 90.0  # degrees
    content[13]["qpos"]["joint_1.0"] = hand.joint_upper[1] + 0.1
    np.save(source, content, allow_pickle=True)
    out = tmp_path / "out.npz"
    result = CliRunner().invoke(app, ["convert", str(source), str(out), "--hand", "allegro_right"])
    assert result.exit_code == 0, result.output
    assert "2 grasps of allegro_right on 1 objects" in result.output
    assert "1 of them had joints clipped" in result.output
    assert "12 rows rejected" in result.output
    assert result.output.count("joint_0.0 is 90 rad") == 10
    assert "... and 2 more" in result.output
    read = read_grasps(out, hand)
    assert read.objects == ("mug", "mug")
    assert read.grasp[1, 1] == hand.joint_upper[1]


def test_convert_of_an_unknown_hand_or_file_is_the_user_s_fault(tmp_path: Path) -> None:
    runner = CliRunner()
    source = save_set(tmp_path / "mug.npy", 1)
    arguments = ["convert", str(source), str(tmp_path / "o.npz"), "--hand", "alegro"]
    result = runner.invoke(app, arguments)
    assert isinstance(result.exception, UnknownNameError)
    arguments[-1] = "allegro_right"
    arguments[2] = str(tmp_path / "o.csv")
    assert isinstance(runner.invoke(app, arguments).exception, GraspError)
