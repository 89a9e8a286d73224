"""Fingertip forces: kinematics, cones, balance and the short plan."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexgrasp.execution import ExecutionConfig
from dexgrasp.execution.fingertips import Fingers, into_cone, place_contacts, tip_force
from dexgrasp.execution.force_balance import STEPS, Gains, balance, plan_forces
from dexgrasp.hands import HandModel, hand_names

GAINS = Gains(**ExecutionConfig.load().force.model_dump())
DT = 0.01


def placed(hand: HandModel, seed: int) -> tuple[Fingers, np.ndarray, np.ndarray, np.ndarray]:
    """Fingers, joints, tip points and their Jacobians of a random posture."""
    fingers, count = Fingers.of(hand), len(hand.finger_names)
    q = np.random.default_rng(seed).uniform(hand.joint_lower, hand.joint_upper)
    points, jacobian = np.empty((count, 3)), np.empty((count, 3, fingers.own.shape[1]))
    place_contacts(fingers, q, hand.tip_offsets, points, jacobian)
    return fingers, q, points, jacobian


@pytest.mark.parametrize("name", hand_names())
def test_points_and_jacobians_are_those_of_the_hand(name: str) -> None:
    hand = HandModel.load(name)
    fingers, q, points, jacobian = placed(hand, 3)
    np.testing.assert_allclose(points, hand.fingertips(q)[0], atol=1e-12)
    whole = hand.contact_jacobians(q, points[None])[0]
    for f, own in enumerate(fingers.own):
        np.testing.assert_allclose(jacobian[f], whole[f][:, own], atol=1e-12)
        assert np.abs(np.delete(whole[f], own, axis=1)).max() == 0.0


def test_a_force_is_read_back_from_its_torques() -> None:
    _, _, _, jacobian = placed(HandModel.load("allegro_right"), 5)
    wanted, seen = np.array([0.4, -2.0, 1.5]), np.empty(3)
    tip_force(jacobian[0], jacobian[0].T @ wanted, seen)
    np.testing.assert_allclose(seen, wanted, atol=0.05)


vectors = st.tuples(*[st.floats(-50.0, 50.0)] * 3).map(np.array)


@given(vectors, vectors.filter(lambda v: np.linalg.norm(v) > 0.1), st.floats(0.1, 1.2))
@settings(max_examples=80, deadline=None)
def test_whatever_comes_ends_in_the_cone_and_what_is_inside_stays(
    force: np.ndarray, normal: np.ndarray, friction: float
) -> None:
    normal = normal / np.linalg.norm(normal)
    moved = force.copy()
    into_cone(moved, normal, friction, 0.5, 14.0)
    assert in_cone(moved, normal, friction)
    again = moved.copy()
    into_cone(again, normal, friction, 0.5, 14.0)
    np.testing.assert_allclose(again, moved, atol=1e-9)


def in_cone(force: np.ndarray, normal: np.ndarray, friction: float) -> bool:
    along = float(force @ normal)
    across = float(np.linalg.norm(force - along * normal))
    return across <= friction * along + 1e-9 and 0.5 - 1e-9 <= along <= 14.0 + 1e-9


def grip(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Normals, arms, wanted normal forces and a load of four fingers around an object."""
    rng = np.random.default_rng(seed)
    angles = np.array([0.3, 0.0, -0.3, np.pi])
    normals = -np.stack([np.cos(angles), np.sin(angles), np.zeros(4)], axis=1)
    arms = -normals + rng.normal(0.0, 0.05, (4, 3))
    wanted = np.array([[2.5], [2.5], [2.5], [7.5]]) * normals
    load = np.zeros(6)
    load[2] = -rng.uniform(0.5, 3.5)
    return normals, arms, wanted, load


def left_over(arms: np.ndarray, forces: np.ndarray, load: np.ndarray) -> float:
    wrench = np.concatenate([forces.sum(axis=0), np.cross(arms, forces).sum(axis=0)])
    return float(np.linalg.norm(wrench + load))


@pytest.mark.parametrize("seed", range(5))
def test_forces_balance_the_weight_inside_the_cones(seed: int) -> None:
    normals, arms, wanted, load = grip(seed)
    forces = np.zeros((4, 3))
    for _ in range(5):  # as many control steps
        balance(normals, np.ones(4, bool), arms, wanted, load, GAINS, forces)
    assert all(in_cone(f, n, GAINS.friction) for f, n in zip(forces, normals, strict=True))
    assert left_over(arms, forces, load) < 0.2 * abs(load[2])
    assert (forces * normals).sum() > 0.7 * 15.0  # it still squeezes


def test_a_finger_that_does_not_touch_gets_no_force() -> None:
    normals, arms, wanted, load = grip(0)
    forces = np.ones((4, 3))
    active = np.array([True, False, True, True])
    balance(normals, active, arms, wanted, load, GAINS, forces)
    assert (forces[1] == 0.0).all()
    assert (np.linalg.norm(forces[active], axis=1) > 0.5).all()


def test_the_plan_meets_the_load_within_the_rate() -> None:
    normals, arms, wanted, load = grip(1)
    plan, forces = np.zeros((STEPS, 4, 3)), np.zeros((4, 3))
    now, before = np.zeros((4, 3)), forces.copy()
    for _ in range(200):
        plan_forces(
            normals, np.ones(4, bool), arms, wanted, now, load, np.zeros(6), GAINS, DT, plan, forces
        )
        assert np.abs(forces - before).max() <= GAINS.force_rate * DT + 1e-9
        now = now + 0.2 * (forces - now)  # the servos' lag
        before = forces.copy()
    assert left_over(arms, now, load) < 0.3 * abs(load[2])
    assert all(in_cone(f, n, GAINS.friction) for f, n in zip(plan[0], normals, strict=True))


def test_the_plan_leads_a_growing_load() -> None:
    normals, arms, wanted, load = grip(2)
    growing, steady = np.zeros(6), np.zeros(6)
    growing[2] = -20.0  # [N/s]
    lifts = []
    for trend in (steady, growing):
        plan, forces = np.zeros((STEPS, 4, 3)), wanted.copy()
        plan[:] = forces
        for _ in range(10):
            plan_forces(normals, np.ones(4, bool), arms, wanted, forces.copy(), load, trend,
                        GAINS, DT, plan, forces)  # fmt: skip
        lifts.append(forces[:, 2].sum())
    assert lifts[1] > lifts[0] + 0.1
