"""Metrics by their laws and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from dexgrasp.evaluation import metrics

TRIPOD = 0.03 * np.array([[1.0, 0.0, 0.0], [-0.5, 0.866, 0.0], [-0.5, -0.866, 0.0]])
CENTER = np.zeros(3)


def inward(points: np.ndarray) -> np.ndarray:
    return -points / np.linalg.norm(points, axis=1, keepdims=True)


def test_chamfer_of_known_clouds() -> None:
    first, second = np.zeros((1, 3)), np.array([[0.0, 0.0, 0.1], [0.0, 0.0, 0.3]])
    assert metrics.chamfer_distance(first, second) == pytest.approx(0.01 + 0.05)
    assert metrics.chamfer_distance(first, second, squared=False) == pytest.approx(0.1 + 0.2)
    assert metrics.chamfer_distance(second, second) == 0.0
    with pytest.raises(ValueError, match="empty"):
        metrics.chamfer_distance(first, np.zeros((0, 3)))


def test_penetration_is_the_deepest_point() -> None:
    assert metrics.penetration_depth(np.array([0.01, -0.002, -0.005])) == 0.005
    assert metrics.penetration_depth(np.array([0.01])) == 0.0
    assert metrics.penetration_volume(2000, 0.001) == pytest.approx(2e-6)


def test_contact_figures() -> None:
    distance = np.array([0.001, 0.004, 0.006, -0.001])
    assert metrics.contact_count(distance, 0.005) == 3
    assert metrics.contact_ratio(distance, 0.005) == 0.75
    assert metrics.contact_area(distance, 0.02, 0.005) == pytest.approx(0.015)


def test_contact_maps() -> None:
    distance = np.array([-0.001, 0.0, 0.002, 0.004, 0.006])
    np.testing.assert_array_equal(metrics.contact_map(distance, 0.005), [1, 1, 1, 1, 0])
    soft = metrics.contact_map(distance, 0.005, soft=True)
    np.testing.assert_allclose(soft, [1.0, 1.0, 0.6, 0.2, 0.0], atol=1e-12)
    with pytest.raises(ValueError, match="positive"):
        metrics.contact_map(distance, 0.0)


def test_contact_distance_is_that_of_vectors() -> None:
    nothing, everything = np.zeros((2, 9)), np.ones((2, 9))
    np.testing.assert_allclose(metrics.contact_distance(nothing, everything), 3.0)
    np.testing.assert_array_equal(metrics.contact_distance(everything, everything), 0.0)
    with pytest.raises(ValueError, match="beyond"):
        metrics.contact_distance(nothing, 2.0 * everything)
    with pytest.raises(ValueError, match="different points"):
        metrics.contact_distance(nothing, everything[:, :4])


def test_contact_rate_counts_the_grasps_that_touch() -> None:
    distance = np.array([[0.01, 0.001], [0.02, 0.03], [0.004, 0.004], [0.005, 0.1]])
    assert metrics.contact_rate(distance, 0.005) == 0.5
    with pytest.raises(ValueError, match="set"):
        metrics.contact_rate(np.zeros((0, 5)), 0.005)


def test_displacement() -> None:
    assert metrics.displacement(np.zeros((2, 3)), np.full((2, 3), 1.0)) == pytest.approx(3**0.5)


@given(angle=st.floats(0.0, np.pi), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_rotation_displacement_is_the_angle_about_any_axis(angle: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    initial, final = np.tile(np.eye(4), (2, 1, 1))
    initial[:3, :3] = Rotation.random(rng=rng).as_matrix()
    turn = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
    final[:3, :3], final[:3, 3] = turn @ initial[:3, :3], 1.0
    assert metrics.rotation_displacement(initial, final) == pytest.approx(angle, abs=1e-7)
    assert metrics.rotation_displacement(final, initial) == pytest.approx(angle, abs=1e-7)
    assert metrics.rotation_displacement(np.stack([initial] * 2), np.stack([final] * 2)).shape == (
        2,
    )


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_mpjpe_forgives_where_the_hand_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    joints = rng.normal(size=(4, 21, 3))
    moved = joints + rng.normal(size=(4, 1, 3))
    np.testing.assert_allclose(metrics.mpjpe(moved, joints), 0.0, atol=1e-12)


def test_mpjpe_of_one_joint_off() -> None:
    joints = np.zeros((21, 3))
    wrong = joints.copy()
    wrong[5] = [0.03, 0.0, 0.04]
    assert metrics.mpjpe(wrong, joints) == pytest.approx(0.05 / 21)
    # aligned at the wrong joint, all the others are off
    assert metrics.mpjpe(wrong, joints, root=5) == pytest.approx(0.05 * 20 / 21)
    with pytest.raises(ValueError, match="differ"):
        metrics.mpjpe(wrong, joints[:20])
    with pytest.raises(ValueError, match="no joint 21"):
        metrics.mpjpe(wrong, joints, root=21)


def test_mrrpe_is_of_the_relative_root() -> None:
    left, right, shift = np.zeros(3), np.array([0.3, 0.0, 0.0]), np.array([1.0, 2.0, 3.0])
    assert metrics.mrrpe(left, right, left + shift, right + shift) == pytest.approx(0.0)
    assert metrics.mrrpe(left, right, left, right + np.array([0.0, 0.03, 0.04])) == pytest.approx(
        0.05
    )


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_chamfer_agrees_with_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(40, 3)), rng.normal(size=(60, 3))
    pairs = cdist(first, second)
    for power, squared in ((2, True), (1, False)):
        truth = (pairs.min(axis=1) ** power).mean() + (pairs.min(axis=0) ** power).mean()
        assert metrics.chamfer_distance(first, second, squared) == pytest.approx(truth)
        assert metrics.chamfer_distance(second, first, squared) == pytest.approx(truth)


def test_wrenches_of_one_contact() -> None:
    point, normal = np.array([[0.0, 0.0, 0.1]]), np.array([[1.0, 0.0, 0.0]])
    wrenches = metrics.contact_wrenches(point, normal, CENTER, friction=0.5, arm=0.1)
    assert wrenches.shape == (8, 6)
    np.testing.assert_allclose(wrenches[:, 0], 1.0)
    np.testing.assert_allclose(np.linalg.norm(wrenches[:, 1:3], axis=1), 0.5)
    np.testing.assert_allclose(wrenches.mean(axis=0), [1, 0, 0, 0, 1, 0], atol=1e-12)


def test_a_pinched_cube_needs_soft_fingers() -> None:
    points = np.array([[-0.03, 0.0, 0.0], [0.03, 0.0, 0.0]])
    assert metrics.q1(points, inward(points), CENTER, friction=0.8) == 0.0
    soft = metrics.q1(points, inward(points), CENTER, friction=0.8, torsion=0.006)
    assert soft == pytest.approx(0.006 / 0.03, rel=0.1)  # the twist about the axis is weakest
    assert soft <= 0.006 / 0.03


def test_contacts_on_one_side_do_not_close() -> None:
    points = TRIPOD * [0.2, 0.2, 1.0] + [0.0, 0.0, 0.05]
    normals = np.tile([0.0, 0.0, -1.0], (3, 1))
    assert metrics.q1(points, normals, CENTER, friction=0.5) == 0.0


def test_too_few_contacts() -> None:
    assert metrics.q1(np.zeros((0, 3)), np.zeros((0, 3)), CENTER, 0.5) == 0.0
    assert metrics.q1(TRIPOD[:1], inward(TRIPOD[:1]), CENTER, 0.5) == 0.0


@pytest.mark.parametrize("friction", [0.3, 0.6, 1.0])
def test_q1_is_the_smallest_resistance_over_all_directions(friction: float) -> None:
    wrenches = metrics.contact_wrenches(TRIPOD, inward(TRIPOD), CENTER, friction, 0.03)
    starts = np.random.default_rng(0).normal(size=(60, 6))

    def resistance(u: np.ndarray) -> float:
        return float((wrenches @ u).max() / np.linalg.norm(u))

    best = min(minimize(resistance, s, method="Nelder-Mead", options={"maxiter": 4000}).fun
               for s in starts)  # fmt: skip
    q1 = metrics.q1(TRIPOD, inward(TRIPOD), CENTER, friction)
    assert 0.0 < q1 <= best + 1e-9
    assert q1 == pytest.approx(best, rel=0.05)


def test_more_friction_and_more_contacts_are_never_worse() -> None:
    weak = metrics.q1(TRIPOD, inward(TRIPOD), CENTER, 0.3)
    strong = metrics.q1(TRIPOD, inward(TRIPOD), CENTER, 0.6)
    points = np.vstack([TRIPOD, [[0.0, 0.0, 0.03]]])
    more = metrics.q1(points, inward(points), CENTER, 0.6)
    assert weak < strong <= more + 1e-9


@given(scale=st.floats(0.1, 10.0), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_q1_depends_on_neither_size_nor_place(scale: float, seed: int) -> None:
    # A turn about the approach changes the sampled cone edges, so only size and place move.
    shift = np.random.default_rng(seed).normal(size=3)
    moved = metrics.q1(scale * TRIPOD + shift, inward(TRIPOD), shift, 0.6)
    assert moved == pytest.approx(metrics.q1(TRIPOD, inward(TRIPOD), CENTER, 0.6), rel=1e-6)


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_q1_changes_little_with_orientation(seed: int) -> None:
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    points = TRIPOD @ turn.T
    reference = metrics.q1(TRIPOD, inward(TRIPOD), CENTER, 0.6)
    assert metrics.q1(points, inward(points), CENTER, 0.6) == pytest.approx(reference, rel=0.09)
