"""The camera's noise has the statistics that its sources tell."""

from __future__ import annotations

import numpy as np
import pytest

from dexgrasp.perception.noise import DepthNoise, NoiseConfig
from dexgrasp.types import CameraIntrinsics

CAMERA = CameraIntrinsics.from_fovy(640, 480, 0.75)


def noisy(depth: np.ndarray, seed: int = 0) -> np.ndarray:
    return DepthNoise().apply(depth, CAMERA, np.random.default_rng(seed))


@pytest.mark.parametrize("distance", [0.4, 0.7, 1.0])
def test_deviation_grows_with_the_square_of_the_distance(distance: float) -> None:
    seen = noisy(np.full((480, 640), distance, np.float32))
    deviation = seen[seen > 0.0].std()
    config = NoiseConfig()
    expected = distance**2 * config.subpixel / (CAMERA.fx * config.baseline)
    assert deviation == pytest.approx(expected, rel=0.1)
    assert seen[seen > 0.0].mean() == pytest.approx(distance, abs=3e-4)


def test_depth_comes_in_steps_of_the_disparity() -> None:
    seen = noisy(np.full((480, 640), 0.7, np.float32))
    disparity = CAMERA.fx * NoiseConfig().baseline / seen[seen > 0.0]
    steps = disparity / NoiseConfig().disparity_step
    np.testing.assert_allclose(steps, np.rint(steps), atol=0.01)


def test_edges_lose_pixels_and_flat_surfaces_do_not() -> None:
    depth = np.full((480, 640), 0.8, np.float32)
    depth[:, 320:] = 0.6
    lost = noisy(depth) == 0.0
    assert lost[:, 319:321].mean() > 0.2
    assert lost[:, :300].mean() < 0.01


def test_surfaces_seen_edge_on_are_lost() -> None:
    # 6 mm from one row to the next at 0.5 m: seen at 82 degrees, past the limit of 80.
    rows = 0.45 + 0.006 * np.arange(480, dtype=np.float32)
    seen = noisy(np.repeat(rows[:, None], 640, axis=1))
    assert (seen[1:20] == 0.0).mean() > 0.5
    assert (seen[100:] == 0.0).mean() < 0.05


def test_invalid_pixels_stay_invalid_and_seeds_repeat() -> None:
    depth = np.full((480, 640), 0.7, np.float32)
    depth[10:20] = np.nan
    depth[30:40] = 0.0
    first = noisy(depth)
    assert (first[10:20] == 0.0).all()
    assert (first[30:40] == 0.0).all()
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, noisy(depth))
    assert (first != noisy(depth, seed=1)).any()
