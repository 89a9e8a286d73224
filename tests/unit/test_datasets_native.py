"""This project's own files: there and back, in any joint order, damaged, lying and hostile."""

from __future__ import annotations

import io
import pickle
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dexgrasp.datasets import GraspTable, read_grasps, write_grasps
from dexgrasp.datasets.table import RawRows, checked_table
from dexgrasp.errors import GraspError
from dexgrasp.hands import HandModel

hand = cache(HandModel.load)
suffixes = pytest.mark.parametrize("suffix", [".npz", ".parquet"])


def random_table(count: int = 6, seed: int = 0, name: str = "allegro_right") -> GraspTable:
    rng = np.random.default_rng(seed)
    model = hand(name)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, random_state=seed).as_matrix()
    poses[:, :3, 3] = rng.normal(size=(count, 3))
    q = rng.uniform(model.joint_lower, model.joint_upper, (3, count, model.joint_count))
    q[0, 0] = np.nan
    rows = RawRows(
        [f"mug+{i % 2}" for i in range(count)],
        poses,
        q[1],
        q[0],
        q[2],
        scale=rng.uniform(0.05, 0.2, count),
        score=rng.uniform(size=count),
    )
    return checked_table(rows, model, "made", "made (test)")


def check_equal(first: GraspTable, second: GraspTable) -> None:
    assert first.hand == second.hand
    assert first.objects == second.objects
    np.testing.assert_allclose(first.T_object_palm, second.T_object_palm, atol=1e-12)
    for name in ("pregrasp", "grasp", "squeeze", "scale", "score"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@suffixes
@pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
def test_written_grasps_are_read_back(tmp_path: Path, suffix: str, name: str) -> None:
    table = random_table(name=name)
    path = tmp_path / f"grasps{suffix}"
    write_grasps(table, path)
    check_equal(read_grasps(path, hand(name)), table)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(16)))
def test_joints_in_any_order_are_sorted_by_name(order: list[int]) -> None:
    table, names = random_table(), hand("allegro_right").joint_names
    columns = native_columns(table)
    columns["joint_names"] = np.array([names[i] for i in order])
    for key in ("pregrasp", "grasp", "squeeze"):
        columns[key] = columns[key][:, order]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "order.npz"
        np.savez(path, **columns)  # type: ignore[arg-type]
        check_equal(read_grasps(path, hand("allegro_right")), table)


def native_columns(table: GraspTable) -> dict[str, np.ndarray]:
    from dexgrasp.geometry import quaternion_from_pose

    return {
        "hand": np.array(table.hand),
        "object": np.array(table.objects),
        "joint_names": np.array(hand(table.hand).joint_names),
        "palm_position": table.T_object_palm[:, :3, 3],
        "palm_quaternion": quaternion_from_pose(table.T_object_palm),
        "pregrasp": table.pregrasp,
        "grasp": table.grasp,
        "squeeze": table.squeeze,
        "score": table.score,
        "scale": table.scale,
    }


def saved(path: Path, **changes: object) -> Path:
    columns = {**native_columns(random_table()), **changes}
    np.savez(path, **{key: value for key, value in columns.items() if value is not None})  # type: ignore[arg-type]
    return path


def test_one_object_serves_all_and_optional_columns_may_be_missing(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", object=np.array("mug"), scale=None, score=None, pregrasp=None)
    table = read_grasps(path, hand("allegro_right"))
    assert table.objects == ("mug",) * 6
    assert (table.scale == 1.0).all()
    assert np.isnan(table.score).all()
    assert np.isnan(table.pregrasp).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"joint_names": np.array([f"j{i}" for i in range(16)])}, r"unknown j0, j1.*joint_0\.0"),
        ({"joint_names": np.array(["joint_0.0"] * 16)}, "1 names"),
        ({"hand": np.array("leap_right")}, "grasps of leap_right.*--hand leap_right"),
        ({"palm_quaternion": np.zeros((6, 3))}, r"palm_quaternion has shape \(6, 3\)"),
        ({"grasp": np.zeros((6, 15))}, r"grasp has shape \(6, 15\); expected \(6, 16\)"),
        ({"palm_quaternion": None}, "lacks palm_quaternion"),
        ({"object": np.array(["a", "b"])}, "2 objects for 6 grasps"),
    ],
)
def test_a_wrong_column_is_an_error_that_names_it(tmp_path: Path, changes, words: str) -> None:
    path = saved(tmp_path / "wrong.npz", **changes)
    with pytest.raises(GraspError, match=words) as error:
        read_grasps(path, hand("allegro_right"))
    assert str(path) in str(error.value)


def test_bad_rows_are_counted_and_the_others_read(tmp_path: Path) -> None:
    columns = native_columns(random_table())
    columns["palm_quaternion"] = columns["palm_quaternion"].copy()
    columns["palm_quaternion"][1] *= 1.1
    columns["grasp"][4, 2] = np.nan
    path = tmp_path / "rows.npz"
    np.savez(path, **columns)  # type: ignore[arg-type]
    table = read_grasps(path, hand("allegro_right"))
    assert table.row.tolist() == [0, 2, 3, 5]
    assert [r.row for r in table.rejected] == [1, 4]
    assert f"{path} row 1: the palm's rotation is none" in table.rejected[0].words


@suffixes
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_an_error_that_names_it(
    tmp_path: Path, suffix: str, keep: float
) -> None:
    path = tmp_path / f"whole{suffix}"
    write_grasps(random_table(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(GraspError, match=str(path)):
        read_grasps(path, hand("allegro_right"), "dexgrasp")
    with pytest.raises(GraspError, match=str(path)):
        read_grasps(path, hand("allegro_right"))


def npy_claiming(shape: tuple[int, ...], content: bytes = b"") -> bytes:
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + content


def with_member(path: Path, name: str, content: bytes) -> Path:
    saved(path, **{name.removesuffix(".npy"): None})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


def test_a_header_that_claims_ten_gigabytes_allocates_nothing(tmp_path: Path) -> None:
    path = with_member(tmp_path / "a.npz", "grasp.npy", npy_claiming((10 * 2**30 // 8, 1)))
    with pytest.raises(GraspError, match=r"grasp\.npy.*10737418240 bytes.*holds 0"):
        read_grasps(path, hand("allegro_right"))


def test_a_member_that_claims_ten_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    path = with_member(tmp_path / "a.npz", "grasp.npy", npy_claiming((6, 16), bytes(768)))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(b"grasp.npy"))  # its central entry
    content[at + 24 : at + 28] = (0xFFFFFFF0).to_bytes(4, "little")  # unpacked size
    path.write_bytes(content)
    with pytest.raises(GraspError, match=r"grasp\.npy claims 4294967280 bytes"):
        read_grasps(path, hand("allegro_right"))


def test_a_bomb_of_zeros_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dexgrasp.datasets.npyfile.LARGEST_NPZ", 1 << 20)
    path = with_member(tmp_path / "a.npz", "grasp.npy", npy_claiming((6, 16), bytes(2 << 20)))
    with pytest.raises(GraspError, match=r"unpacks to \d+ bytes.*Use Parquet"):
        read_grasps(path, hand("allegro_right"))


class Hostile:
    """Writes a file when it is unpickled by the plain loader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_an_object_array_is_refused_and_not_executed(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    names = np.array([Hostile(mark)] * 6, dtype=object)
    path = saved(tmp_path / "a.npz", object=names)
    with pytest.raises(GraspError, match=r"object\.npy.*Python objects"):
        read_grasps(path, hand("allegro_right"))
    assert not mark.exists()
    pickle.loads(pickle.dumps(Hostile(mark)))  # the trap works
    assert mark.exists()


def test_parquet_that_claims_more_than_it_can_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    write_grasps(random_table(), path)
    monkeypatch.setattr("dexgrasp.datasets.native.LARGEST_NPZ", 100)
    with pytest.raises(GraspError, match="claims 6 rows"):
        read_grasps(path, hand("allegro_right"))


def test_parquet_of_something_else_is_an_error(tmp_path: Path) -> None:
    import pyarrow as pa

    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    with pytest.raises(GraspError, match="lacks hand, object, joint_names"):
        read_grasps(path, hand("allegro_right"))


def test_other_suffixes_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(GraspError, match=r"\.npz or \.parquet"):
        write_grasps(random_table(), tmp_path / "a.csv")
