"""A held object, followed from view to view."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from dexgrasp.errors import SceneError
from dexgrasp.geometry import inverse, rotation_between, transform_points
from dexgrasp.perception.track import HeldObject

CAMERA = np.array([0.6, 0.0, 0.5])
NOISE = 0.0007  # [m]


def seen(mesh: trimesh.Trimesh, T: np.ndarray, seed: int) -> np.ndarray:
    """(n, 3) noisy points of the sides that face the camera."""
    points, faces = trimesh.sample.sample_surface(mesh, 4000, seed=seed)
    points, normals = transform_points(T, points), mesh.face_normals[faces] @ T[:3, :3].T
    visible = (normals * (CAMERA - points)).sum(axis=1) > 0.0
    noise = np.random.default_rng(seed).normal(scale=NOISE, size=points.shape)
    return (points + noise)[visible]


def placed(x: float = 0.0, z: float = 0.2, turn: float = 0.0) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = Rotation.from_rotvec([turn, 0.0, 0.0]).as_matrix()
    T[:3, 3] = [x, 0.0, z]
    return T


BOX = trimesh.creation.box((0.06, 0.09, 0.12))
CAN = trimesh.creation.cylinder(0.035, 0.11, sections=64)


@pytest.mark.parametrize("mesh", [BOX, CAN])
def test_what_rises_with_the_palm_rests_in_it(mesh: trimesh.Trimesh) -> None:
    held = HeldObject(seen(mesh, placed(), 0), placed())
    for step in range(1, 8):
        palm = placed(z=0.2 + 0.02 * step)
        pose = held.follow(seen(mesh, palm, step), CAMERA, palm)
        assert pose is not None
        moved = inverse(palm) @ pose
        assert np.linalg.norm(moved[:3, 3]) < 0.002
        assert np.linalg.norm(rotation_between(moved[None], np.eye(4)[None])) < 0.05


def test_a_slip_and_a_turn_are_found() -> None:
    held = HeldObject(seen(BOX, placed(), 0), placed())
    for step in range(1, 6):
        palm = placed(z=0.2 + 0.02 * step)
        true = palm @ placed(z=-0.002 * step, turn=0.03 * step)
        pose = held.follow(seen(BOX, true, step), CAMERA, palm)
    assert pose is not None
    np.testing.assert_allclose(pose[:3, 3], true[:3, 3], atol=0.0035)
    assert np.linalg.norm(rotation_between(pose[None], true[None])) < 0.06


def test_a_hidden_or_dropped_object_has_no_pose_and_is_found_again() -> None:
    held, palm = HeldObject(seen(BOX, placed(), 0), placed()), placed(z=0.25)
    assert held.follow(np.zeros((0, 3)), CAMERA, palm) is None
    assert held.follow(seen(BOX, placed(z=0.06), 1), CAMERA, palm) is None
    again = held.follow(seen(BOX, palm, 2), CAMERA, palm)
    assert again is not None
    np.testing.assert_allclose(again[:3, 3], palm[:3, 3], atol=0.002)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(SceneError, match="5 points are seen in the hand"):
        HeldObject(np.random.default_rng(0).normal(size=(5, 3)), placed())
