"""The compiled energy: its gradient against finite differences, its field against a sphere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dexgrasp.synthesis.kernels import energy, forward, lookup, turn_palm

RADIUS, SPACING = 0.035, 0.002
EXACT_TERMS = {"contact": 0, "penetration": 3, "table": 4, "self": 5, "posture": 8}
FROZEN_TERMS = {"normal": 1, "closure": 2}


def sphere_field() -> tuple[np.ndarray, np.ndarray, float]:
    axis = np.arange(-0.08, 0.0801, SPACING)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    grid = (np.sqrt(x**2 + y**2 + z**2) - RADIUS).astype(np.float32)
    return grid, np.array([-0.08, -0.08, -0.08]), SPACING


def two_finger_chain(rng: np.random.Generator):
    """Palm, and two fingers of two hinges each."""
    parent = np.array([-1, 0, 1, 0, 3])
    joint = np.array([-1, 0, 1, 2, 3])
    turns = Rotation.random(5, rng=rng).as_matrix()
    offsets = rng.normal(0.0, 0.02, (5, 3))
    axis = rng.normal(size=(5, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    kinematics = (parent, turns, offsets, axis, joint, np.arange(5))
    spheres = (rng.normal(0.0, 0.01, (10, 3)), np.full(10, 0.012), np.repeat(np.arange(5), 2))
    candidates = (
        rng.normal(0.0, 0.012, (2, 3)),
        np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]]),
        np.array([2, 4]),
        np.array([0, 1]),
    )
    return kinematics, spheres, np.array([[2, 6], [4, 8], [5, 9]]), candidates


def evaluate(terms, chain, palm, q, field):
    kinematics, spheres, pairs, candidates = chain
    buffers = tuple(
        np.zeros(s) for s in ((5, 3, 3), (5, 3), (5, 3), (5, 3), (10, 3), (2, 3), (2, 3), (2, 3))
    )
    gradient, chosen, report = np.zeros(10), np.zeros(2, dtype=np.int64), np.zeros(8)
    value = energy(
        kinematics,
        spheres,
        (spheres[0], spheres[1], np.arange(len(spheres[2]) + 1), *spheres),
        pairs,
        candidates,
        field,
        -0.03,
        np.zeros(3),
        0.05,
        terms,
        palm,
        q,
        np.zeros(4),
        np.array([True, True]),
        buffers,
        gradient,
        chosen,
        report,
    )
    return value + terms[8] * float(q @ q), gradient


def posed_chain(seed: int):
    rng = np.random.default_rng(seed)
    chain = two_finger_chain(rng)
    palm = np.eye(4)
    palm[:3, :3] = Rotation.random(rng=rng).as_matrix()
    palm[:3, 3] = rng.normal(0.0, 0.02, 3)
    return chain, palm, rng.normal(0.0, 0.3, 4)


def moved(palm, q, change):
    palm, q = palm.copy(), q + change[6:]
    palm[:3, 3] += change[:3]
    turn_palm(palm, *change[3:6])
    return palm, q


@pytest.mark.parametrize("name", list(EXACT_TERMS))
@pytest.mark.parametrize("seed", range(4))
def test_gradient_matches_finite_differences(name: str, seed: int) -> None:
    chain, palm, q = posed_chain(seed)
    field, terms = sphere_field(), np.zeros(9)
    terms[EXACT_TERMS[name]] = 1.0
    _, gradient = evaluate(terms, chain, palm, q, field)
    step = 2e-5
    numeric = np.zeros(10)
    for i, unit in enumerate(np.eye(10)):
        ahead, _ = evaluate(terms, chain, *moved(palm, q, step * unit), field)
        behind, _ = evaluate(terms, chain, *moved(palm, q, -step * unit), field)
        numeric[i] = (ahead - behind) / (2.0 * step)
    np.testing.assert_allclose(gradient, numeric, atol=2e-2 * max(np.abs(numeric).max(), 1e-4))


@pytest.mark.parametrize("name", list(FROZEN_TERMS))
@pytest.mark.parametrize("seed", range(6))
def test_gradient_of_frozen_terms_descends(name: str, seed: int) -> None:
    """These terms take surface normals and finger shares as constants of one step."""
    chain, palm, q = posed_chain(seed)
    field, terms = sphere_field(), np.zeros(9)
    terms[FROZEN_TERMS[name]] = 1.0
    before, gradient = evaluate(terms, chain, palm, q, field)
    gradient[:3] = 0.0  # a shift of the palm moves the frozen normals most
    change = -1e-3 * gradient / np.linalg.norm(gradient)
    after, _ = evaluate(terms, chain, *moved(palm, q, change), field)
    assert after < before


def test_lookup_of_a_sphere_inside_and_beyond_the_grid() -> None:
    grid, origin, spacing = sphere_field()
    slope = np.zeros(3)
    rng = np.random.default_rng(0)
    for point in rng.uniform(-0.07, 0.07, (50, 3)):
        distance = lookup(grid, origin, spacing, *point, slope)
        assert abs(distance - (np.linalg.norm(point) - RADIUS)) < 5e-4
        if np.linalg.norm(point) > 0.01:
            assert slope @ point / np.linalg.norm(point) > 0.98
    assert lookup(grid, origin, spacing, 0.5, 0.0, 0.0, slope) == pytest.approx(0.465, abs=2e-3)
    np.testing.assert_allclose(slope, [1.0, 0.0, 0.0], atol=1e-6)


def test_forward_turns_about_the_joint_axis() -> None:
    rotation, position = np.zeros((2, 3, 3)), np.zeros((2, 3))
    identity = np.tile(np.eye(3), (2, 1, 1))
    offset = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    axis = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    forward(
        np.array([-1, 0]),
        identity,
        offset,
        axis,
        np.array([-1, 0]),
        np.eye(4),
        np.array([np.pi / 2]),
        rotation,
        position,
    )
    np.testing.assert_allclose(position[1], [0.1, 0.0, 0.0])
    np.testing.assert_allclose(rotation[1] @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-12)
