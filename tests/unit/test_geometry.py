"""Rigid transforms by their laws."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dexgrasp.geometry import (
    interpolate_poses,
    inverse,
    minimum_jerk,
    pose_from_quaternion,
    quaternion_from_pose,
    rotation_between,
    transform_points,
)

seeds = st.integers(0, 2**32 - 1)


def random_poses(seed: int, count: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    quaternion = Rotation.random(count, rng=rng).as_quat(scalar_first=True)
    return pose_from_quaternion(rng.normal(size=(count, 3)), quaternion)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_inverse_undoes(seed: int) -> None:
    pose = random_poses(seed)
    np.testing.assert_allclose(
        inverse(pose) @ pose, np.broadcast_to(np.eye(4), pose.shape), atol=1e-12
    )


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_quaternion_round_trip_is_scalar_first_and_canonical(seed: int) -> None:
    pose = random_poses(seed)
    quaternion = quaternion_from_pose(pose)
    assert (quaternion[:, 0] >= 0.0).all()
    np.testing.assert_allclose(pose_from_quaternion(pose[:, :3, 3], quaternion), pose, atol=1e-12)


def test_quaternion_of_a_quarter_turn_about_z() -> None:
    pose = pose_from_quaternion(np.zeros(3), np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]))
    np.testing.assert_allclose(
        transform_points(pose, np.array([[1.0, 0.0, 0.0]])), [[0.0, 1.0, 0.0]], atol=1e-12
    )


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_interpolation_meets_its_ends_and_turns_evenly(seed: int) -> None:
    first, second = random_poses(seed), random_poses(seed + 1)
    zeros, ones = np.zeros(4), np.ones(4)
    np.testing.assert_allclose(interpolate_poses(first, second, zeros), first, atol=1e-9)
    np.testing.assert_allclose(interpolate_poses(first, second, ones), second, atol=1e-9)
    middle = interpolate_poses(first, second, 0.5 * ones)
    half = np.linalg.norm(rotation_between(first, middle), axis=1)
    whole = np.linalg.norm(rotation_between(first, second), axis=1)
    np.testing.assert_allclose(2.0 * half, whole, atol=1e-6)


def test_minimum_jerk_is_monotone_and_clamped() -> None:
    s = minimum_jerk(np.linspace(-0.5, 1.5, 201))
    assert (np.diff(s) >= 0.0).all()
    assert s[0] == 0.0
    assert s[-1] == 1.0
