"""Torch files without torch: both containers, and the layouts that come in them."""

from __future__ import annotations

import io
import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dexgrasp.datasets import read_grasps
from dexgrasp.datasets.hands import MIRROR
from dexgrasp.datasets.retarget import pad_points
from dexgrasp.datasets.shadow import shadow_model
from dexgrasp.datasets.torchfile import LEGACY_MAGIC, STORAGES, load_torch
from dexgrasp.errors import GraspError
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel

hand = cache(HandModel.load)
MODULES = {"torch": types.ModuleType("torch"), "torch._utils": types.ModuleType("torch._utils")}


def _stand_in(module: str, name: str):
    """What pickle writes as the global `module.name`."""
    made = type(name, (), {"__module__": module})
    setattr(MODULES[module], name, made)
    return made


STORAGE_TYPES = {name: _stand_in("torch", name) for name in STORAGES}
REBUILD = _stand_in("torch._utils", "_rebuild_tensor_v2")


class Storage:
    def __init__(self, values: np.ndarray) -> None:
        self.values = values


class Tensor:
    """Pickles as torch's tensors do."""

    def __init__(self, values, storage: Storage | None = None, offset: int = 0) -> None:
        self.array = np.ascontiguousarray(values)
        self.storage = storage or Storage(self.array)
        self.offset = offset

    def __reduce__(self):
        stride = tuple(s // self.array.itemsize for s in self.array.strides)
        size = self.array.shape
        return REBUILD, (self.storage, self.offset, size, stride, False, OrderedDict())


class Writer(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, view: bool = False) -> None:
        super().__init__(stream, protocol=2)
        self.storages: dict[int, tuple[str, np.ndarray]] = {}
        self.view = view

    def persistent_id(self, obj: object):
        if not isinstance(obj, Storage):
            return None
        key, values = self.storages.setdefault(
            id(obj), (str(len(self.storages)), obj.values.reshape(-1))
        )
        codes = {np.dtype(code): name for name, code in STORAGES.items()}
        kind = STORAGE_TYPES[codes[values.dtype]]
        return ("storage", kind, key, "cpu", len(values), *([None] if self.view else []))


def zip_content(value: object, change=lambda parts: None) -> bytes:
    """The bytes of `torch.save(value)`; `change` may spoil the members first."""
    stream = io.BytesIO()
    writer = Writer(stream)
    with patch.dict(sys.modules, MODULES):  # for as long as pickle looks the names up
        writer.dump(value)
    parts = {"set/data.pkl": stream.getvalue(), "set/byteorder": b"little", "set/version": b"3\n"}
    parts |= {f"set/data/{key}": values.tobytes() for key, values in writer.storages.values()}
    change(parts)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return content.getvalue()


def legacy_content(value: object) -> bytes:
    stream = io.BytesIO()
    for head in (LEGACY_MAGIC, 1001, {"little_endian": True}):
        pickle.dump(head, stream, protocol=2)
    writer = Writer(stream, view=True)
    with patch.dict(sys.modules, MODULES):
        writer.dump(value)
    keys = sorted(key for key, _ in writer.storages.values())
    pickle.dump(keys, stream, protocol=2)
    found = dict(writer.storages.values())
    for key in keys:
        stream.write(len(found[key]).to_bytes(8, "little") + found[key].tobytes())
    return stream.getvalue()


contents = pytest.mark.parametrize("content", [zip_content, legacy_content])


def saved(path: Path, value: object) -> Path:
    path.write_bytes(zip_content(value))
    return path


@contents
@pytest.mark.parametrize("code", sorted(set(STORAGES.values())))
def test_tensors_of_every_type_come_back(content, code: str) -> None:
    values = (np.arange(24).reshape(2, 3, 4) % 2).astype(code)
    read = load_torch(content({"a": Tensor(values), "n": 3}), "a.pt")
    assert read["n"] == 3
    assert read["a"].dtype == values.dtype
    np.testing.assert_array_equal(read["a"], values)


@contents
def test_views_share_one_storage(content) -> None:
    base = Storage(np.arange(10.0))
    first, second = Tensor(np.arange(4.0), base), Tensor(np.arange(3.0) + 5.0, base, 5)
    turned = Tensor(np.zeros((2, 5)).T, base)
    turned.array = np.arange(10.0).reshape(2, 5).T
    read = load_torch(content([first, second, turned]), "a.pt")
    np.testing.assert_array_equal(read[0], np.arange(4.0))
    np.testing.assert_array_equal(read[1], np.arange(3.0) + 5.0)
    np.testing.assert_array_equal(read[2], np.arange(10.0).reshape(2, 5).T)


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@contents
def test_a_hostile_torch_file_does_not_run(content, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    with pytest.raises(GraspError, match=r"evil\.pt.*(posix|os)\.system"):
        load_torch(content({"metadata": [Evil(mark)]}), "evil.pt")
    assert not mark.exists()


@contents
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: setattr(t, "offset", 7), "needs more than its storage"),
        (lambda t: setattr(t, "array", np.broadcast_to(0.0, (1 << 40,))), "needs more than"),
        (lambda t: setattr(t, "offset", -1), "malformed"),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(content, spoil, words: str) -> None:
    tensor = Tensor(np.arange(6.0))
    spoil(tensor)
    with pytest.raises(GraspError, match=words):
        load_torch(content(tensor), "a.pt")


@contents
def test_a_storage_that_claims_ten_gigabytes_is_not_allocated(content) -> None:
    class Lie(np.ndarray):
        def __len__(self) -> int:
            return 10 << 27

    tensor = Tensor(np.arange(6.0))
    tensor.storage = Storage(np.arange(6.0).view(Lie))
    with pytest.raises(GraspError, match="claims 1342177280 items"):
        load_torch(content(tensor), "a.pt")


@contents
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_a_truncated_torch_file_is_an_error(content, keep: float) -> None:
    whole = content({"a": Tensor(np.arange(600.0))})
    with pytest.raises(GraspError, match=r"cut\.pt"):
        load_torch(whole[: int(keep * len(whole))], "cut.pt")


def test_a_storage_shorter_than_its_claim_is_refused() -> None:
    def shorten(parts: dict[str, bytes]) -> None:
        parts["set/data/0"] = parts["set/data/0"][:-8]

    with pytest.raises(GraspError, match="storage 0 is truncated"):
        load_torch(zip_content(Tensor(np.arange(6.0)), shorten), "a.pt")


# The layouts that come as torch files -------------------------------------------------------


def poses_and_joints(name: str, count: int = 4, seed: int = 0):
    rng = np.random.default_rng(seed)
    model = hand(name)
    T = np.tile(np.eye(4), (count, 1, 1))
    T[:, :3, :3] = Rotation.random(count, random_state=seed).as_matrix()
    T[:, :3, 3] = 0.1 * rng.normal(size=(count, 3))
    return T, rng.uniform(model.joint_lower, model.joint_upper, (count, model.joint_count))


def rows_of(T: np.ndarray, q: np.ndarray, robot: str, form: str) -> list[tuple]:
    if form == "rot6d":
        turn = np.concatenate([T[:, :3, 0], T[:, :3, 1]], axis=1)
    else:
        turn = Rotation.from_matrix(T[:, :3, :3]).as_euler("XYZ")
    vectors = np.concatenate([T[:, :3, 3], turn, q], axis=1)
    return [(Tensor(v), f"ycb+object_{i}", robot) for i, v in enumerate(vectors)]


@pytest.mark.parametrize("form", ["rot6d", "euler_XYZ"])
@pytest.mark.parametrize(
    ("name", "robot", "program"),
    [("allegro_right", "allegro_right", "can"), ("leap_right", "leaphand", "menagerie")],
)
def test_multidex_and_dro_rows_of_our_hands_are_read_as_written(
    tmp_path: Path, name: str, robot: str, program: str, form: str
) -> None:
    T, q = poses_and_joints(name)
    rows = rows_of(T, hand(name).to_order(q, program), robot, form)
    rows.insert(2, (Tensor(np.zeros(17)), "ycb+x", "barrett"))
    path = saved(tmp_path / "set.pt", {"info": {}, "metadata": rows})
    table = read_grasps(path, hand(name))
    assert table.source == f"{path} ({'multidex' if form == 'rot6d' else 'dro'})"
    assert table.row.tolist() == [0, 1, 3, 4]
    assert table.objects == tuple(f"ycb+object_{i}" for i in range(4))
    np.testing.assert_allclose(table.T_object_palm, T, atol=1e-7)
    np.testing.assert_allclose(table.grasp, q, atol=1e-7)


def placed_pads(table, row: int) -> np.ndarray:
    model = hand(table.hand)
    links = model.forward(table.grasp[row : row + 1])[0, model.distal_links]
    pads = (links[:, :3, :3] @ pad_points(model)[..., None])[..., 0] + links[:, :3, 3]
    return transform_points(table.T_object_palm[row], pads)


@pytest.mark.parametrize("form", ["rot6d", "euler_XYZ"])
def test_multidex_allegro_is_a_left_hand_and_is_carried_over(tmp_path: Path, form: str) -> None:
    T, _ = poses_and_joints("allegro_right")
    right = hand("allegro_right")
    posture = np.tile(right.postures["precision"], (4, 1))
    # The left hand: fingers listed from y = +0.0435 on, side joints of the other sign.
    left = np.concatenate(
        [posture[:, 8:12], posture[:, 4:8], posture[:, 0:4], posture[:, 12:]], axis=1
    )
    left[:, [0, 4, 8]] *= -1.0
    path = saved(tmp_path / "set.pt", {"info": {}, "metadata": rows_of(T, left, "allegro", form)})
    table = read_grasps(path, right)
    links = right.forward(posture)[:, right.distal_links]
    own = (links[..., :3, :3] @ pad_points(right)[None, ..., None])[..., 0] + links[..., :3, 3]
    wanted = transform_points(T @ MIRROR, own)
    for row in range(4):
        assert np.linalg.norm(placed_pads(table, row) - wanted[row], axis=1).max() < 1e-3


def test_a_file_without_a_usable_robot_says_which_it_has(tmp_path: Path) -> None:
    rows = [(Tensor(np.zeros(17)), "ycb+x", "barrett"), (Tensor(np.zeros(10)), "a+b", "ezgripper")]
    path = saved(tmp_path / "set.pt", {"info": {}, "metadata": rows})
    with pytest.raises(GraspError, match=r"grasps of barrett, ezgripper; for leap_right.*leaphand"):
        read_grasps(path, hand("leap_right"), "multidex")


def test_rows_of_another_length_or_not_finite_are_rejected(tmp_path: Path) -> None:
    T, q = poses_and_joints("allegro_right")
    rows = rows_of(T, q, "allegro_right", "rot6d")
    rows[1] = (Tensor(np.zeros(24)), "ycb+object_1", "allegro_right")
    broken = rows[2][0].array.copy()
    broken[12] = np.nan
    rows[2] = (Tensor(broken), "ycb+object_2", "allegro_right")
    path = saved(tmp_path / "set.pt", {"info": {}, "metadata": rows})
    table = read_grasps(path, hand("allegro_right"))
    assert table.row.tolist() == [0, 3]
    assert "q has 24 numbers" in table.rejected[0].words
    assert "not finite" in table.rejected[1].words


def shadow_grasps(count: int = 3, seed: int = 0):
    """Palm poses and vendor joints of half-closed Shadow hands."""
    T, _ = poses_and_joints("allegro_right", count, seed)
    q = np.full((count, 22), 0.6)
    names = shadow_model("vendor").joints
    for joint, value in {"FFJ4": 0.05, "MFJ4": 0.0, "RFJ4": 0.0, "LFJ4": 0.05, "LFJ5": 0.1}.items():
        q[:, names.index(joint)] = value
    for joint, value in {"THJ5": 0.5, "THJ4": 1.0, "THJ3": 0.0, "THJ2": 0.2, "THJ1": 0.3}.items():
        q[:, names.index(joint)] = value
    return T, q


def from_palm_to_forearm(T_object_palm: np.ndarray) -> np.ndarray:
    """With a straight wrist the palm is 34 mm beyond the wrist, and that 213 mm up the arm."""
    shift = np.eye(4)
    shift[:3, 3] = [0.0, 0.010, -0.247]
    return T_object_palm @ shift


@pytest.mark.parametrize("joints", [22, 24])
def test_dexgrasp_anything_carries_shadow_pads_over(tmp_path: Path, joints: int) -> None:
    T, q = shadow_grasps()
    forearm = from_palm_to_forearm(T)
    rotation = forearm[:, :3, :3]
    shift = (rotation.transpose(0, 2, 1) @ forearm[:, :3, 3:])[..., 0]  # hand = R (x + t)
    rows = [
        {
            "rotations": Tensor(rotation[i]),
            "translations": Tensor(shift[i]),
            "joint_positions": Tensor(np.concatenate([np.zeros(joints - 22), q[i]])),
            "object_name": f"sem-Mug-{i}",
            "scale": 12.5,
        }
        for i in range(3)
    ]
    path = saved(tmp_path / "set.pt", {"info": {}, "metadata": rows})
    table = read_grasps(path, hand("allegro_right"))
    assert table.source.endswith("(dexgrasp_anything)")
    np.testing.assert_allclose(table.scale, 0.08)
    wanted = shadow_model("vendor").keypoints(T, q).pads[:, [1, 2, 3, 0]]
    for row in range(3):
        assert np.linalg.norm(placed_pads(table, row) - wanted[row], axis=1).max() < 1e-3


def test_multidex_shadow_starts_at_the_forearm(tmp_path: Path) -> None:
    T, q = shadow_grasps()
    vectors = np.concatenate([np.zeros((3, 2)), q], axis=1)
    rows = rows_of(from_palm_to_forearm(T), vectors, "shadowhand", "rot6d")
    path = saved(tmp_path / "set.pt", {"info": {}, "metadata": rows})
    table = read_grasps(path, hand("leap_right"))
    wanted = shadow_model("vendor").keypoints(T, q).pads[:, [1, 2, 3, 0]]
    for row in range(3):
        assert np.linalg.norm(placed_pads(table, row) - wanted[row], axis=1).max() < 1e-3
