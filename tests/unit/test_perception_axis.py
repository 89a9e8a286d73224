"""The axis of a half-seen body of revolution, and where the completed surface then lies."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from dexgrasp.objects import exact_signed_distance
from dexgrasp.perception import complete, perceive
from dexgrasp.perception.axis import LARGEST_SHIFT, refined_axis
from dexgrasp.perception.synthetic import depth_frame, looking_at, placed
from dexgrasp.types import Array, CameraIntrinsics

AXIS = np.array([0.1, -0.05])
SEARCHED = AXIS + np.array([-0.002, 0.001])  # what the search finds: a bit too near


def arc(radius: float, side: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Noisy points (n, 3) of what a camera on one side sees of a wall, and their normals.

    side: 1 for the outside, -1 for the inside, which is seen on the far half.
    """
    angle = rng.uniform(-1.2, 1.2, 600) + (0.0 if side > 0.0 else np.pi)
    out = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    noisy = radius + rng.normal(0.0, 0.0003, 600)
    points = np.column_stack([AXIS + noisy[:, None] * out, rng.uniform(0.0, 0.08, 600)])
    return points, np.column_stack([side * out, np.zeros(600)])


def test_the_radii_tell_the_axis() -> None:
    points, normals = arc(0.035, 1.0, np.random.default_rng(0))
    assert np.linalg.norm(refined_axis(points, normals, SEARCHED) - AXIS) < 2e-4


def test_both_sides_of_a_wall_have_radii_of_their_own() -> None:
    rng = np.random.default_rng(1)
    outside, inside = arc(0.041, 1.0, rng), arc(0.037, -1.0, rng)
    points, normals = (np.concatenate(pair) for pair in zip(outside, inside, strict=True))
    assert np.linalg.norm(refined_axis(points, normals, SEARCHED) - AXIS) < 2e-4


def test_a_handle_hardly_moves_the_axis() -> None:
    points, normals = arc(0.035, 1.0, np.random.default_rng(2))
    points[:60, :2] += 0.01 * normals[:60, :2]
    assert np.linalg.norm(refined_axis(points, normals, SEARCHED) - AXIS) < 4e-4


def test_what_tells_no_axis_leaves_it() -> None:
    rng = np.random.default_rng(3)
    top = rng.uniform(-0.05, 0.05, (300, 3)) * [1.0, 1.0, 0.0]
    up = np.tile([0.0, 0.0, 1.0], (300, 1))
    np.testing.assert_array_equal(refined_axis(top, up, SEARCHED), SEARCHED)


def test_an_axis_that_the_radii_put_far_away_is_not_taken() -> None:
    points, normals = arc(0.035, 1.0, np.random.default_rng(4))
    far = AXIS + np.array([2.0 * LARGEST_SHIFT, 0.0])
    np.testing.assert_array_equal(refined_axis(points, normals, far), far)


@pytest.mark.parametrize("distance", [0.45, 0.65])
def test_a_completed_ball_lies_where_the_ball_is(distance: float) -> None:
    ball = placed(trimesh.creation.icosphere(5, 0.035), 0.0)
    camera = looking_at((distance, 0.0, distance), (0.0, 0.0, 0.035))
    intrinsics = CameraIntrinsics.from_fovy(640, 480, 0.75)
    detected = perceive(depth_frame([ball], intrinsics, camera)).objects[0]
    whole = complete(detected)
    world = np.asarray(whole.mesh.vertices) @ detected.T_world_object[:3, :3].T
    world = world + detected.T_world_object[:3, 3]
    off = exact_signed_distance(ball, world[world[:, 2] > 0.012])
    assert abs(np.median(off)) < 0.0005
    assert np.quantile(np.abs(off), 0.9) < 0.0015
