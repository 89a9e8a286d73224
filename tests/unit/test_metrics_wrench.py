"""Q1 with known answers, and as other projects normalise it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexgrasp.errors import UnknownNameError
from dexgrasp.evaluation import metrics
from dexgrasp.evaluation.metrics import DEXGRASPBENCH, FROGGER, UNIDEXGRASP

CENTER = np.zeros(3)
TRIPOD = 0.03 * np.array([[1.0, 0.0, 0.0], [-0.5, 0.75**0.5, 0.0], [-0.5, -(0.75**0.5), 0.0]])


def inward(points: np.ndarray) -> np.ndarray:
    return -points / np.linalg.norm(points, axis=1, keepdims=True)


def pushed_cube(half: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Twelve contacts on a cube: two on each face, `offset` off its middle along the next axis."""
    points, normals = [], []
    for axis, side, shift in itertools.product(range(3), (1.0, -1.0), (1.0, -1.0)):
        point, normal = np.zeros(3), np.zeros(3)
        point[axis], point[(axis + 1) % 3], normal[axis] = side * half, shift * offset, -side
        points.append(point)
        normals.append(normal)
    return np.array(points), np.array(normals)


@pytest.mark.parametrize("half", [0.02, 0.05])
def test_q1_of_a_cube_pushed_without_friction(half: float) -> None:
    # With the offset as the arm, the wrenches are (±1, ±1) in three orthogonal planes, one force
    # and one torque each. A unit wrench of norms a, b, c in them is resisted by at least
    # max(a, b, c), whose least value over the sphere is 1/sqrt(3).
    points, normals = pushed_cube(half, 0.015)
    q1 = metrics.q1(points, normals, CENTER, friction=0.0, arm=0.015)
    assert q1 == pytest.approx(1.0 / 3.0**0.5, rel=1e-9)


@pytest.mark.parametrize("friction", [0.3, 1.0, 5.0])
def test_a_cube_pinched_by_two_hard_fingers_turns_between_them(friction: float) -> None:
    points = np.array([[-0.03, 0.0, 0.0], [0.03, 0.0, 0.0]])
    wrenches = metrics.contact_wrenches(points, inward(points), CENTER, friction, 0.03)
    np.testing.assert_allclose(wrenches[:, 3], 0.0, atol=1e-12)  # no torque about the axis
    assert metrics.q1(points, inward(points), CENTER, friction) == 0.0
    assert metrics.preset_q1("dexgraspbench", points, inward(points), CENTER) == 2.0
    assert metrics.preset_q1("frogger", points, inward(points), CENTER) == -1.0
    assert metrics.preset_q1("unidexgrasp", points, inward(points), CENTER) == 0.0


def test_min_weight_of_known_wrenches() -> None:
    cross = np.vstack([np.eye(6), -np.eye(6)])
    assert metrics.min_weight(cross) == pytest.approx(1.0)  # all twelve weigh the same
    uneven = cross.copy()
    uneven[0] *= 3.0  # its opposite has to weigh three times as much: 11 l + 3 l = 1
    assert metrics.min_weight(uneven) == pytest.approx(12.0 / 14.0)
    assert metrics.min_weight(np.eye(6)) == -1.0
    assert metrics.min_weight(np.zeros((0, 6))) == -1.0


@given(seed=st.integers(0, 500))
@settings(deadline=None, max_examples=30)
def test_min_weight_and_q1_agree_on_closure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(4, 3)) * 0.03
    normals = inward(points + rng.normal(size=(4, 3)) * 0.02)
    q1 = metrics.preset_q1(FROGGER, points, normals, CENTER)
    weight = metrics.frogger_min_weight(points, normals, CENTER)
    assert (q1 > 1e-9) == (weight > 1e-6)
    assert q1 == -1.0 or q1 > 0.0


def test_dexgraspbench_is_worst_at_two_and_needs_no_centre() -> None:
    near = metrics.preset_q1(DEXGRASPBENCH, TRIPOD, inward(TRIPOD), CENTER)
    far = metrics.preset_q1(DEXGRASPBENCH, TRIPOD, inward(TRIPOD), CENTER + 1.0)
    assert near == far == pytest.approx(2.0 - metrics.q1(TRIPOD, inward(TRIPOD), CENTER, 0.3))
    assert 1.0 < near < 2.0
    assert metrics.preset_q1(DEXGRASPBENCH, np.zeros((0, 3)), np.zeros((0, 3)), CENTER) == 2.0


def test_unidexgrasp_weighs_torque_and_refuses_penetration() -> None:
    free = metrics.preset_q1(UNIDEXGRASP, TRIPOD, inward(TRIPOD), CENTER)
    assert free == pytest.approx(metrics.q1(TRIPOD, inward(TRIPOD), CENTER, 1.0, arm=0.1))
    assert 0.0 < free < 1.0
    assert metrics.preset_q1(UNIDEXGRASP, TRIPOD, inward(TRIPOD), CENTER, 0.0049, 0.0099) == free
    assert metrics.preset_q1(UNIDEXGRASP, TRIPOD, inward(TRIPOD), CENTER, 0.005) == 0.0
    assert metrics.preset_q1(UNIDEXGRASP, TRIPOD, inward(TRIPOD), CENTER, 0.0, 0.010) == 0.0


def test_frogger_takes_raw_torque_and_four_edges() -> None:
    found = metrics.preset_q1(FROGGER, TRIPOD, inward(TRIPOD), CENTER)
    raw = metrics.q1(TRIPOD, inward(TRIPOD), CENTER, 0.7, arm=1.0, edges=4)
    assert found == pytest.approx(raw)
    assert 0.0 < raw < 0.03  # torques of a 3 cm arm are small numbers
    finer = metrics.q1(TRIPOD, inward(TRIPOD), CENTER, 0.7, arm=1.0, edges=8)
    assert finer >= raw - 1e-12


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="dexgraspbench, frogger, unidexgrasp"):
        metrics.preset_q1("graspit", TRIPOD, inward(TRIPOD), CENTER)


def test_contacts_of_a_body_are_averaged() -> None:
    points = np.array([[0.0, 0.0, 0.0], [0.02, 0.0, 0.0], [0.1, 0.0, 0.0]])
    normals = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    means, directions = metrics.average_contacts(points, normals, np.array([7, 7, 2]))
    np.testing.assert_allclose(means, [[0.1, 0.0, 0.0], [0.01, 0.0, 0.0]])
    np.testing.assert_allclose(directions, [[0.0, 0.0, 1.0], [0.5**0.5, 0.5**0.5, 0.0]])
    with pytest.raises(ValueError, match="cancel"):
        metrics.average_contacts(points[:2], np.array([[1.0, 0, 0], [-1.0, 0, 0]]), np.zeros(2))


def test_the_nearest_point_of_each_body_is_its_contact() -> None:
    points, normals = np.arange(12.0).reshape(4, 3), np.tile([1.0, 0.0, 0.0], (4, 1))
    distance, body = np.array([0.004, -0.001, 0.012, 0.011]), np.array([0, 0, 1, 1])
    found, _ = metrics.nearest_contacts(points, normals, distance, body, 0.010)
    np.testing.assert_array_equal(found, points[1:2])
    both, _ = metrics.nearest_contacts(points, normals, distance, body, 0.0115)
    np.testing.assert_array_equal(both, points[[1, 3]])
