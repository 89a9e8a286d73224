"""The compiled energy: gradients against finite differences, forces against a solver of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from dexgrasp.synthesis.generators.optimize_settings import OptimizeConfig
from dexgrasp.synthesis.kernels.closure import EDGES, LOADS, cone_wrenches, project, solve_cones
from dexgrasp.synthesis.kernels.energy import energy, workspace
from dexgrasp.synthesis.kernels.field import lookup
from dexgrasp.synthesis.kernels.kinematics import forward
from dexgrasp.synthesis.kernels.vectors import turn_palm

RADIUS, SPACING = 0.035, 0.002
EXACT_TERMS = {"contact": 0, "penetration": 3, "table": 4, "self": 5, "posture": 8}
FROZEN_TERMS = {"normal": 1, "closure": 2}
PUSHES = np.zeros(0)
CONE = OptimizeConfig.load().cone.model_copy(update={"iterations": 3000}).figures


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


def evaluate(terms, chain, palm, q, field, cone=PUSHES):
    spheres = chain[1]
    work, gradient = workspace(chain, 2), np.zeros(10)
    value = energy(
        chain,
        (spheres[0], spheres[1], np.arange(len(spheres[2]) + 1), *spheres),
        (field, -0.03, np.zeros(3), 0.05),
        terms,
        cone,
        palm,
        q,
        np.zeros(4),
        np.array([True, True]),
        True,
        work,
        gradient,
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


def differences(terms, chain, palm, q, field, cone=PUSHES, step=2e-5):
    numeric = np.zeros(10)
    for i, unit in enumerate(np.eye(10)):
        ahead, _ = evaluate(terms, chain, *moved(palm, q, step * unit), field, cone)
        behind, _ = evaluate(terms, chain, *moved(palm, q, -step * unit), field, cone)
        numeric[i] = (ahead - behind) / (2.0 * step)
    return numeric


@pytest.mark.parametrize("name", list(EXACT_TERMS))
@pytest.mark.parametrize("seed", range(4))
def test_gradient_matches_finite_differences(name: str, seed: int) -> None:
    chain, palm, q = posed_chain(seed)
    field, terms = sphere_field(), np.zeros(9)
    terms[EXACT_TERMS[name]] = 1.0
    _, gradient = evaluate(terms, chain, palm, q, field)
    numeric = differences(terms, chain, palm, q, field)
    np.testing.assert_allclose(gradient, numeric, atol=2e-2 * max(np.abs(numeric).max(), 1e-4))


@pytest.mark.parametrize("seed", range(6))
def test_gradient_of_cones_by_the_envelope_theorem(seed: int) -> None:
    """The forces are solved anew at every displaced pose, but held fixed in the gradient."""
    chain, palm, q = posed_chain(seed)
    field, terms = sphere_field(), np.zeros(9)
    terms[2] = 1.0
    value, gradient = evaluate(terms, chain, palm, q, field, CONE)
    numeric = differences(terms, chain, palm, q, field, CONE)
    assert value > 0.0
    assert np.abs(numeric).max() > 1e-2
    np.testing.assert_allclose(gradient, numeric, atol=1e-3 * np.abs(numeric).max())


def contact_wrenches(seed: int):
    """Three fingers about opposed around a ball, of four: wrenches and the used ones."""
    rng = np.random.default_rng(seed)
    used = np.array([True, False, True, True])
    wrenches = np.zeros((4, EDGES, 6))
    for f, side in ((0, 1.0), (2, 1.0), (3, -1.0)):
        normal = np.array([side, 0.0, 0.0]) + rng.normal(0.0, 0.3, 3)
        normal /= np.linalg.norm(normal)
        arm = -0.6 * normal + rng.normal(0.0, 0.1, 3)
        cone_wrenches(np.eye(3), normal, arm, CONE[0], wrenches[f])
    return wrenches, used


@pytest.mark.parametrize("seed", range(3))
def test_forces_in_cones_are_those_of_a_general_solver(seed: int) -> None:
    wrenches, used = contact_wrenches(seed)
    size = 4 * EDGES + 1
    shares = np.zeros((LOADS, size))
    solve_cones(wrenches, used, CONE, 3000, shares, np.zeros((LOADS, size)))
    columns = wrenches.reshape(-1, 6).T
    sums = np.kron(np.eye(4), np.ones(EDGES))
    least = CONE[3] * np.array([0.5, 0.0, 0.5, 1.0])
    for load in range(LOADS):
        unit = np.zeros(6)
        unit[load // 2] = 1.0 - 2.0 * (load % 2)
        matrix = np.column_stack([columns, -unit])
        weight = np.append(np.full(size - 1, CONE[2]), 0.0)

        def cost(x, matrix=matrix, weight=weight):
            return (matrix @ x) @ (matrix @ x) + weight @ x**2

        def slope(x, matrix=matrix, weight=weight):
            return 2.0 * matrix.T @ (matrix @ x) + 2.0 * weight * x

        best = minimize(
            cost,
            np.append(np.repeat(least / EDGES, EDGES), CONE[1]),
            jac=slope,
            bounds=[(0.0, None)] * (size - 1) + [(CONE[1], None)],
            constraints=[
                {"type": "ineq", "fun": lambda x: sums @ x[:-1] - least},
                {"type": "ineq", "fun": lambda x: 1.0 - sums @ x[:-1]},
            ],
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        assert cost(shares[load]) == pytest.approx(best.fun, rel=1e-5, abs=1e-8)
        pressures = sums @ shares[load, :-1]
        assert (shares[load] >= 0.0).all()
        assert (pressures > least - 1e-6).all()
        assert (pressures < 1.0 + 1e-6).all()
        assert pressures[1] == 0.0


@pytest.mark.parametrize("least", [0.0, 0.5])
@pytest.mark.parametrize("spread", [0.02, 0.3, 3.0])
def test_projection_is_the_nearest_allowed(least: float, spread: float) -> None:
    rng = np.random.default_rng(0)
    allowed = rng.dirichlet(np.ones(EDGES), 2000) * rng.uniform(least, 1.0, (2000, 1))
    for given in rng.normal(0.0, spread, (30, EDGES)):
        near = given.copy()
        project(near, least)
        assert (near >= 0.0).all()
        assert least - 1e-8 <= near.sum() <= 1.0 + 1e-8
        # The direction to the point makes no acute angle with that to any allowed one.
        assert ((allowed - near) @ (given - near)).max() < 1e-7


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
