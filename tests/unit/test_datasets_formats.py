"""Readers of robot grasps: what is written in each layout is read back, and faults are named."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dexgrasp.datasets import GraspTable, read_grasps
from dexgrasp.datasets.formats import FORMATS
from dexgrasp.datasets.formats.dexfuncgrasp import JOINTS as GRASPIT_JOINTS
from dexgrasp.datasets.formats.dexfuncgrasp import T_GRASPIT_PALM
from dexgrasp.datasets.formats.scenes import HALF
from dexgrasp.datasets.retarget import pad_points
from dexgrasp.datasets.shadow import shadow_model
from dexgrasp.errors import GraspError
from dexgrasp.geometry import inverse, quaternion_from_pose, transform_points
from dexgrasp.hands import HandModel
from dexgrasp.objects import exact_signed_distance, load_object

SHARED = Path(os.environ.get("DEXGRASP_SHARED", Path(__file__).parents[3] / "shared"))
load = cache(HandModel.load)
hands = pytest.mark.parametrize("name", ["allegro_right", "leap_right"])


def random_pose(seed: int, reach: float = 0.1) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    pose[:3, 3] = reach * np.random.default_rng(seed).normal(size=3)
    return pose


def random_grasps(name: str, count: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """T_object_palm (n, 4, 4) and joints (n, J)."""
    rng, hand = np.random.default_rng(seed), load(name)
    q = rng.uniform(hand.joint_lower, hand.joint_upper, (count, hand.joint_count))
    return np.array([random_pose(seed + i) for i in range(count)]), q


def seven(pose: np.ndarray) -> np.ndarray:
    return np.concatenate([pose[..., :3, 3], quaternion_from_pose(pose)], axis=-1)


def save_object(path: Path, value: object) -> Path:
    """`np.save` of one Python object, as dict-valued data sets are written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.array(value, dtype=object), allow_pickle=True)
    return path


def check_rows(table: GraspTable, T: np.ndarray, q: np.ndarray) -> None:
    np.testing.assert_allclose(table.T_object_palm, T, atol=1e-7)
    np.testing.assert_allclose(table.grasp, q, atol=1e-7)


def check_pads(table: GraspTable, source: np.ndarray) -> None:
    """The robot's pads (index, middle, ring, thumb) are at those of a Shadow hand (n, 5, 3)."""
    hand = load(table.hand)
    links = hand.forward(table.grasp)[:, hand.distal_links]
    pads = (links[..., :3, :3] @ pad_points(hand)[None, ..., None])[..., 0] + links[..., :3, 3]
    placed = transform_points(table.T_object_palm, pads)
    assert np.linalg.norm(placed - source[:, [1, 2, 3, 0]], axis=2).max() < 1e-3


def shadow_grasps(kind: str, count: int = 3) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Palm poses, and half-closed joints (n,) by name."""
    names = shadow_model(kind).joints
    q = {name: np.full(count, 0.5) for name in names}
    for name in names:
        number = int(name[3]) + (0 if kind == "vendor" else 1)
        if not name.startswith("TH") and number >= 4:
            q[name] = np.linspace(0.0, 0.1, count)  # splay and metacarpal
    thumb = dict(zip(names[-5:], (0.4, 0.9, 0.0, 0.1, 0.2), strict=True))
    for name, value in thumb.items():
        sign = -1.0 if kind == "adroit" and name in ("THJ1", "THJ0") else 1.0
        q[name] = np.full(count, sign * value)
    return np.array([random_pose(10 + i) for i in range(count)]), q


def shadow_pads(kind: str, T: np.ndarray, q: dict[str, np.ndarray]) -> np.ndarray:
    model = shadow_model(kind)
    return model.keypoints(T, np.stack([q[name] for name in model.joints], axis=1)).pads


# FRoGGeR


def frogger(path: Path, T: np.ndarray, q: np.ndarray, names: list[str], hand: str) -> Path:
    grasps = [
        {
            "object": f"00{i}_mug",
            "palm_in_object": {
                "position": T[i, :3, 3].tolist(),
                "quat_wxyz": quaternion_from_pose(T[i]).tolist(),
            },
            "q": q[i].tolist(),
            "pick_success": bool(i % 2),
        }
        for i in range(len(q))
    ]
    content = {"schema_version": 1, "hand": hand, "joint_names": names, "grasps": grasps}
    path.write_text(json.dumps(content))
    return path


@hands
def test_frogger_is_read_as_written(tmp_path: Path, name: str) -> None:
    T, q = random_grasps(name)
    order = list(reversed(range(16)))
    names = [load(name).joint_names[i] for i in order]
    path = frogger(tmp_path / "a.json", T, q[:, order], names, name)
    table = read_grasps(path, load(name))
    assert table.source == f"{path} (frogger)"
    check_rows(table, T, q)
    assert table.objects == ("000_mug", "001_mug", "002_mug", "003_mug")
    np.testing.assert_array_equal(table.score, [0.0, 1.0, 0.0, 1.0])


def test_frogger_of_another_hand_or_with_bad_rows(tmp_path: Path) -> None:
    T, q = random_grasps("allegro_right")
    q[1, 3] = np.nan
    names = list(load("allegro_right").joint_names)
    path = frogger(tmp_path / "a.json", T, q, names, "allegro_right")
    assert read_grasps(path, load("allegro_right")).row.tolist() == [0, 2, 3]
    with pytest.raises(GraspError, match="of the allegro_right hand, not of leap_right"):
        read_grasps(path, load("leap_right"))
    path.write_text(path.read_text()[:500])
    with pytest.raises(GraspError, match=r"a\.json is not whole JSON"):
        read_grasps(path, load("allegro_right"))


@pytest.mark.shared
def test_frogger_s_published_tips_are_where_it_says() -> None:
    path = SHARED / "data" / "grasps" / "allegro_frogger_ycb.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    hand = load("allegro_right")
    table = read_grasps(path, hand)
    assert len(table) == 300
    assert not table.rejected
    assert set(table.score) == {0.0, 1.0}
    tips = transform_points(table.T_object_palm, hand.fingertips(table.grasp))
    grasps = json.loads(path.read_text())["grasps"]
    wanted = np.array([g["tip_sphere_centres_in_object"] for g in grasps])
    assert np.linalg.norm(tips - wanted, axis=2).max() < 2e-4
    # Their sphere centres lie 7 to 13 mm from the scan (allegro_frogger_ycb.json, expectation).
    model = load_object(SHARED / "data" / "ycb_meshes" / "055_baseball.obj")
    chosen = [i for i, name in enumerate(table.objects) if name == "055_baseball"]
    distance = exact_signed_distance(model.mesh, tips[chosen].reshape(-1, 3))
    assert 0.005 < distance.min() <= distance.max() < 0.015


# DexGraspNet, UniDexGrasp


def qpos(T: np.ndarray, joints: dict[str, float]) -> dict[str, float]:
    angles = Rotation.from_matrix(T[:3, :3]).as_euler("xyz")
    place = {f"WRJT{a}": float(v) for a, v in zip("xyz", T[:3, 3], strict=True)}
    turn = {f"WRJR{a}": float(v) for a, v in zip("xyz", angles, strict=True)}
    return {**joints, **place, **turn}


@hands
def test_dexgraspnet_robots_are_read_as_written(tmp_path: Path, name: str) -> None:
    T, q = random_grasps(name)
    names = load(name).joint_names
    rows = [
        {"qpos": qpos(T[i], dict(zip(names, q[i], strict=True))), "scale": 0.06 + 0.02 * i}
        for i in range(4)
    ]
    path = tmp_path / "core-mug-1a2b.npy"
    np.save(path, np.array(rows, dtype=object), allow_pickle=True)
    table = read_grasps(path, load(name))
    assert table.source == f"{path} (dexgraspnet)"
    check_rows(table, T, q)
    assert set(table.objects) == {"core-mug-1a2b"}
    np.testing.assert_allclose(table.scale, [0.06, 0.08, 0.10, 0.12])


def test_dexgraspnet_shadow_hands_are_carried_over(tmp_path: Path) -> None:
    T, q = shadow_grasps("adroit")
    rows = [
        {"qpos": qpos(T[i], {f"robot0:{k}": float(v[i]) for k, v in q.items()}), "scale": 0.08}
        for i in range(3)
    ]
    del rows[1]["qpos"]["robot0:FFJ2"]
    path = tmp_path / "mug.npy"
    np.save(path, np.array(rows, dtype=object), allow_pickle=True)
    table = read_grasps(path, load("leap_right"))
    assert table.row.tolist() == [0, 2]
    assert "row 1" in table.rejected[0].words
    check_pads(table, shadow_pads("adroit", T, q)[[0, 2]])


def test_unidexgrasp_scale_is_inverted_and_the_folder_names_the_object(tmp_path: Path) -> None:
    T, q = shadow_grasps("adroit", 1)
    path = tmp_path / "core" / "bottle-1a2b" / "00000.npz"
    path.parent.mkdir(parents=True)
    joints = {f"robot0:{k}": float(v[0]) for k, v in q.items()}
    np.savez(path, qpos=qpos(T[0], joints), scale=12.5, plane=np.array([0.0, 0.0, 1.0, 0.05]))  # type: ignore[arg-type]
    table = read_grasps(path, load("allegro_right"))
    assert table.source.endswith("(unidexgrasp)")
    assert table.objects == ("bottle-1a2b",)
    np.testing.assert_allclose(table.scale, [0.08])
    check_pads(table, shadow_pads("adroit", T, q))


# GraspXL


def graspxl(name: str, T_object_palm: np.ndarray, q: np.ndarray) -> tuple[dict, np.ndarray]:
    T_world_object = random_pose(99, reach=1.0)
    T_world_palm = T_world_object @ T_object_palm

    def motion(pose: np.ndarray) -> dict[str, np.ndarray]:
        turn = Rotation.from_matrix(pose[:3, :3]).as_rotvec()
        return {"trans": np.stack([np.ones(3), pose[:3, 3]]), "rot": np.stack([np.ones(3), turn])}

    theirs = load(name).to_order(q, "menagerie")
    pose = np.concatenate([np.zeros(6), theirs])
    value = {
        "right_hand": {**motion(T_world_palm), "pose": np.stack([np.zeros(22), pose])},
        "mug": {**motion(T_world_object), "angle": np.zeros((2, 1))},
    }
    return value, T_world_palm


@hands
def test_graspxl_last_frame_is_read(tmp_path: Path, name: str) -> None:
    T, q = random_grasps(name, 1)
    value, _ = graspxl(name, T[0], q[0])
    path = save_object(tmp_path / "a.npy", value)
    table = read_grasps(path, load(name))
    assert table.source == f"{path} (graspxl)"
    assert table.objects == ("mug",)
    check_rows(table, T, q)


def test_graspxl_with_moved_base_or_other_widths_is_refused(tmp_path: Path) -> None:
    T, q = random_grasps("allegro_right", 1)
    value, _ = graspxl("allegro_right", T[0], q[0])
    value["right_hand"]["pose"][-1, 2] = 0.1
    with pytest.raises(GraspError, match="base values of pose are not zero"):
        read_grasps(save_object(tmp_path / "a.npy", value), load("allegro_right"))
    value["right_hand"]["pose"] = value["right_hand"]["pose"][:, :20]
    with pytest.raises(GraspError, match="pose has 20 values; read are 6 and the 16 joints"):
        read_grasps(save_object(tmp_path / "b.npy", value), load("allegro_right"))


# BODex, Dexonomy, DexGraspBench

# Palms in the MuJoCo files' roots (their right.xml): Allegro quat 0 1 0 1, LEAP pos 0 0 0.1 and
# quat 0 1 0 0, as T_root_palm.
ROOTS = {
    "allegro_right": [[0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]],
    "leap_right": [[1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.1]],
}


def in_world(name: str, T_object_palm: np.ndarray, q: np.ndarray, T_world_object: np.ndarray):
    """(n, 7 + J) qpos of the MuJoCo hands."""
    root = np.eye(4)
    root[:3] = ROOTS[name]
    T_world_root = T_world_object @ T_object_palm @ np.linalg.inv(root)
    return np.concatenate([seven(T_world_root), load(name).to_order(q, "menagerie")], axis=1)


@hands
def test_dexgraspbench_is_read_as_written(tmp_path: Path, name: str) -> None:
    T, q = random_grasps(name, 3)
    T_world_object = random_pose(50)
    stages = in_world(name, T, q, T_world_object)  # pre-grasp, grasp, squeeze
    value = {
        "obj_path": "assets/object/DGN_2k/core_bottle_1a2b",
        "obj_scale": 0.06,
        "obj_pose": seven(T_world_object),
        "pregrasp_qpos": stages[0].astype(np.float32),
        "grasp_qpos": stages[1].astype(np.float32),
        "squeeze_qpos": stages[2].astype(np.float32),
    }
    path = save_object(tmp_path / "0.npy", value)
    table = read_grasps(path, load(name))
    assert table.source == f"{path} (dexgraspbench)"
    check_rows(table, T[1:2], q[1:2])
    np.testing.assert_allclose(table.pregrasp[0], q[0], atol=1e-6)
    np.testing.assert_allclose(table.squeeze[0], q[2], atol=1e-6)
    assert table.objects == ("core_bottle_1a2b",)
    np.testing.assert_allclose(table.scale, [0.06])


def test_dexgraspbench_shadow_is_carried_over(tmp_path: Path) -> None:
    T, q = shadow_grasps("vendor", 1)
    T_world_object = random_pose(50)
    root = np.eye(4)
    root[2, 3] = 0.034
    T_world_root = T_world_object @ T[0] @ np.linalg.inv(root)
    joints = np.array([q[name][0] for name in shadow_model("vendor").joints])
    value = {
        "obj_path": "bottle",
        "obj_scale": 0.06,
        "obj_pose": seven(T_world_object),
        "grasp_qpos": np.concatenate([seven(T_world_root), joints]),
    }
    path = save_object(tmp_path / "0.npy", value)
    table = read_grasps(path, load("allegro_right"))
    check_pads(table, shadow_pads("vendor", T, q))


def scene(T_world_object: np.ndarray, scale: float) -> dict:
    entry = {
        "type": "rigid_object",
        "file_path": "../../processed_data/core_bottle_1a2b/mesh/simplified.obj",
        "xml_path": "../../processed_data/core_bottle_1a2b/urdf/coacd.xml",
        "scale": np.full(3, scale),
        "pose": seven(T_world_object),
    }
    return {
        "scene": {"bottle": entry, "table": {"type": "plane", "pose": [0, 0, 0, 1, 0, 0, 0]}},
        "task": {"type": "force_closure", "obj_name": "bottle"},
        "scene_id": "core_bottle_1a2b/floating/scale006",
    }


@pytest.mark.parametrize("where", ["file", "legacy", "scene"])
def test_dexonomy_finds_the_object_wherever_it_is(tmp_path: Path, where: str) -> None:
    T, q = random_grasps("leap_right", 4)
    T_world_object = random_pose(51)
    stages = in_world("leap_right", T, q, T_world_object)
    value = {
        "hand_name": "leap",
        "pregrasp_qpos": stages[:2],
        "grasp_qpos": stages[2:3],
        "squeeze_qpos": stages[3:4],
        "scene_path": "/their/disk/assets/DGN_5k/scene_cfg/core_bottle_1a2b/scale006.npy",
    }
    if where == "file":
        value |= {"obj_pose": seven(T_world_object), "obj_scale": np.array([0.06])}
    elif where == "legacy":
        value["scene_cfg"] = scene(T_world_object, 0.06)
    else:
        beside = tmp_path / "assets" / "DGN_5k" / "scene_cfg" / "core_bottle_1a2b"
        save_object(beside / "scale006.npy", scene(T_world_object, 0.06))
    path = save_object(tmp_path / "succgrasp" / "leap" / "0_grasp.npy", value)
    table = read_grasps(path, load("leap_right"))
    assert table.source == f"{path} (dexonomy)"
    check_rows(table, T[2:3], q[2:3])
    np.testing.assert_allclose(table.pregrasp[0], q[0], atol=1e-7)
    np.testing.assert_allclose(table.scale, [0.06])


def test_a_scene_that_is_not_there_is_named(tmp_path: Path) -> None:
    T, q = random_grasps("leap_right", 1)
    value = {
        "grasp_qpos": in_world("leap_right", T, q, np.eye(4)),
        "scene_path": "assets/scene_cfg/x.npy",
    }
    path = save_object(tmp_path / "0_grasp.npy", value)
    with pytest.raises(GraspError, match=r"pose is in assets/scene_cfg/x\.npy, which is neither"):
        read_grasps(path, load("leap_right"))
    del value["scene_path"]
    path = save_object(tmp_path / "1_grasp.npy", value)
    with pytest.raises(GraspError, match="neither obj_pose and obj_scale nor a scene"):
        read_grasps(path, load("leap_right"))


def bodex(T_world_object: np.ndarray, stages: np.ndarray, **more: object) -> dict:
    """stages: (seeds, 3, 7 + n)."""
    mesh = {
        "pose": seven(T_world_object),
        "scale": np.full(3, 0.08),
        "file_path": "/their/disk/processed_data/core_bottle_1a2b/mesh/simplified.obj",
    }
    return {
        "robot_pose": stages[None].astype(np.float32),
        "world_cfg": [{"mesh": {"scale008_bottle": mesh}}],
        "manip_name": ["scale008_bottle"],
        "scene_path": ["/their/disk/scene.npy"],
        "contact_point": np.zeros((1, len(stages), 3, 4, 3)),
        **more,
    }


@hands
@pytest.mark.parametrize("named", [True, False])
def test_bodex_seeds_are_rows(tmp_path: Path, name: str, named: bool) -> None:
    T, q = random_grasps(name, 2)
    _, pre = random_grasps(name, 2, seed=7)
    T_world_object = random_pose(52)
    hand = load(name)
    program = "bodex" if named and name == "leap_right" else "menagerie"
    world = seven(T_world_object @ T)
    stages = np.stack(
        [
            np.concatenate([world, hand.to_order(joints, program)], axis=1)
            for joints in (pre, q, 2.0 * q - pre)
        ],
        axis=1,
    )
    names = {
        "allegro_right": list(hand.joint_names),
        "leap_right": list(hand.order_names(program)),
    }
    more = {"joint_names": names[name]} if named else {}
    path = save_object(tmp_path / "x_grasp.npy", bodex(T_world_object, stages, **more))
    table = read_grasps(path, hand)
    assert table.source == f"{path} (bodex)"
    np.testing.assert_allclose(table.T_object_palm, T, atol=1e-6)
    np.testing.assert_allclose(table.grasp, q, atol=1e-6)
    np.testing.assert_allclose(table.pregrasp, pre, atol=1e-6)
    np.testing.assert_allclose(table.squeeze, hand.clip(2.0 * q - pre), atol=1e-6)
    assert table.objects == ("core_bottle_1a2b",) * 2
    np.testing.assert_allclose(table.scale, 0.08)


@pytest.mark.parametrize("named", [True, False])
def test_bodex_shadow_has_its_thumb_first_unless_it_says_otherwise(
    tmp_path: Path, named: bool
) -> None:
    T, q = shadow_grasps("vendor", 2)
    T_world_object = random_pose(52)
    own = shadow_model("vendor").joints
    order = list(own) if named else [*own[17:], *own[:17]]
    joints = np.stack([q[name] for name in order], axis=1)
    stage = np.concatenate([seven(T_world_object @ T), joints], axis=1)
    more = {"joint_names": [f"rh_{name}" for name in order]} if named else {}
    value = bodex(T_world_object, np.stack([stage] * 3, axis=1), **more)
    table = read_grasps(save_object(tmp_path / "x_grasp.npy", value), load("allegro_right"))
    check_pads(table, shadow_pads("vendor", T, q))


def test_bodex_of_another_shape_is_an_error(tmp_path: Path) -> None:
    value = bodex(np.eye(4), np.zeros((2, 2, 23)))
    with pytest.raises(GraspError, match=r"robot_pose has shape \(1, 2, 2, 23\)"):
        read_grasps(save_object(tmp_path / "x_grasp.npy", value), load("allegro_right"))


def test_half_is_the_sine_of_a_quarter_turn() -> None:
    assert pytest.approx(np.sin(np.pi / 4.0)) == HALF


# DexFuncGrasp, RealDex


def graspit_xml(T_world_object: np.ndarray, T_object_palm: np.ndarray, q: dict) -> str:
    def words(pose: np.ndarray) -> str:
        quaternion = " ".join(f"{v:.17g}" for v in quaternion_from_pose(pose))
        return f"({quaternion})[{' '.join(f'{1e3 * v:+.17g}' for v in pose[:3, 3])}]"

    base = T_world_object @ T_object_palm @ inverse(T_GRASPIT_PALM)
    dofs = " ".join(f"{q[name][0]:.17g}" for name in GRASPIT_JOINTS)
    return (
        '<?xml version="1.0" encoding="utf-8"?><world><graspableBody>'
        "<filename>/hjl_data/mug/unit_025_mug.xml</filename><transform><fullTransform>"
        f"{words(T_world_object)}</fullTransform></transform></graspableBody><robot>"
        f"<filename>our_hand.xml</filename><dofValues>{dofs}</dofValues><transform>"
        f"<fullTransform>{words(base)}</fullTransform></transform></robot></world>"
    )


@pytest.mark.parametrize("given", ["xml", "pkl"])
def test_dexfuncgrasp_is_carried_over_from_its_graspit_world(tmp_path: Path, given: str) -> None:
    import pickle

    T, q = shadow_grasps("vendor", 1)
    xml = tmp_path / "0_6.xml"
    xml.write_text(graspit_xml(random_pose(53), T[0], q))
    points = (np.zeros((4000, 3)), np.zeros((4000, 16)), "unit_025_mug", np.zeros((28, 3)), 6)
    pkl = xml.with_suffix(".pkl")
    pkl.write_bytes(pickle.dumps((*points, np.zeros((2000, 3)))))
    table = read_grasps(tmp_path / f"0_6.{given}", load("allegro_right"))
    assert table.source.endswith("(dexfuncgrasp)")
    assert table.objects == ("unit_025_mug",)
    check_pads(table, shadow_pads("vendor", T, q))
    assert len(read_grasps(tmp_path, load("allegro_right"))) == 1  # the pair is one grasp
    xml.unlink()
    with pytest.raises(GraspError, match=r"needs 0_6\.xml beside it"):
        read_grasps(pkl, load("allegro_right"))


def test_dexfuncgrasp_quaternions_a_little_too_long_are_normalised(tmp_path: Path) -> None:
    T, q = shadow_grasps("vendor", 1)
    xml = tmp_path / "0_6.xml"
    world = np.eye(4)
    content = graspit_xml(world, T[0], q).replace("(1 0 0 0)", "(1.0034 0 0 0)")
    xml.write_text(content)
    assert "1.0034" in content
    check_pads(read_grasps(xml, load("allegro_right")), shadow_pads("vendor", T, q))
    xml.write_text(content.replace("(1.0034 0 0 0)", "(1.2 0 0 0)"))
    with pytest.raises(GraspError, match="quaternion not unit"):
        read_grasps(xml, load("allegro_right"))


def test_graspit_frame_is_turned_as_published() -> None:
    # GraspIt: x along the fingers, z out of the palm. Shadow: z along the fingers, palm to -y.
    np.testing.assert_allclose(T_GRASPIT_PALM[:3, :3] @ [0, 0, 1], [1, 0, 0])
    np.testing.assert_allclose(T_GRASPIT_PALM[:3, :3] @ [0, -1, 0], [0, 0, 1])
    np.testing.assert_allclose(np.linalg.det(T_GRASPIT_PALM), 1.0)


def test_xml_entities_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xml"
    path.write_text('<!DOCTYPE w [<!ENTITY a "aaaa">]><world>&a;</world>')
    with pytest.raises(GraspError, match="entities"):
        read_grasps(path, load("allegro_right"))


def test_realdex_last_frame_is_carried_over(tmp_path: Path) -> None:
    T, q = shadow_grasps("vendor", 1)
    T_world_object = random_pose(54)
    arm = np.eye(4)
    arm[:3, 3] = [0.0, -0.010, 0.247]  # straight wrist, sr_description
    forearm = T_world_object @ T[0] @ inverse(arm)
    joints = np.array([q[name][0] for name in shadow_model("vendor").joints])

    def turn(pose: np.ndarray) -> np.ndarray:
        return Rotation.from_matrix(pose[:3, :3]).as_rotvec()

    path = tmp_path / "duck_toy" / "12.npz"
    path.parent.mkdir()
    np.savez(
        path,
        qpos=np.stack([np.zeros(22), joints]),
        hand_transl=np.stack([np.zeros(3), forearm[:3, 3]]),
        hand_orient=np.stack([np.zeros(3), turn(forearm)]),
        object_transl=np.stack([np.zeros(3), T_world_object[:3, 3]]),
        object_orient=np.stack([np.zeros(3), turn(T_world_object)]),
        object_points=np.zeros((10, 3)),
    )
    table = read_grasps(path, load("leap_right"))
    assert table.source.endswith("(realdex)")
    assert table.objects == ("duck_toy",)
    check_pads(table, shadow_pads("vendor", T, q))


def test_every_layout_says_what_it_is() -> None:
    for name, form in FORMATS.items():
        assert form.name == name
        assert len(form.describe) > 20
        assert form.suffixes
