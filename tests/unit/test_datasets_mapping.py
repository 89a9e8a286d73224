"""Unknown layouts by a mapping: every key, unit and form, and mappings that are wrong."""

from __future__ import annotations

import pickle
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from dexgrasp.datasets import read_grasps
from dexgrasp.errors import ConfigError, GraspError, UnknownNameError
from dexgrasp.geometry import inverse, quaternion_from_pose
from dexgrasp.hands import HandModel

load = cache(HandModel.load)
DOCUMENT = Path(__file__).parents[2] / "docs" / "grasp_files.md"


def grasps(name: str = "allegro_right", count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng, hand = np.random.default_rng(0), load(name)
    T = np.tile(np.eye(4), (count, 1, 1))
    T[:, :3, :3] = Rotation.random(count, random_state=0).as_matrix()
    T[:, :3, 3] = 0.1 * rng.normal(size=(count, 3))
    return T, rng.uniform(hand.joint_lower, hand.joint_upper, (count, hand.joint_count))


def written(folder: Path, value: object, rules: dict) -> tuple[Path, Path]:
    data, mapping = folder / "example.pkl", folder / "mapping.yaml"
    data.write_bytes(pickle.dumps(value))
    mapping.write_text(yaml.safe_dump(rules))
    return data, mapping


def check(folder: Path, value: object, rules: dict, name: str = "allegro_right"):
    data, mapping = written(folder, value, rules)
    table = read_grasps(data, load(name), mapping=mapping)
    T, q = grasps(name)
    np.testing.assert_allclose(table.T_object_palm, T, atol=1e-9)
    np.testing.assert_allclose(table.grasp, q, atol=1e-9)
    return table


BASE = {
    "object": {"constant": "mug"},
    "position": {"key": "p"},
    "rotation": {"key": "r", "form": "quat_wxyz"},
    "joint_order": "can",
    "grasp": {"key": "q"},
}


@pytest.mark.parametrize(
    ("form", "unit", "write"),
    [
        ("quat_wxyz", "rad", lambda r: r.as_quat(scalar_first=True)),
        ("quat_xyzw", "rad", lambda r: r.as_quat()),
        ("matrix", "rad", lambda r: r.as_matrix()),
        ("axis_angle", "rad", lambda r: r.as_rotvec()),
        ("axis_angle", "deg", lambda r: r.as_rotvec(degrees=True)),
        ("euler_xyz", "rad", lambda r: r.as_euler("xyz")),
        ("euler_ZYX", "deg", lambda r: r.as_euler("ZYX", degrees=True)),
        ("rot6d", "rad", lambda r: np.swapaxes(r.as_matrix()[:, :, :2], 1, 2).reshape(-1, 6)),
    ],
)
def test_columns_in_every_rotation_form(tmp_path: Path, form: str, unit: str, write) -> None:
    T, q = grasps()
    value = {"p": T[:, :3, 3], "r": write(Rotation.from_matrix(T[:, :3, :3])), "q": q}
    rules = {**BASE, "rotation": {"key": "r", "form": form, "unit": unit}}
    table = check(tmp_path, value, rules)
    assert table.objects == ("mug",) * 4


@pytest.mark.parametrize(("unit", "factor"), [("m", 1.0), ("cm", 100.0), ("mm", 1000.0)])
def test_lengths_and_angles_have_units(tmp_path: Path, unit: str, factor: float) -> None:
    T, q = grasps()
    value = {
        "p": factor * T[:, :3, 3],
        "r": quaternion_from_pose(T),
        "q": np.degrees(q),
        "pre": np.degrees(q) * 0.5,
    }
    rules = {
        **BASE,
        "position": {"key": "p", "unit": unit},
        "grasp": {"key": "q", "unit": "deg"},
        "pregrasp": {"key": "pre", "unit": "deg"},
    }
    table = check(tmp_path, value, rules)
    np.testing.assert_allclose(table.pregrasp, load("allegro_right").clip(0.5 * q), atol=1e-9)


def test_rows_with_one_vector_inverse_pose_scale_and_score(tmp_path: Path) -> None:
    T, q = grasps("leap_right")
    root = np.eye(4)
    root[:3, 3] = [0.0, 0.0, 0.1]
    theirs = inverse(T @ inverse(root))  # the object in the hand's root
    joints = load("leap_right").to_order(q, "isaac_gym")
    state = np.concatenate([theirs[:, :3, 3], quaternion_from_pose(theirs), joints], axis=1)
    rows = [{"hand": {"state": state[i]}, "meta": [f"obj_{i}", 12.5, 0.1 * i]} for i in range(4)]
    rules = {
        "rows": "data.grasps",
        "object": {"key": "meta.0"},
        "position": {"key": "hand.state", "part": [0, 3]},
        "rotation": {"key": ["hand", "state"], "part": [3, 7], "form": "quat_wxyz"},
        "inverse": True,
        "T_root_palm": [0.0, 0.0, 0.1, 1.0, 0.0, 0.0, 0.0],
        "joint_order": "isaac_gym",
        "grasp": {"key": "hand.state", "part": [7, 23]},
        "scale": {"key": "meta.1", "inverse": True},
        "score": {"key": "meta.2"},
    }
    table = check(tmp_path, {"data": {"grasps": rows}}, rules, "leap_right")
    assert table.objects == ("obj_0", "obj_1", "obj_2", "obj_3")
    np.testing.assert_allclose(table.scale, 0.08)
    np.testing.assert_allclose(table.score, [0.0, 0.1, 0.2, 0.3])


def test_matrices_and_joint_names(tmp_path: Path) -> None:
    T, q = grasps()
    hand = load("allegro_right")
    order = [3, 1, 2, 0, *range(15, 3, -1)]
    moved = T.copy()
    moved[:, :3, 3] *= 1000.0
    rules = {
        "object": {"key": "name"},
        "matrix": {"key": "T", "unit": "mm"},
        "joint_order": [hand.joint_names[i] for i in order],
        "grasp": {"key": "q"},
    }
    check(tmp_path, {"T": moved, "q": q[:, order], "name": ["a", "b", "c", "d"]}, rules)


def test_a_row_that_lacks_a_key_or_a_value_is_rejected(tmp_path: Path) -> None:
    T, q = grasps()
    rows = [{"p": T[i, :3, 3], "r": quaternion_from_pose(T[i]), "q": q[i]} for i in range(4)]
    del rows[1]["q"]
    rows[2]["p"] = np.zeros(2)
    data, mapping = written(tmp_path, rows, {**BASE, "rows": []})
    table = read_grasps(data, load("allegro_right"), mapping=mapping)
    assert table.row.tolist() == [0, 3]
    assert f"{data} row 1: it lacks 'q'" in table.rejected[0].words
    assert "'p' has 2 values; expected 3" in table.rejected[1].words


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"grasp": {"key": "joints"}}, GraspError, r"'joints' fails at 'joints'; there: p, r, q"),
        ({"joint_order": "isaac"}, UnknownNameError, "unknown joint order 'isaac'.*isaac_gym"),
        ({"joint_order": ["a", "b"]}, GraspError, r"names joints a, b"),
        ({"joints": "q"}, ConfigError, "unknown key 'joints'; allowed at the top: rows, object"),
        ({"rotation": {"key": "r", "form": "quat"}}, ConfigError, "unknown rotation form 'quat'"),
        ({"rotation": {"key": "r", "form": "euler_xxq"}}, ConfigError, "unknown rotation form"),
        ({"object": {}}, ConfigError, "either key or constant"),
        ({"position": None}, ConfigError, "position and rotation, or by matrix"),
        ({"matrix": {"key": "T"}}, ConfigError, "position and rotation, or by matrix"),
        ({"position": {"key": "p", "unit": "inch"}}, ConfigError, "'m', 'cm' or 'mm'"),
        ({"rows": "p"}, GraspError, "'q'"),
    ],
)
def test_a_wrong_mapping_says_what_is_wrong(tmp_path: Path, change, error, words: str) -> None:
    T, q = grasps()
    value = {"p": T[:, :3, 3], "r": quaternion_from_pose(T), "q": q}
    data, mapping = written(tmp_path, value, {**BASE, **change})
    with pytest.raises(error, match=words):
        read_grasps(data, load("allegro_right"), mapping=mapping)


def test_the_documented_example_reads_what_it_describes(tmp_path: Path) -> None:
    text = DOCUMENT.read_text()
    rules = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    T, q = grasps()
    turn = Rotation.from_matrix(T[:, :3, :3]).as_quat()
    pose = np.concatenate([1000.0 * T[:, :3, 3], turn], axis=1)
    items = [
        {"object_code": f"mug_{i}", "hand_pose": pose[i], "joint_angles": np.degrees(q[i])}
        for i in range(4)
    ]
    table = check(tmp_path, {"grasps": items}, rules)
    assert table.objects == ("mug_0", "mug_1", "mug_2", "mug_3")
