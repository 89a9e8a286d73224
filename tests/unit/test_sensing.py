"""Touch and force from the motors, on joints with friction and on forces laid on them."""

from __future__ import annotations

import numpy as np
import pytest

from dexgrasp.execution import ExecutionConfig
from dexgrasp.execution.sensing import ContactEstimator, Felt
from dexgrasp.hands import HandModel
from dexgrasp.types import Observation

HAND = HandModel.load("leap_right")
CONFIG = ExecutionConfig.load()
J, F = HAND.joint_count, len(HAND.finger_names)


def seen(q: np.ndarray, v: np.ndarray, effort: np.ndarray) -> Observation:
    """One world without tactile sensors."""
    return Observation(
        np.zeros(1), q[None], v[None], effort[None], np.eye(4)[None], np.full((1, F), np.nan)
    )


def free_effort(v: np.ndarray) -> np.ndarray:
    """Of joints with an offset, dry friction and drag [Nm]."""
    return 0.02 + 0.04 * np.tanh(v / 0.02) + 0.03 * v


def calibrated(steps: int = 300) -> tuple[ContactEstimator, list[Felt]]:
    """After a free motion to and fro, and what was felt during its second half."""
    estimator = ContactEstimator(HAND, CONFIG, 1)
    rng, felt = np.random.default_rng(0), []
    for step in range(steps):
        v = np.full(J, np.sin(0.1 * step))
        effort = free_effort(v) + rng.normal(0.0, 0.002, J)
        felt.append(estimator.update(np.zeros((1, J)), np.ones(1, bool), seen(GRASP, v, effort)))
    return estimator, felt[steps // 2 :]


GRASP = HAND.postures["precision"]
STILL = np.zeros(J)


def test_free_motion_is_no_touch_once_its_friction_is_known() -> None:
    _, felt = calibrated()
    assert not np.any([f.touching for f in felt])
    assert felt[-1].confidence.min() > 0.3


@pytest.mark.parametrize("finger", range(F))
def test_a_press_is_felt_on_its_finger_with_its_force(finger: int) -> None:
    estimator, _ = calibrated()
    force = np.array([0.5, -1.0, 2.0])
    jacobian = HAND.contact_jacobians(GRASP, HAND.fingertips(GRASP))[0, finger]
    press = seen(GRASP, STILL, free_effort(STILL) + jacobian.T @ force)
    felt = estimator.update(np.zeros((1, J)), np.zeros(1, bool), press)
    assert felt.touching[0].tolist() == [f == finger for f in range(F)]
    assert felt.force[0, finger] == pytest.approx(np.linalg.norm(force), rel=0.15)
    assert felt.confidence[0, finger] > 0.9


def test_nothing_is_certain_before_the_hand_has_moved_freely() -> None:
    estimator = ContactEstimator(HAND, CONFIG, 1)
    felt = estimator.update(np.zeros((1, J)), np.zeros(1, bool), seen(GRASP, STILL, 0.5 + STILL))
    assert (felt.confidence == 0.0).all()


def test_without_effort_the_lag_of_the_joints_tells() -> None:
    estimator = ContactEstimator(HAND, CONFIG, 1)
    sent = GRASP + 0.1 * HAND.finger_joint_mask[1]
    felt = estimator.update(sent[None], np.zeros(1, bool), seen(GRASP, STILL, np.full(J, np.nan)))
    assert felt.touching[0].tolist() == [False, True, False, False]


def test_a_sensor_is_believed() -> None:
    estimator, _ = calibrated()
    observation = seen(GRASP, STILL, free_effort(STILL))
    observation.finger_force = np.array([[2.0, 0.0, np.nan, 0.1]])
    felt = estimator.update(np.zeros((1, J)), np.zeros(1, bool), observation)
    assert felt.touching[0].tolist() == [True, False, False, False]
    assert felt.force[0, :2].tolist() == [2.0, 0.0]
    assert felt.confidence[0, [0, 1, 3]].tolist() == [1.0, 1.0, 1.0]
    assert np.isfinite(felt.force).all()


def test_what_a_sensor_feels_in_the_air_is_no_touch() -> None:
    estimator, still = ContactEstimator(HAND, CONFIG, 1), seen(GRASP, STILL, STILL)
    touching = []
    for free, force in ((True, 2.0), (False, 2.0), (False, 2.0 + 2.0 * CONFIG.touch_force)):
        still.finger_force = np.array([[force, 0.0, 0.0, 0.0]])
        felt = estimator.update(np.zeros((1, J)), np.array([free]), still)
        touching.append(bool(felt.touching[0, 0]))
    assert touching == [False, False, True]
    estimator.start(np.array([0]), np.full((1, F, 3), np.nan))  # another grasp, another neighbour
    assert estimator.update(np.zeros((1, J)), np.zeros(1, bool), still).touching[0, 0]


def test_a_state_of_nan_feels_nothing() -> None:
    estimator, _ = calibrated()
    broken = seen(np.where(np.arange(J) == 3, np.nan, GRASP), STILL, STILL + 1.0)
    felt = estimator.update(np.zeros((1, J)), np.ones(1, bool), broken)
    assert not felt.touching.any()
    assert (felt.confidence == 0.0).all()
    assert all(np.isfinite(value).all() for value in (felt.force, felt.vector, felt.points))
