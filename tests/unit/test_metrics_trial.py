"""The verdict on a trial, from made-up motions of the object."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from dexgrasp.evaluation.simulation import SimulationTrial, TrialCriteria
from dexgrasp.types import GroundTruth

TABLE = 0.4
PERIOD = 0.01


def truth(time: float, heights: np.ndarray, speeds: np.ndarray) -> GroundTruth:
    """N worlds with one object each, `heights` above the table."""
    worlds = len(heights)
    com, velocity = np.zeros((worlds, 1, 3)), np.zeros((worlds, 1, 3))
    com[:, 0, 2], velocity[:, 0, 2] = TABLE + heights, speeds
    poses = np.tile(np.eye(4), (worlds, 1, 1, 1))
    return GroundTruth(np.full(worlds, time), poses, com, velocity, np.zeros((worlds, 1)))


def judged(heights: np.ndarray, criteria: TrialCriteria | None = None) -> SimulationTrial:
    """A trial over heights (T, N), all of them in the lift."""
    trial = SimulationTrial(TABLE, criteria)
    speeds = np.gradient(heights, PERIOD, axis=0)
    for step, (height, speed) in enumerate(zip(heights, speeds, strict=True)):
        trial.update(truth(step * PERIOD, height, speed), lifting=True)
    return trial


def lift(top: float, seconds: float = 3.0) -> np.ndarray:
    return np.linspace(0.05, top, int(seconds / PERIOD))


def test_a_lifted_and_held_object_is_a_success() -> None:
    verdict = judged(np.append(lift(0.35), np.full(100, 0.35))[:, None]).verdict()
    assert verdict.success
    assert verdict.lifted
    assert verdict.held
    assert not verdict.slip
    assert verdict.max_height == pytest.approx(0.35)
    assert verdict.max_speed < 0.2


def test_a_low_lift_fails() -> None:
    verdict = judged(lift(0.24)[:, None]).verdict()
    assert not verdict.success
    assert not verdict.lifted


def test_a_dropped_object_was_lifted_but_not_held() -> None:
    fall = np.maximum(0.35 - 4.905 * np.arange(0.0, 0.4, PERIOD) ** 2, 0.03)
    verdict = judged(np.concatenate([lift(0.35), fall])[:, None]).verdict()
    assert verdict.lifted
    assert verdict.slip
    assert not verdict.held
    assert not verdict.success


def test_slow_creep_is_no_slip() -> None:
    verdict = judged(np.concatenate([lift(0.45), np.linspace(0.45, 0.27, 500)])[:, None]).verdict()
    assert not verdict.slip
    assert verdict.success


def test_a_shake_without_a_drop_is_no_slip() -> None:
    shake = 0.35 + 0.02 * np.sin(np.linspace(0.0, 60.0, 100))
    assert not judged(np.concatenate([lift(0.35), shake])[:, None]).verdict().slip


def test_motion_before_the_lift_is_no_slip() -> None:
    trial = SimulationTrial(TABLE)
    for step, height in enumerate(np.linspace(0.3, 0.05, 20)):
        trial.update(truth(step * PERIOD, np.array([height]), np.array([-1.0])), lifting=False)
    for step, height in enumerate(lift(0.35)):
        trial.update(truth(step * PERIOD, np.array([height]), np.array([0.1])), lifting=True)
    assert not trial.verdict().slip
    assert trial.verdict().success


def test_worlds_are_judged_apart() -> None:
    heights = np.stack([lift(0.35), lift(0.2), np.full(300, np.nan)], axis=1)
    good, bad, lost = judged(heights).verdicts()
    assert good.success
    assert not bad.success
    assert not lost.success


def test_lifting_can_differ_between_worlds() -> None:
    trial = SimulationTrial(TABLE)
    for height in (0.3, 0.1):
        both = np.full(2, height)
        trial.update(truth(0.0, both, np.full(2, -0.5)), lifting=np.array([True, False]))
    assert [v.slip for v in trial.verdicts()] == [True, False]


def test_thresholds_are_parameters() -> None:
    assert judged(lift(0.15)[:, None], TrialCriteria(height=0.1)).verdict().success
    with pytest.raises(ValidationError):
        TrialCriteria(height=-1.0)


def test_no_update_no_verdict() -> None:
    with pytest.raises(ValueError, match="without a single update"):
        SimulationTrial(TABLE).verdict()
