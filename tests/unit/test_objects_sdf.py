"""Signed distance and voxels against shapes with known answers."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dexgrasp.errors import MeshError
from dexgrasp.objects import SignedDistance, Voxels, exact_signed_distance, load_object

RADIUS = 0.04
HALF = np.array([0.03, 0.05, 0.02])
SPHERE = SignedDistance.from_mesh(trimesh.creation.icosphere(subdivisions=5, radius=RADIUS))
BOX_MESH = trimesh.creation.box(2.0 * HALF)
BOX = SignedDistance.from_mesh(BOX_MESH)
coordinate = st.floats(-0.05, 0.05)


def box_distance(points: np.ndarray) -> np.ndarray:
    gap = np.abs(points) - HALF
    inside = np.minimum(gap.max(axis=-1), 0.0)
    return np.linalg.norm(np.maximum(gap, 0.0), axis=-1) + inside


@given(x=coordinate, y=coordinate, z=coordinate)
@settings(deadline=None)
def test_sphere(x: float, y: float, z: float) -> None:
    point = np.array([x, y, z])
    radius = np.linalg.norm(point)
    distance, gradient = SPHERE.query(point)
    near = radius > 0.5 * RADIUS
    assert distance == pytest.approx(radius - RADIUS, abs=0.0003 if near else 0.003)
    if near:
        # Beyond the nodes that are exact, distances are interpolated, and slopes err up to 0.27.
        band = abs(radius - RADIUS) < 0.1 * RADIUS
        assert gradient @ point / radius == pytest.approx(1.0, abs=0.1 if band else 0.3)


@given(x=coordinate, y=coordinate, z=coordinate)
@settings(deadline=None)
def test_box(x: float, y: float, z: float) -> None:
    point = np.array([x, y, z])
    truth = box_distance(point)
    assert BOX.query(point)[0] == pytest.approx(truth, abs=0.001 if abs(truth) < 0.005 else 0.003)
    assert exact_signed_distance(BOX_MESH, point) == pytest.approx(box_distance(point), abs=1e-6)


@given(x=coordinate, y=coordinate, z=coordinate)
@settings(deadline=None)
def test_gradient_is_that_of_the_distance(x: float, y: float, z: float) -> None:
    step = 1e-7
    cell = (np.array([x, y, z]) - BOX.origin) / BOX.spacing
    inside = (cell > 0.0).all() and (cell < np.array(BOX.grid.shape) - 1.0).all()
    assume(inside and np.abs(cell - np.round(cell)).min() > 1e-3)  # it jumps between cells
    gradient = BOX.query(np.array([x, y, z]))[1]
    steps = np.array([x, y, z]) + step * np.vstack([np.eye(3), -np.eye(3)])
    ahead, behind = BOX.query(steps)[0].reshape(2, 3)
    np.testing.assert_allclose((ahead - behind) / (2.0 * step), gradient, atol=1e-4)


def test_far_points_are_far() -> None:
    points = np.array([[0.5, 0.0, 0.0], [0.0, -0.4, 0.0], [0.3, 0.3, 0.3]])
    distance, gradient = SPHERE.query(points)
    truth = np.linalg.norm(points, axis=1) - RADIUS
    np.testing.assert_allclose(distance, truth, atol=0.02)
    assert (distance >= truth - 0.001).all()
    np.testing.assert_allclose(np.linalg.norm(gradient, axis=1), 1.0)


def test_shapes_follow_the_points() -> None:
    distance, gradient = SPHERE.query(np.zeros((4, 5, 3)))
    assert distance.shape == (4, 5)
    assert gradient.shape == (4, 5, 3)


def test_thin_walls_keep_their_inside() -> None:
    bowl = load_object("bowl")
    points = trimesh.sample.sample_surface(bowl.mesh, 2000, seed=0)[0]
    error = np.abs(bowl.sdf.query(np.asarray(points))[0])
    assert np.percentile(error, 95) < 0.001


def test_empty_mesh_is_refused() -> None:
    with pytest.raises(MeshError, match="empty"):
        exact_signed_distance(trimesh.Trimesh(), np.zeros(3))


@pytest.mark.parametrize("name", ["mug", "hammer", "cracker_box", "tennis_ball"])
def test_voxels_hold_the_volume(name: str) -> None:
    mesh = load_object(name).mesh
    voxels = Voxels.from_mesh(mesh)
    assert voxels.volume == pytest.approx(mesh.volume, rel=0.02)
    cells = np.argwhere(voxels.inside)[::97]
    assert exact_signed_distance(mesh, voxels.origin + voxels.edge * cells).max() < 2e-5
