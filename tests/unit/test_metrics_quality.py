"""Manipulability, the smallest wrench residual and the figures of predicted probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexgrasp.evaluation import metrics


def two_links(first: float, second: float, bent: float) -> np.ndarray:
    """(2, 2) Jacobian of a planar arm's end, its first joint at 0."""
    far = np.array([np.cos(bent), np.sin(bent)]) * second
    return np.array([[-far[1], -far[1]], [first + far[0], far[0]]])


@given(st.floats(0.05, 1.0), st.floats(0.05, 1.0), st.floats(-3.0, 3.0))
def test_manipulability_of_two_links_is_their_parallelogram(
    first: float, second: float, bent: float
) -> None:
    # Yoshikawa 1985, section 4: l1 l2 |sin q2|
    measure = metrics.manipulability(two_links(first, second, bent))
    assert measure == pytest.approx(first * second * abs(np.sin(bent)), abs=1e-7)


def test_manipulability_comes_in_batches_grows_with_joints_and_refuses_vectors() -> None:
    jacobian = np.random.default_rng(0).normal(size=(2, 5, 3, 16))
    measure = metrics.manipulability(jacobian)
    assert measure.shape == (2, 5)
    assert (metrics.manipulability(jacobian[..., :8]) < measure).all()
    np.testing.assert_allclose(metrics.manipulability(2.0 * jacobian), 8.0 * measure)
    assert metrics.manipulability(np.zeros((3, 16))) == 0.0
    with pytest.raises(ValueError, match="no matrix"):
        metrics.manipulability(np.zeros(16))


def test_wrench_residual_of_balanced_single_and_no_wrenches() -> None:
    assert metrics.wrench_residual(np.vstack([np.eye(6), -np.eye(6)])) == pytest.approx(0.0)
    assert metrics.wrench_residual(3.0 * np.eye(6)[:1]) == pytest.approx(3.0)
    assert metrics.wrench_residual(np.eye(6)) == pytest.approx(6.0**-0.5)  # equal shares
    assert metrics.wrench_residual(np.zeros((0, 6))) == np.inf


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_no_other_shares_leave_less(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    wrenches = rng.normal(0.4, 1.0, (count, 6))
    least = metrics.wrench_residual(wrenches)
    shares = rng.dirichlet(np.full(count, 0.5), 200)
    assert least <= np.linalg.norm(shares @ wrenches, axis=1).min() + 1e-9
    np.testing.assert_allclose(metrics.wrench_residual(2.0 * wrenches), 2.0 * least, atol=1e-9)


def test_a_pinch_is_closed_as_soon_as_its_cones_see_each_other() -> None:
    points = np.array([[-0.03, 0.0, 0.0], [0.03, 0.02, 0.0]])
    normals = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    slope = 0.02 / 0.06  # of the line between the contacts
    residual = [
        metrics.wrench_residual(
            metrics.contact_wrenches(points, normals, points.mean(axis=0), friction, 0.03, edges=64)
        )
        for friction in (0.8 * slope, 1.05 * slope)
    ]
    assert residual[0] > 0.02
    assert residual[1] == pytest.approx(0.0, abs=1e-9)


def test_auc_counts_pairs_in_the_right_order() -> None:
    success = np.array([False, False, True, True])
    assert metrics.auc(np.array([1.0, 2.0, 3.0, 4.0]), success) == 1.0
    assert metrics.auc(np.array([4.0, 3.0, 2.0, 1.0]), success) == 0.0
    assert metrics.auc(np.array([1.0, 3.0, 2.0, 4.0]), success) == 0.75
    assert metrics.auc(np.zeros(4), success) == 0.5
    assert np.isnan(metrics.auc(np.zeros(3), np.ones(3, bool)))


def test_auc_knows_only_the_order() -> None:
    rng = np.random.default_rng(0)
    score, success = rng.normal(size=200), rng.random(200) < 0.4
    assert metrics.auc(np.exp(score), success) == metrics.auc(score, success)
    assert metrics.auc(-score, success) == pytest.approx(1.0 - metrics.auc(score, success))


def test_brier_and_calibration_of_known_predictions() -> None:
    success = np.array([True, True, True, False])
    assert metrics.brier(success.astype(float), success) == 0.0
    assert metrics.brier(np.full(4, 0.75), success) == pytest.approx(0.75 * 0.25)
    assert metrics.calibration_error(np.full(4, 0.75), success, bins=1) == pytest.approx(0.0)
    assert metrics.calibration_error(np.full(4, 0.25), success, bins=1) == pytest.approx(0.5)


def test_true_probabilities_are_calibrated_and_proud_ones_are_not() -> None:
    rng = np.random.default_rng(2)
    probability = rng.uniform(0.05, 0.95, 20_000)
    success = rng.random(20_000) < probability
    assert metrics.calibration_error(probability, success) < 0.02
    proud = np.where(probability > 0.5, 0.99, 0.01)
    assert metrics.calibration_error(proud, success) > 0.2
    curve = metrics.reliability(probability, success, bins=7)
    assert curve.count.sum() == 20_000
    assert np.ptp(curve.count) <= 1
    assert (np.diff(curve.predicted) > 0.0).all()
    assert (curve.count @ curve.observed) == pytest.approx(success.sum())


def test_fewer_predictions_than_bins_get_a_bin_each() -> None:
    curve = metrics.reliability(np.array([0.2, 0.8]), np.array([False, True]), bins=10)
    np.testing.assert_array_equal(curve.count, [1, 1])


@pytest.mark.parametrize(
    ("values", "success", "words"),
    [
        (np.array([0.1, np.nan]), np.array([True, False]), "prediction 1 is NaN"),
        (np.array([0.1, 1.2]), np.array([True, False]), "allowed is 0 to 1"),
        (np.array([0.1]), np.array([True, False]), "do not match"),
        (np.zeros(0), np.zeros(0, bool), "n > 0"),
    ],
)
def test_predictions_that_are_none_are_refused(values, success, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        metrics.brier(values, success)
