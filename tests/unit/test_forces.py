"""Holding forces against cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from dexgrasp.synthesis.forces import CONE_EDGES, friction_cone, holding_forces

PINCH_POINTS = np.array([[-0.02, 0.0, 0.0], [0.02, 0.0, 0.0]])
PINCH_NORMALS = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])


def test_cone_edges_lie_on_the_cone() -> None:
    edges = friction_cone(PINCH_NORMALS, 0.5)
    assert edges.shape == (2, CONE_EDGES, 3)
    normal = np.einsum("kei,ki->ke", edges, PINCH_NORMALS)
    np.testing.assert_allclose(normal, 1.0)
    np.testing.assert_allclose(np.linalg.norm(edges, axis=2), np.sqrt(1.25))


def test_a_pinch_carries_its_load_by_friction() -> None:
    load = np.array([0.0, 0.0, -2.0])
    forces, left = holding_forces(
        PINCH_POINTS, PINCH_NORMALS, np.array([8.0, 8.0]), load, np.zeros(3), 0.5
    )
    np.testing.assert_allclose(forces.sum(axis=0), -load, atol=0.02)
    np.testing.assert_allclose(np.abs(forces[:, 0]), 8.0, atol=0.1)
    assert left < 0.02


def test_too_heavy_a_load_is_met_by_a_harder_grip() -> None:
    forces, left = holding_forces(
        PINCH_POINTS,
        PINCH_NORMALS,
        np.array([1.0, 1.0]),
        np.array([0.0, 0.0, -10.0]),
        np.zeros(3),
        0.5,
    )
    assert np.abs(forces[:, 0]).min() > 9.5
    assert left < 0.2


@pytest.mark.parametrize("friction", [0.3, 0.8])
def test_pushes_from_one_side_leave_a_wrench(friction: float) -> None:
    normals = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    _, left = holding_forces(
        PINCH_POINTS, normals, np.array([8.0, 8.0]), np.zeros(3), np.zeros(3), friction
    )
    assert left > 0.9
    forces, _ = holding_forces(
        PINCH_POINTS, normals, np.array([8.0, 8.0]), np.zeros(3), np.zeros(3), friction
    )
    assert np.abs(forces).max() < 1.0
