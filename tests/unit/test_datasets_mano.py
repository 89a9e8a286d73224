"""MANO's keypoints from a synthetic model in the true layout, and human grasps carried over."""

from __future__ import annotations

import os
import pickle
import sys
import types
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import trimesh
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_matrix
from scipy.spatial.transform import Rotation

from dexgrasp.datasets import GraspTable, read_grasps
from dexgrasp.datasets.mano import TO_KEYPOINTS, hand_keypoints, read_mano
from dexgrasp.datasets.retarget import pad_points
from dexgrasp.errors import GraspError
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel

load = cache(HandModel.load)
PARENT = [2**32 - 1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]  # of MANO
TIP_VERTICES = (745, 317, 444, 556, 673)  # thumb to little finger, hassony2/manopth
seeds = st.integers(0, 2**32 - 1)

# A right hand lying in z = 0 with its palm to +z, fingers along +x, thumb on the side of -y [m]:
# rest joints in MANO's order (wrist, index, middle, little, ring, thumb) and the five tips.
KNUCKLES = {1: (0.09, -0.025), 4: (0.092, 0.0), 7: (0.078, 0.042), 10: (0.088, 0.022)}
THUMB = np.array([[0.02, -0.03], [0.05, -0.05], [0.075, -0.062], [0.10, -0.07]])


def rest_joints() -> tuple[np.ndarray, np.ndarray]:
    joints, tips = np.zeros((16, 3)), np.zeros((5, 3))
    for k, (first, (x, y)) in enumerate(KNUCKLES.items()):
        for i, forward in enumerate((0.0, 0.035, 0.058)):
            joints[first + i, :2] = x + forward, y
        tips[{0: 1, 1: 2, 2: 4, 3: 3}[k], :2] = x + 0.08, y
    joints[13:16, :2], tips[0, :2] = THUMB[:3], THUMB[3]
    return joints, tips


def mano_arrays(seed: int = 0, shape: float = 0.0, pose: float = 0.0) -> dict[str, np.ndarray]:
    """A model of MANO's sizes: every joint and tip is a vertex, and moves with its own bone."""
    rng = np.random.default_rng(seed)
    joints, tips = rest_joints()
    template = rng.normal(scale=0.05, size=(778, 3))
    template[:16], template[list(TIP_VERTICES)] = joints, tips
    regressor = np.zeros((16, 778))
    regressor[range(16), range(16)] = 1.0
    weights = rng.uniform(size=(778, 16))
    weights /= weights.sum(axis=1, keepdims=True)
    for vertex, bone in zip(TIP_VERTICES, (15, 3, 6, 12, 9), strict=True):
        weights[vertex] = np.eye(16)[bone]
    return {
        "v_template": template,
        "shapedirs": shape * rng.normal(size=(778, 3, 10)),
        "posedirs": pose * rng.normal(size=(778, 3, 135)),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([PARENT, range(16)], dtype=np.int64),
        "hands_mean": 0.1 * rng.normal(size=45),
        "hands_components": np.linalg.qr(rng.normal(size=(45, 45)))[0],
        "f": np.zeros((1538, 3), np.uint32),
    }


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    path = tmp_path / "model" / "MANO_RIGHT.npz"
    path.parent.mkdir()
    np.savez(path, **mano_arrays())  # type: ignore[arg-type]
    return path


def test_at_rest_the_keypoints_are_the_template_s(model_path: Path) -> None:
    model = read_mano(model_path)
    points = model.keypoints(np.zeros((1, 48)), np.zeros((1, 10)), np.array([[0.1, 0.2, 0.3]]))
    joints, tips = rest_joints()
    wanted = np.concatenate([joints, tips])[list(TO_KEYPOINTS)] + [0.1, 0.2, 0.3]
    np.testing.assert_allclose(points[0], wanted, atol=1e-12)


def brute_force(arrays: dict, pose: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """The paper's equations with 4 x 4 matrices for one hand: 16 joints, then 5 tips."""
    shaped = arrays["v_template"] + arrays["shapedirs"] @ betas
    rest = arrays["J_regressor"] @ shaped
    turns = Rotation.from_rotvec(pose.reshape(16, 3)).as_matrix()
    posed = shaped + arrays["posedirs"] @ (turns[1:] - np.eye(3)).ravel()
    world: list[np.ndarray] = []
    for joint in range(16):
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        local[:3, 3] = rest[joint] - (rest[PARENT[joint]] if joint else 0.0)
        world.append(world[PARENT[joint]] @ local if joint else local)
    moves = []
    for joint in range(16):
        back = np.eye(4)
        back[:3, 3] = -rest[joint]
        moves.append(world[joint] @ back)
    tips = []
    for vertex in TIP_VERTICES:
        blend = np.einsum("j,jkl->kl", arrays["weights"][vertex], np.array(moves))
        tips.append((blend @ np.append(posed[vertex], 1.0))[:3])
    return np.concatenate([np.array(world)[:, :3, 3], tips])[list(TO_KEYPOINTS)]


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_keypoints_follow_the_paper_s_equations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = mano_arrays(seed % 7, shape=0.01, pose=0.002)
    arrays["weights"] = rng.uniform(size=(778, 16))
    arrays["weights"] /= arrays["weights"].sum(axis=1, keepdims=True)
    with patch("dexgrasp.datasets.mano.read_document") as read:
        read.return_value.value = arrays
        model = read_mano(Path("MANO_RIGHT.npz"))
    pose, betas = rng.normal(scale=0.5, size=(3, 48)), rng.normal(size=(3, 10))
    found = model.keypoints(pose, betas, np.zeros((3, 3)))
    for i in range(3):
        np.testing.assert_allclose(found[i], brute_force(arrays, pose[i], betas[i]), atol=1e-10)


def test_pose_components_add_to_the_mean(model_path: Path) -> None:
    model, arrays = read_mano(model_path), mano_arrays()
    coefficients = np.array([[0.3, -0.2, 0.1]])
    wanted = coefficients @ arrays["hands_components"][:3]
    np.testing.assert_allclose(model.full_pose(coefficients, flat=True), wanted)
    np.testing.assert_allclose(
        model.full_pose(coefficients, flat=False), wanted + arrays["hands_mean"]
    )


def test_the_original_pickle_with_scipy_and_chumpy_is_read_without_them(tmp_path: Path) -> None:
    arrays = mano_arrays(shape=0.01, pose=0.001)
    chumpy = {name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")}

    class Ch:
        def __init__(self, x: np.ndarray) -> None:
            self.x = x

        def __getstate__(self):
            return {"x": self.x, "_dirty_vars": set()}

    class Select:
        def __init__(self, a: object, idxs: np.ndarray, shape: tuple[int, ...]) -> None:
            self.a, self.idxs, self.preferred_shape = a, idxs, shape

    for kind, module in ((Ch, "chumpy.ch"), (Select, "chumpy.reordering")):
        kind.__module__, kind.__qualname__ = module, kind.__name__
        setattr(chumpy[module], kind.__name__, kind)
    whole = np.concatenate([arrays["shapedirs"], np.zeros((778, 3, 2))], axis=2)
    keep = np.arange(whole.size).reshape(whole.shape)[:, :, :10].ravel()
    original = {
        **arrays,
        "J_regressor": csc_matrix(arrays["J_regressor"]),
        "shapedirs": Select(Ch(whole), keep, (778, 3, 10)),
        "weights": Ch(arrays["weights"]),
        "bs_type": "lrotmin",
    }
    path = tmp_path / "MANO_RIGHT.pkl"
    with patch.dict(sys.modules, chumpy):
        path.write_bytes(pickle.dumps(original, protocol=2))
    model = read_mano(path)
    np.testing.assert_array_equal(model.regressor, arrays["J_regressor"])
    np.testing.assert_array_equal(model.shape_directions, arrays["shapedirs"])
    np.testing.assert_array_equal(model.weights, arrays["weights"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": np.zeros((778, 15))}, r"weights has shape \(778, 15\)"),
        ({"kintree_table": np.zeros((2, 16), np.int64)}, None),
        ({"kintree_table": np.tile(np.arange(16) + 1, (2, 1))}, "no tree"),
    ],
)
def test_a_model_of_other_sizes_is_refused(tmp_path: Path, change: dict, words) -> None:
    path = tmp_path / "MANO_RIGHT.npz"
    np.savez(path, **{**mano_arrays(), **change})  # type: ignore[arg-type]
    if words is None:
        assert read_mano(path).parent[0] == -1
        return
    with pytest.raises(GraspError, match=words):
        read_mano(path)


# Human grasps in their own files ------------------------------------------------------------


def curled(seed: int = 0) -> np.ndarray:
    """(1, 48): fingers bent by about a radian in all, thumb opposed."""
    pose = np.zeros((16, 3))
    for first in KNUCKLES:
        pose[first : first + 3, 1] = -0.5
    pose[13] = [0.6, -0.4, 0.0]
    pose[0] = Rotation.random(random_state=seed).as_rotvec()
    return pose.reshape(1, 48)


def world_scene(model_path: Path):
    """21 keypoints of a hand, and an object's pose, in one world."""
    points = read_mano(model_path).keypoints(curled(), np.zeros((1, 10)), np.array([[0.1, 0, 0.5]]))
    T_world_object = np.eye(4)
    T_world_object[:3, :3] = Rotation.random(random_state=3).as_matrix()
    T_world_object[:3, 3] = [0.2, 0.05, 0.55]
    return points, T_world_object


def check_pads(table: GraspTable, points: np.ndarray, T_world_object: np.ndarray) -> None:
    """The robot's pads are where the human's fingertips are on the object."""
    hand = load(table.hand)
    links = hand.forward(table.grasp)[0, hand.distal_links]
    pads = (links[:, :3, :3] @ pad_points(hand)[..., None])[..., 0] + links[:, :3, 3]
    placed = transform_points(table.T_object_palm[0], pads)
    wanted = hand_keypoints(points, T_world_object[None]).pads[0, [1, 2, 3, 0]]
    assert np.linalg.norm(placed - wanted, axis=1).max() < 2e-3
    # Its palm faces the same way, within what the fingers need.
    human = hand_keypoints(points, T_world_object[None]).T_object_grasp[0, :3, 2]
    assert (table.T_object_palm[0] @ hand.T_palm_grasp)[:3, 2] @ human > 0.5


def ho3d(T_world_object: np.ndarray, **more: object) -> dict:
    return {
        "objRot": Rotation.from_matrix(T_world_object[:3, :3]).as_rotvec()[:, None],
        "objTrans": T_world_object[:3, 3],
        "objName": "025_mug",
        "objLabel": 25,
        "camMat": np.eye(3),
        **more,
    }


@pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
def test_ho3d_joints_are_carried_over(tmp_path: Path, model_path: Path, name: str) -> None:
    points, T = world_scene(model_path)
    in_mano_order = np.empty((21, 3))
    in_mano_order[list(TO_KEYPOINTS)] = points[0]
    path = tmp_path / "0012.pkl"
    path.write_bytes(pickle.dumps(ho3d(T, handJoints3D=in_mano_order), protocol=2))
    table = read_grasps(path, load(name))
    assert table.source == f"{path} (ho3d)"
    assert table.objects == ("025_mug",)
    check_pads(table, points, T)


def test_ho3d_parameters_need_the_user_s_model(
    tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, T = world_scene(model_path)
    content = ho3d(
        T,
        handJoints3D=points[0, 0],  # the wrist alone, as in the evaluation split
        handPose=curled()[0],
        handBeta=np.zeros(10),
        handTrans=np.array([0.1, 0.0, 0.5]),
    )
    path = tmp_path / "0012.pkl"
    path.write_bytes(pickle.dumps(content, protocol=2))
    monkeypatch.delenv("DEXGRASP_MANO", raising=False)
    with pytest.raises(GraspError, match=r"set DEXGRASP_MANO to your MANO_RIGHT\.pkl.*mano\.is"):
        read_grasps(path, load("allegro_right"))
    monkeypatch.setenv("DEXGRASP_MANO", str(model_path))
    check_pads(read_grasps(path, load("allegro_right")), points, T)


def test_a_ho3d_frame_without_annotation_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "0001.pkl"
    path.write_bytes(pickle.dumps({**ho3d(np.eye(4)), "objRot": None}))
    with pytest.raises(GraspError, match="without annotation"):
        read_grasps(path, load("allegro_right"))


def dexycb(tmp_path: Path, points: np.ndarray, T: np.ndarray, side: str = "right") -> Path:
    folder = tmp_path / "20200709_141841"
    (folder / "932122060861").mkdir(parents=True)
    meta = {"ycb_ids": [3, 14, 7], "ycb_grasp_ind": 1, "mano_sides": [side], "num_frames": 72}
    (folder / "meta.yml").write_text(yaml.safe_dump(meta))
    pose = np.tile(np.eye(4)[:3], (3, 1, 1))
    pose[1] = T[:3]
    path = folder / "932122060861" / "labels_000053.npz"
    np.savez(
        path,
        seg=np.zeros((4, 4), np.uint8),
        pose_y=pose.astype(np.float32),
        pose_m=np.zeros((1, 51), np.float32),
        joint_3d=points.astype(np.float32),
    )
    return path


def test_dexycb_takes_object_and_side_from_the_sequence(tmp_path: Path, model_path: Path) -> None:
    points, T = world_scene(model_path)
    table = read_grasps(dexycb(tmp_path, points, T), load("leap_right"))
    assert table.source.endswith("(dexycb)")
    assert table.objects == ("025_mug",)
    check_pads(table, points, T)


@pytest.mark.parametrize(
    ("side", "words"), [("left", "a left hand"), ("right", "no hand is visible")]
)
def test_dexycb_frames_without_a_right_hand_are_refused(
    tmp_path: Path, model_path: Path, side: str, words: str
) -> None:
    points, T = world_scene(model_path)
    points = points if side == "left" else np.full((1, 21, 3), -1.0)
    with pytest.raises(GraspError, match=words):
        read_grasps(dexycb(tmp_path, points, T, side), load("leap_right"))


def test_dexycb_without_its_meta_says_so(tmp_path: Path, model_path: Path) -> None:
    path = dexycb(tmp_path, *world_scene(model_path))
    path.parents[1].joinpath("meta.yml").unlink()
    with pytest.raises(GraspError, match=r"needs .*meta\.yml"):
        read_grasps(path, load("leap_right"))


def grab(tmp_path: Path, model_path: Path, T: np.ndarray) -> Path:
    folder = tmp_path / "GRAB" / "grab" / "s1"
    (folder.parents[1] / "tools" / "subject_meshes").mkdir(parents=True)
    folder.mkdir(parents=True)
    vtemp = "tools/subject_meshes/s1_rhand.ply"
    template = trimesh.Trimesh(mano_arrays()["v_template"], [[0, 1, 2]], process=False)
    template.export(folder.parents[1] / vtemp)
    pose = np.tile(curled(), (3, 1))
    contact = np.zeros((3, 50), np.int8)
    contact[0, :40] = 21  # the left hand touches more
    contact[1, :10] = 43
    contact[2, :2] = 22
    # GRAB's objects: v R(global_orient) + transl, so that the file holds the opposite turn.
    orient = -Rotation.from_matrix(T[:3, :3]).as_rotvec()
    path = folder / "mug_drink_1.npz"
    np.savez(
        path,
        obj_name="mug",
        n_comps=24,
        contact={"object": contact, "body": np.zeros((3, 4), np.int8)},  # type: ignore[arg-type]
        object={
            "params": {
                "global_orient": np.tile(orient, (3, 1)),
                "transl": T[None, :3, 3].repeat(3, 0),
            }
        },  # type: ignore[arg-type]
        rhand={  # type: ignore[arg-type]
            "params": {
                "global_orient": pose[:, :3],
                "fullpose": pose[:, 3:],
                "transl": np.tile([0.1, 0.0, 0.5], (3, 1)),
            },
            "vtemp": vtemp,
        },
    )
    return path


def test_grab_reads_the_frame_with_most_contact(
    tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEXGRASP_MANO", str(model_path))
    points, T = world_scene(model_path)
    path = grab(tmp_path, model_path, T)
    table = read_grasps(path, load("allegro_right"))
    assert table.source.endswith("(grab)")
    assert table.objects == ("mug",)
    check_pads(table, points, T)
    os.remove(tmp_path / "GRAB" / "tools" / "subject_meshes" / "s1_rhand.ply")
    with pytest.raises(GraspError, match=r"s1_rhand\.ply \(778 vertices\)"):
        read_grasps(path, load("allegro_right"))


def test_graspxl_human_hands_are_carried_over(
    tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEXGRASP_MANO", str(model_path))
    points, T = world_scene(model_path)
    pose = curled()
    value = {
        "right_hand": {
            "trans": np.array([[9.0, 9.0, 9.0], [0.1, 0.0, 0.5]]),
            "rot": np.concatenate([pose[:, :3], pose[:, :3]]),
            "pose": np.concatenate([np.zeros((1, 45)), pose[:, 3:]]),
        },
        "mug": {
            "trans": np.stack([np.zeros(3), T[:3, 3]]),
            "rot": np.stack([np.zeros(3), Rotation.from_matrix(T[:3, :3]).as_rotvec()]),
            "angle": np.zeros((2, 1)),
        },
    }
    path = tmp_path / "motion.npy"
    np.save(path, np.array(value, dtype=object), allow_pickle=True)
    check_pads(read_grasps(path, load("leap_right")), points, T)
