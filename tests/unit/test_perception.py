"""Perception of analytic scenes, and of input in which nothing can be perceived."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from dexgrasp.errors import SceneError
from dexgrasp.perception import perceive, perceive_cloud
from dexgrasp.perception.cloud import OrganizedCloud
from dexgrasp.perception.noise import DepthNoise
from dexgrasp.perception.synthetic import depth_frame, looking_at, placed
from dexgrasp.types import Array, CameraIntrinsics, DepthFrame

CAMERA = looking_at((0.5, 0.0, 0.58), (0.0, 0.0, 0.04))

SHAPES = {
    "box": (trimesh.creation.box((0.06, 0.09, 0.12)), (0.09, 0.06, 0.12)),
    "sphere": (trimesh.creation.icosphere(4, 0.04), (0.08, 0.08, 0.08)),
    "cylinder": (trimesh.creation.cylinder(0.035, 0.11), (0.07, 0.07, 0.11)),
}


def frame_of(meshes: list[trimesh.Trimesh]) -> DepthFrame:
    return depth_frame(meshes, CameraIntrinsics.from_fovy(640, 480, 0.75), CAMERA)


def cloud_of(frame: DepthFrame) -> Array:
    return OrganizedCloud(frame, 0.012).points(slice(None), slice(None))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("noisy", [False, True])
def test_finds_centre_and_size(name: str, noisy: bool) -> None:
    mesh, extents = SHAPES[name]
    frame = frame_of([placed(mesh, 0.5, (0.02, -0.03))])
    if noisy:
        depth = DepthNoise().apply(frame.depth, frame.intrinsics, np.random.default_rng(0))
        frame = replace(frame, depth=depth)
    (seen,) = perceive(frame).objects
    np.testing.assert_allclose(seen.extents, extents, rtol=0.10)
    np.testing.assert_allclose(
        seen.T_world_object[:3, 3], (0.02, -0.03, 0.5 * extents[2]), atol=0.005
    )
    assert seen.table_height == pytest.approx(0.0, abs=0.002)


@pytest.mark.parametrize("height", [-0.2, 0.35])
def test_the_table_may_be_anywhere(height: float) -> None:
    frame = frame_of([placed(SHAPES["box"][0], 0.5)])
    T = frame.T_world_camera.copy()
    T[2, 3] += height
    scene = perceive(replace(frame, T_world_camera=T))
    assert scene.objects[0].table_height == pytest.approx(height, abs=0.002)
    assert scene.table.level_at(np.zeros(2)) == pytest.approx(height, abs=0.002)


@pytest.mark.parametrize("angle", [0.4, 2.0, -1.3])
def test_turning_the_world_turns_the_estimate(angle: float) -> None:
    frame = frame_of([placed(SHAPES["box"][0], 0.5)])
    turn = trimesh.transformations.rotation_matrix(angle, (0, 0, 1))
    first = perceive(frame).objects[0]
    second = perceive(replace(frame, T_world_camera=turn @ frame.T_world_camera)).objects[0]
    np.testing.assert_allclose(second.extents, first.extents, atol=0.004)
    expected = (turn @ first.T_world_object)[:3, 3]
    np.testing.assert_allclose(second.T_world_object[:3, 3], expected, atol=0.003)


def test_objects_apart_are_apart_and_the_box_is_upright() -> None:
    boxes = [placed(SHAPES["box"][0], 0.2, (0.0, y)) for y in (-0.12, 0.12)]
    scene = perceive(frame_of(boxes))
    assert sorted(round(float(o.T_world_object[1, 3]), 1) for o in scene.objects) == [-0.1, 0.1]
    for seen in scene.objects:
        rotation = seen.T_world_object[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
        np.testing.assert_allclose(rotation[:, 2], (0, 0, 1), atol=1e-9)
        assert seen.extents[0] >= seen.extents[1]


def test_excluded_spheres_are_not_seen() -> None:
    box, hand = placed(SHAPES["box"][0], 0.2), placed(trimesh.creation.icosphere(3, 0.03), 0.0)
    hand.apply_translation((0.0, 0.15, 0.1))
    frame = frame_of([box, hand])
    assert len(perceive(frame).objects) == 2
    exclude = (np.array([hand.bounds.mean(axis=0)]), np.array([0.04]))
    assert len(perceive(frame, exclude=exclude).objects) == 1


def test_order_of_a_cloud_does_not_matter() -> None:
    frame = frame_of([placed(SHAPES["cylinder"][0], 0.0)])
    cloud = cloud_of(frame)
    shuffled = np.random.default_rng(0).permutation(cloud)
    (seen,) = perceive_cloud(shuffled, CAMERA[:3, 3]).objects
    np.testing.assert_allclose(seen.extents, (0.07, 0.07, 0.11), rtol=0.1)


def test_some_nan_points_do_no_harm() -> None:
    cloud = cloud_of(frame_of([placed(SHAPES["cylinder"][0], 0.0)]))
    cloud[::7] = np.nan
    assert len(perceive_cloud(cloud, CAMERA[:3, 3]).objects) == 1


def _wall() -> DepthFrame:
    """A wall before the camera: depths with no level plane."""
    frame = frame_of([])
    pose = np.eye(4)
    pose[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    pose[:3, 3] = (-0.4, 0, 0.2)
    return replace(frame, depth=np.full_like(frame.depth, 0.4), T_world_camera=pose)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: replace(f, depth=f.depth[:0]), "empty"),
        (lambda f: replace(f, depth=f.depth[:100]), "truncated"),
        (lambda f: replace(f, depth=f.depth.ravel()), "shape"),
        (lambda f: replace(f, depth=np.full_like(f.depth, np.nan)), "no valid pixel"),
        (lambda f: replace(f, depth=np.zeros_like(f.depth)), "no valid pixel"),
        (lambda f: replace(f, T_world_camera=np.full((4, 4), np.nan)), "camera pose"),
        (lambda f: _wall(), "no table"),
        (lambda f: f, "no object"),
    ],
)
def test_unusable_frames_are_refused_in_words(change, words: str) -> None:
    with pytest.raises(SceneError, match=words):
        perceive(change(frame_of([])))


@pytest.mark.parametrize(
    ("cloud", "words"),
    [
        (np.zeros((0, 3)), "empty"),
        (np.full((50, 3), np.nan), "no finite point"),
        (np.zeros((10, 4)), "shape"),
        (np.zeros((5, 3)) + 9.0, "workspace"),
    ],
)
def test_unusable_clouds_are_refused_in_words(cloud: np.ndarray, words: str) -> None:
    with pytest.raises(SceneError, match=words):
        perceive_cloud(cloud, CAMERA[:3, 3])
