"""Figures of whole sets: Fréchet distance and its features, diversity, entropy, time."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dexgrasp.evaluation import metrics


def covariance(rng: np.random.Generator, size: int) -> np.ndarray:
    root = rng.normal(size=(size, size))
    return root @ root.T


def test_frechet_distance_of_two_gaussians_in_closed_form() -> None:
    # of one dimension: (m1 - m2)^2 + (s1 - s2)^2; independent dimensions add up
    assert metrics.gaussian_distance(1.0, 4.0, 3.0, 9.0) == pytest.approx(4.0 + 1.0)
    first, second = np.diag([1.0, 4.0, 9.0]), np.diag([4.0, 4.0, 1.0])
    shift = np.array([1.0, 2.0, 2.0])
    found = metrics.gaussian_distance(np.zeros(3), first, shift, second)
    assert found == pytest.approx(9.0 + 1.0 + 0.0 + 4.0)


@given(seed=st.integers(0, 1000), size=st.integers(1, 12))
@settings(deadline=None, max_examples=30)
def test_frechet_distance_agrees_with_scipys_matrix_root(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = covariance(rng, size), covariance(rng, size)
    mean, other = rng.normal(size=size), rng.normal(size=size)
    cross = np.trace(np.real(scipy.linalg.sqrtm(first @ second)))
    truth = ((mean - other) ** 2).sum() + np.trace(first + second) - 2.0 * cross
    found = metrics.gaussian_distance(mean, first, other, second)
    assert found == pytest.approx(truth, rel=1e-5, abs=1e-5)
    assert metrics.gaussian_distance(other, second, mean, first) == pytest.approx(found, abs=1e-7)


def test_frechet_distance_bears_singular_covariances() -> None:
    rng = np.random.default_rng(0)
    few = rng.normal(size=(5, 40))  # rank 4 of 40
    assert metrics.frechet_distance(few, few) == pytest.approx(0.0, abs=1e-6)
    assert metrics.frechet_distance(few, few + 0.5) == pytest.approx(40 * 0.25, rel=1e-6)


def test_frechet_distance_of_samples_tends_to_that_of_their_gaussians() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(20_000, 2)) * [1.0, 2.0]
    second = rng.normal(size=(20_000, 2)) * [3.0, 2.0] + [0.0, 1.0]
    assert metrics.frechet_distance(first, second) == pytest.approx(1.0 + 4.0, rel=0.03)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), "at least 2"),
        (np.zeros((5, 3)), np.zeros((5, 4)), "differ"),
        (np.full((5, 3), np.nan), np.zeros((5, 3)), "finite"),
    ],
)
def test_features_that_are_no_set_are_refused(first, second, words) -> None:
    with pytest.raises(ValueError, match=words):
        metrics.frechet_distance(first, second)


def ball(rng: np.random.Generator, radius: float, count: int = 1500) -> np.ndarray:
    way = rng.normal(size=(count, 3))
    return radius * way / np.linalg.norm(way, axis=1, keepdims=True)


def test_cloud_features_depend_on_the_shape_alone() -> None:
    rng = np.random.default_rng(0)
    cloud = ball(rng, 0.04, 20_000)  # many: the mean of few points is noisy
    features = metrics.cloud_features(cloud)
    assert features.shape == (96,)
    np.testing.assert_allclose(metrics.cloud_features(cloud[::-1]), features, atol=1e-12)
    np.testing.assert_allclose(metrics.cloud_features(np.tile(cloud, (2, 1))), features, atol=1e-12)
    again = np.linalg.norm(metrics.cloud_features(ball(rng, 0.04, 20_000)) - features)
    for other in (ball(rng, 0.03), cloud + np.array([0.01, 0.0, 0.0]), cloud * [1.0, 1.0, 0.7]):
        assert np.linalg.norm(metrics.cloud_features(other) - features) > 3.0 * again


def test_fid_of_clouds_orders_sets_by_how_far_they_are() -> None:
    rng = np.random.default_rng(1)

    def clouds(radius: float) -> list[np.ndarray]:
        return [ball(rng, radius * s, 300) for s in rng.normal(1.0, 0.05, 120)]

    reference = clouds(0.03)
    same, near, far = (
        metrics.fid(reference, clouds(radius), metrics.cloud_features)
        for radius in (0.03, 0.033, 0.045)
    )
    assert same < 0.2 * near < near < far
    assert metrics.fid(reference, reference, metrics.cloud_features) == pytest.approx(0, abs=1e-6)


def test_fid_takes_any_features() -> None:
    items = [0.0, 2.0, 4.0]
    assert metrics.fid(items, [1.0, 3.0, 5.0], lambda x: np.array([x])) == pytest.approx(1.0)


def rendered(shift: float, radius: float, far: float = 0.0) -> np.ndarray:
    """Depth of a ball of `radius` [m] half a metre away, beside the middle; `far` behind it."""
    y, x = np.mgrid[-0.1:0.1:96j, -0.1:0.1:128j]
    height = radius**2 - (x - shift) ** 2 - y**2
    return np.where(height > 0.0, 0.5 - np.sqrt(np.maximum(height, 0.0)), far)


def test_depth_features_see_shape_and_place() -> None:
    features = metrics.depth_features(rendered(0.0, 0.05))
    assert features.shape == (144,)
    assert np.isfinite(features).all()
    nan = metrics.depth_features(rendered(0.0, 0.05, far=np.nan))
    np.testing.assert_allclose(nan, features)  # both mean background
    farther = rendered(0.0, 0.05)
    farther[farther > 0.0] += 0.2  # not the distance, but the shape counts
    np.testing.assert_allclose(metrics.depth_features(farther), features, atol=1e-9)
    for other in (rendered(0.04, 0.05), rendered(0.0, 0.03)):
        assert np.linalg.norm(metrics.depth_features(other) - features) > 0.3
    # an empty picture has neither gradients nor foreground
    np.testing.assert_array_equal(metrics.depth_features(np.zeros((64, 64))), 0.0)


def test_depth_features_know_the_slopes_direction() -> None:
    ramp = 0.5 + 0.002 * np.arange(128.0)
    across = metrics.depth_features(np.tile(ramp, (128, 1)))[:128].reshape(16, 8)
    down = metrics.depth_features(np.tile(ramp[:, None], (1, 128)))[:128].reshape(16, 8)
    assert set(across.argmax(axis=1)) == {0}  # gradients along x
    assert set(down.argmax(axis=1)) == {4}  # at right angles to it


def test_images_and_clouds_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="64 x 64"):
        metrics.depth_features(np.ones((32, 128)))
    with pytest.raises(ValueError, match=r"expected \(n, 3\)"):
        metrics.cloud_features(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="finite"):
        metrics.cloud_features(np.full((3, 3), np.inf))


def poses(position: np.ndarray, turns: Rotation) -> np.ndarray:
    T = np.tile(np.eye(4), (len(position), 1, 1))
    T[:, :3, 3], T[:, :3, :3] = position, turns.as_matrix()
    return T


def test_diversity_of_a_known_set() -> None:
    position = np.array([[0.03, 0.0, 0.0], [-0.03, 0.0, 0.0], [0.0, 0.04, 0.0], [0.0, -0.04, 0.0]])
    turns = Rotation.from_rotvec(np.outer([0.2, -0.2, 0.2, -0.2], [0.0, 0.0, 1.0]))
    q = np.array([[0.0, 1.0], [0.0, 1.0], [2.0, 1.0], [2.0, 1.0]])
    found = metrics.diversity(poses(position, turns), q)
    assert found.translation == pytest.approx(np.sqrt((0.0009 + 0.0016) / 2))
    assert found.rotation == pytest.approx(0.2)
    assert found.joints == pytest.approx(0.5)  # standard deviations 1 and 0
    same = metrics.diversity(poses(np.ones((3, 3)), Rotation.identity(3)), np.ones((3, 5)))
    assert (same.translation, same.joints) == (0.0, 0.0)
    assert same.rotation == pytest.approx(0.0, abs=1e-7)
    with pytest.raises(ValueError, match="no set"):
        metrics.diversity(np.zeros((0, 4, 4)), np.zeros((0, 16)))


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_diversity_does_not_depend_on_the_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    T = poses(rng.normal(size=(6, 3)), Rotation.random(6, rng=rng))
    q = rng.normal(size=(6, 16))
    frame = poses(rng.normal(size=(1, 3)), Rotation.random(1, rng=rng))
    here, there = metrics.diversity(T, q), metrics.diversity(frame @ T, q)
    assert there.translation == pytest.approx(here.translation)
    assert there.rotation == pytest.approx(here.rotation)


def test_cumulative_variance_of_known_axes() -> None:
    vectors = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    np.testing.assert_allclose(metrics.cumulative_variance(vectors, 3), [0.9, 1.0, 1.0])
    with pytest.raises(ValueError, match="equal"):
        metrics.cumulative_variance(np.ones((4, 2)))


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_cumulative_variance_is_that_of_the_covariance(seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(30, 8)) * np.arange(1, 9)
    variance = np.sort(scipy.linalg.eigvalsh(np.cov(vectors, rowvar=False)))[::-1]
    truth = np.cumsum(variance / variance.sum())[:5]
    np.testing.assert_allclose(metrics.cumulative_variance(vectors), truth, rtol=1e-9)


def test_pose_vectors_hold_position_rotation_and_joints() -> None:
    T = poses(np.array([[0.1, 0.2, 0.3]]), Rotation.from_rotvec([[0.0, 0.5, 0.0]]))
    vector = metrics.pose_vectors(T, np.array([[7.0, 8.0]]))
    np.testing.assert_allclose(vector, [[0.1, 0.2, 0.3, 0.0, 0.5, 0.0, 7.0, 8.0]], atol=1e-12)


def test_entropy_of_known_assignments() -> None:
    assert metrics.assignment_entropy(np.repeat(np.arange(6), 10)) == pytest.approx(np.log(6))
    assert metrics.assignment_entropy(np.zeros(5, dtype=int)) == 0.0
    quarter = metrics.assignment_entropy(np.array([0, 0, 0, 1]))
    assert quarter == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    with pytest.raises(ValueError, match="no samples"):
        metrics.assignment_entropy(np.zeros(0))


def test_entropy_of_separate_clusters_is_the_logarithm_of_their_number() -> None:
    rng = np.random.default_rng(0)
    centres = 10.0 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    vectors = np.concatenate([c + rng.normal(size=(30, 3)) * 0.1 for c in centres])
    assert metrics.cluster_entropy(vectors, 5) == pytest.approx(np.log(5))
    lopsided = np.concatenate([vectors[:30], vectors[30:31], vectors[60:61]])
    assert metrics.cluster_entropy(lopsided, 3) < 0.5
    with pytest.raises(ValueError, match="clusters"):
        metrics.cluster_entropy(vectors[:4], 5)


def test_clustering_is_the_same_every_time() -> None:
    vectors = np.random.default_rng(3).normal(size=(200, 22))
    first = metrics.cluster_entropy(vectors)
    assert first == metrics.cluster_entropy(vectors)
    assert 0.0 < first <= np.log(20)


def test_inference_time_is_stated_with_its_batch() -> None:
    seconds = np.r_[np.full(95, 0.2), np.full(5, 1.0)]
    found = metrics.inference_time(seconds, batch_size=8)
    assert (found.median, found.per_grasp) == (0.2, pytest.approx(0.025))
    assert found.p95 == pytest.approx(np.percentile(seconds, 95))
    assert (found.batch_size, found.calls) == (8, 100)
    assert "cores" in found.machine
    for wrong in ([], [0.1, 0.0], [np.nan]):
        with pytest.raises(ValueError, match="positive"):
            metrics.inference_time(np.array(wrong))
    with pytest.raises(ValueError, match="batch of 0"):
        metrics.inference_time(seconds, 0)
