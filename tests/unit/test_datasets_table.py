"""The check that every row passes: what is kept, clipped and rejected, and rotation forms."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dexgrasp.datasets.rotations import FORMS, matrices, pose7, rotation_width
from dexgrasp.datasets.table import CLIP_LIMIT, RawRows, checked_table, concatenate, nearest_rigid
from dexgrasp.errors import ConfigError, GraspError
from dexgrasp.geometry import quaternion_from_pose
from dexgrasp.hands import HandModel

hand = cache(HandModel.load)
seeds = st.integers(0, 2**32 - 1)


def random_rows(count: int = 5, seed: int = 0, name: str = "allegro_right") -> RawRows:
    rng = np.random.default_rng(seed)
    model = hand(name)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, random_state=seed).as_matrix()
    poses[:, :3, 3] = rng.normal(size=(count, 3))
    q = rng.uniform(model.joint_lower, model.joint_upper, (count, model.joint_count))
    return RawRows(objects=[f"object_{i}" for i in range(count)], T_object_palm=poses, grasp=q)


def table_of(rows: RawRows, name: str = "allegro_right"):
    return checked_table(rows, hand(name), "set.npz", "set.npz (test)")


def test_good_rows_pass_unchanged() -> None:
    rows = random_rows()
    table = table_of(rows)
    np.testing.assert_allclose(table.T_object_palm, rows.T_object_palm, atol=1e-12)
    np.testing.assert_array_equal(table.grasp, rows.grasp)
    assert np.isnan(table.pregrasp).all()
    assert np.isnan(table.score).all()
    assert (table.scale == 1.0).all()
    assert table.counts == {"read": 5, "objects": 5, "clipped": 0, "rejected": 0}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p, q, s: q.__setitem__((2, 3), np.nan), "joints that are not finite"),
        (lambda p, q, s: p.__setitem__((2, 0, 3), np.inf), "position is not finite"),
        (lambda p, q, s: p.__setitem__((2, slice(0, 3), slice(0, 3)), np.nan), "not unit"),
        (lambda p, q, s: p.__setitem__((2, 0), -p[2, 0]), "mirrored"),
        (lambda p, q, s: p.__setitem__((2, slice(0, 3), 0), 2.0 * p[2, :3, 0]), "scaled"),
        (lambda p, q, s: q.__setitem__((2, 1), 57.3), "joint_1.0 is 57.3 rad.*degrees"),
        (lambda p, q, s: s.__setitem__(2, 0.0), "scale is 0.0"),
    ],
)
def test_a_spoilt_row_is_rejected_by_name_and_the_others_stay(spoil, words: str) -> None:
    rows = random_rows()
    scale = np.ones(5)
    spoil(rows.T_object_palm, rows.grasp, scale)
    table = table_of(RawRows(rows.objects, rows.T_object_palm, rows.grasp, scale=scale))
    assert table.row.tolist() == [0, 1, 3, 4]
    assert table.objects == ("object_0", "object_1", "object_3", "object_4")
    (rejected,) = table.rejected
    assert rejected.row == 2
    assert rejected.words.startswith("set.npz row 2: ")
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(rejected.words)


def test_a_wrong_joint_count_is_a_rejected_row() -> None:
    rows = random_rows(3)
    ragged = [rows.grasp[0], rows.grasp[1][:15], rows.grasp[2]]
    table = table_of(RawRows(rows.objects, rows.T_object_palm, ragged))
    assert len(table) == 2
    assert "grasp has 15 joints; allegro_right has 16" in table.rejected[0].words


def test_nothing_usable_is_an_error_that_names_the_first_reason() -> None:
    rows = random_rows(2)
    rows.T_object_palm[:, :3, 3] = np.nan
    with pytest.raises(GraspError, match=r"set\.npz holds no usable grasp.*position is not finite"):
        table_of(rows)


def test_joints_a_little_beyond_their_limits_are_clipped_and_counted() -> None:
    model, rows = hand("allegro_right"), random_rows()
    rows.grasp[1] = model.joint_upper + 0.9 * CLIP_LIMIT
    rows.grasp[3] = model.joint_upper + 1e-6
    table = table_of(rows)
    assert table.clipped.tolist() == [False, True, False, False, False]
    np.testing.assert_array_equal(table.grasp[1], model.joint_upper)
    assert (table.grasp <= model.joint_upper).all()


def test_a_squeeze_far_beyond_the_limits_is_clipped_without_rejection() -> None:
    model, rows = hand("allegro_right"), random_rows()
    squeeze = rows.grasp + 2.0
    table = table_of(RawRows(rows.objects, rows.T_object_palm, rows.grasp, squeeze=squeeze))
    assert len(table) == 5
    assert not table.clipped.any()
    np.testing.assert_array_equal(table.squeeze, model.clip(squeeze))


def test_a_pregrasp_given_in_part_is_rejected() -> None:
    rows = random_rows(3)
    pregrasp = rows.grasp.copy()
    pregrasp[0] = np.nan
    pregrasp[1, 4] = np.nan
    table = table_of(RawRows(rows.objects, rows.T_object_palm, rows.grasp, pregrasp=pregrasp))
    assert table.row.tolist() == [0, 2]
    assert np.isnan(table.pregrasp[0]).all()


@pytest.mark.parametrize(
    "index", [slice(1, 4), [3, 0], np.array([True, False, True, False, False]), 2]
)
def test_indexing_keeps_every_column_together(index) -> None:
    table = table_of(random_rows())
    part = table[index]
    rows = np.atleast_1d(np.arange(5)[index])
    assert part.objects == tuple(f"object_{i}" for i in rows)
    np.testing.assert_array_equal(part.grasp, table.grasp[rows])
    np.testing.assert_array_equal(part.T_object_palm, table.T_object_palm[rows])
    np.testing.assert_array_equal(part.row, rows)


def test_joined_tables_count_rows_through() -> None:
    rows = random_rows(3)
    rows.grasp[0, 0] = np.nan
    first, second = table_of(rows), table_of(random_rows(2, seed=1))
    joined = concatenate([(0, first), (3, second)], [], "folder")
    assert joined.row.tolist() == [1, 2, 3, 4]
    assert [r.row for r in joined.rejected] == [0]
    leap = table_of(random_rows(2, name="leap_right"), "leap_right")
    with pytest.raises(GraspError, match="allegro_right, leap_right cannot be joined"):
        concatenate([(0, first), (3, leap)], [], "folder")


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_every_form_gives_back_the_rotation(seed: int) -> None:
    rotation = Rotation.random(4, random_state=seed)
    matrix = rotation.as_matrix()
    written = {
        "quat_wxyz": rotation.as_quat(scalar_first=True),
        "quat_xyzw": rotation.as_quat(),
        "matrix": matrix.reshape(4, 9),
        "axis_angle": rotation.as_rotvec(),
        "rot6d": np.concatenate([matrix[:, :, 0], matrix[:, :, 1]], axis=1),
        "euler_xyz": rotation.as_euler("xyz"),
        "euler_ZYX": rotation.as_euler("ZYX"),
    }
    assert set(FORMS) <= set(written)
    for form, values in written.items():
        assert rotation_width(form) == values.shape[1]
        np.testing.assert_allclose(matrices(form, values), matrix, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_nearest_rigid_undoes_small_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pose = random_rows(3, seed).T_object_palm
    noisy = pose.copy()
    noisy[:, :3, :3] += 1e-4 * rng.normal(size=(3, 3, 3))
    near = nearest_rigid(noisy)
    np.testing.assert_allclose(
        near[:, :3, :3] @ near[:, :3, :3].transpose(0, 2, 1)[:],
        np.eye(3)[None].repeat(3, 0),
        atol=1e-12,
    )
    np.testing.assert_allclose(near, pose, atol=1e-3)


def test_quaternions_are_unit_within_a_thousandth() -> None:
    quaternion = np.array([[1.0, 0.0, 0.0, 0.0]]) * np.array([[1.0], [1.0005], [1.002], [0.0]])
    good = np.isfinite(matrices("quat_wxyz", quaternion)).all(axis=(1, 2))
    assert good.tolist() == [True, True, False, False]


def test_seven_numbers_are_a_pose() -> None:
    pose = random_rows(3).T_object_palm
    values = np.concatenate([pose[:, :3, 3], quaternion_from_pose(pose)], axis=1)
    np.testing.assert_allclose(pose7(values), pose, atol=1e-12)
    assert pose7(values[0]).shape == (4, 4)


def test_an_unknown_form_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"unknown rotation form 'quat'.*quat_wxyz"):
        matrices("quat", np.zeros((1, 4)))
