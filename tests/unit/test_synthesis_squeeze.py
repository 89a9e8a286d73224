"""How hard joints can press, for the weight that is to be held."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.squeeze import GRAVITY, squeeze_and_pregrasp

LEVER = 0.1  # [m] at which each of two joints presses its contact
RADIUS = 0.03  # [m] of the object between them
CONFIG = SynthesisConfig.load()


def pinched(mass: float, effort: float) -> tuple[np.ndarray, float]:
    """Torques [Nm] of two joints that press on an object from both sides, and how weak they are."""
    hand = SimpleNamespace(
        effort_limit=np.full(2, effort), stiffness=np.ones(2), clip=lambda joints: joints
    )
    points = np.array([[RADIUS, 0.0, 0.0], [-RADIUS, 0.0, 0.0]])
    jacobians = np.zeros((2, 3, 2))
    jacobians[0, 0, 0] = jacobians[1, 0, 1] = LEVER
    squeeze, _, _, weak = squeeze_and_pregrasp(
        hand, SimpleNamespace(mass=mass, com=np.zeros(3)), CONFIG, np.zeros(2), np.eye(4),
        (points, -points / RADIUS, jacobians),
    )  # fmt: skip
    return squeeze, weak


def test_strong_joints_hold_the_weight() -> None:
    squeeze, weak = pinched(mass=0.2, effort=5.0)
    assert weak == 0.0
    assert np.abs(squeeze) == pytest.approx(LEVER * CONFIG.grip, rel=0.05)
    assert squeeze[0] < 0.0 < squeeze[1]


@pytest.mark.parametrize("mass", [0.4, 0.8])
def test_what_weak_joints_lack_is_told(mass: float) -> None:
    squeeze, weak = pinched(mass, effort=0.5)
    limit = CONFIG.torque_share * 0.5
    assert np.abs(squeeze) == pytest.approx(limit, rel=0.05)
    wanted = 0.75 * GRAVITY * mass / CONFIG.friction
    assert weak == pytest.approx(1.0 - limit / LEVER / wanted, abs=0.05)


def test_what_no_grip_is_meant_to_hold_is_weak_even_for_strong_joints() -> None:
    _, weak = pinched(mass=4.0, effort=50.0)
    wanted = 0.75 * GRAVITY * 4.0 / CONFIG.friction
    assert weak == pytest.approx(1.0 - CONFIG.max_grip / wanted, abs=0.01)
