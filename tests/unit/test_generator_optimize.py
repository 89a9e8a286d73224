"""Contact optimisation: both samplers and closures; the law of the Langevin chains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.synthesis import Condition, GraspGeometry, SynthesisConfig
from dexgrasp.synthesis.generators import GENERATORS, optimize
from dexgrasp.synthesis.generators.optimize_settings import MalaConfig
from dexgrasp.synthesis.kernels.langevin import ACCEPTANCE, folded, log_folded

CONFIG = SynthesisConfig.load().model_copy(update={"samples": 48})
METHODS = ("optimize", "optimize_cone", "optimize_mala")
NO_ENERGY = dict.fromkeys(type(CONFIG.weights).model_fields, 0.0)


def can() -> GraspGeometry:
    return GraspGeometry(load_object("tomato_soup_can"), np.eye(4), 0.0)


def proposed(method: str, name: str, seed: int = 0):
    hand, rng = HandModel.load(name), np.random.default_rng(seed)
    return GENERATORS[method](hand, can(), CONFIG, Condition(), rng)


def ask(monkeypatch, **changes) -> None:
    figures = optimize.settings().model_copy(update=changes)
    monkeypatch.setattr(optimize, "settings", lambda: figures)


def posture_chains(heat: float, stiffness: float, reach: float, steps: int, count: int = 1500):
    """Joints in which chains end whose energy is `stiffness` |q - reference|^2 alone."""
    hand, geometry = HandModel.load("leap_right"), can()
    weights = CONFIG.weights.model_copy(update=NO_ENERGY | {"posture": stiffness})
    config = CONFIG.model_copy(update={"weights": weights, "samples": count})
    rng = np.random.default_rng(0)
    starts = optimize.starts_for(hand, geometry, config, Condition(), rng)
    middle = 0.5 * (hand.joint_lower + hand.joint_upper)
    starts.joints[:] = middle
    starts.references[:] = hand.joint_lower + reach
    mala = MalaConfig(steps=steps, jumps=(0.001, 0.01, 0.1), temperatures=(heat, heat))
    seeds = rng.integers(2**31, size=count)
    ends, accepted = optimize.sampled(hand, geometry, starts, config, mala, seeds)
    return hand, ends.joints, accepted


@pytest.mark.slow
def test_chains_end_in_the_law_of_their_energy() -> None:
    """exp(-s (q - r)^2 / T) is a normal law of variance T / 2s, cut off at the joint's limits.

    The reference is half a deviation above the lower limits, where folding matters.
    """
    heat, stiffness = 2.0, 50.0
    deviation = np.sqrt(heat / (2.0 * stiffness))
    hand, joints, accepted = posture_chains(heat, stiffness, 0.5 * deviation, 500, count=600)
    for j, (low, high) in enumerate(zip(hand.joint_lower, hand.joint_upper, strict=True)):
        law = stats.truncnorm(
            -0.5, (high - low) / deviation - 0.5, low + 0.5 * deviation, deviation
        )
        assert stats.kstest(joints[:, j], law.cdf).pvalue > 1e-3 / len(hand.joint_lower)
        assert joints[:, j].std() == pytest.approx(law.std(), rel=0.12)
    assert accepted.mean() == pytest.approx(ACCEPTANCE, abs=0.05)


def test_colder_chains_stay_nearer() -> None:
    spread = [
        posture_chains(heat, 50.0, 0.3, 300, count=200)[1].std(axis=0).mean()
        for heat in (0.8, 0.2, 0.05)
    ]
    np.testing.assert_allclose(np.array(spread[:-1]) / spread[1:], 2.0, rtol=0.15)


@given(low=st.floats(-2.0, 1.0), span=st.floats(0.01, 3.0), value=st.floats(-20.0, 20.0))
def test_folding_keeps_the_limits_and_what_is_inside(low: float, span: float, value: float):
    high = low + span
    inside = folded(value, low, high)
    assert low - 1e-9 <= inside <= high + 1e-9
    assert folded(inside, low, high) == pytest.approx(inside, abs=1e-9)
    assert folded(2.0 * low - value, low, high) == pytest.approx(inside, abs=1e-9)


@pytest.mark.parametrize("mean", [-0.05, 0.02, 0.5, 0.98])
def test_density_of_folded_steps_sums_to_one(mean: float) -> None:
    width, grid = 0.1, np.linspace(0.0, 1.0, 4001)
    density = np.exp([log_folded(x, mean, width, 0.0, 1.0) for x in grid])
    total = np.trapezoid(density, grid) / (width * np.sqrt(2.0 * np.pi))
    assert total == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", hand_names())
def test_some_fingers_meet_the_surface_without_entering(name: str, method: str) -> None:
    found = proposed(method, name)
    gap = np.abs(can().model.sdf.query(found.tips)[0])
    touching = np.where(found.used, gap, 0.0).max(axis=1) < 0.006
    facing = np.where(found.used, (found.facings * found.surfaces).sum(axis=2), -1.0).max(axis=1)
    assert (touching & (facing < -0.5)).any()
    hand = HandModel.load(name)
    assert (found.joints >= hand.joint_lower - 1e-9).all()
    assert (found.joints <= hand.joint_upper + 1e-9).all()
    turns = found.palms[:, :3, :3]
    np.testing.assert_allclose(
        turns @ turns.transpose(0, 2, 1), np.tile(np.eye(3), (len(turns), 1, 1)), atol=1e-9
    )


@pytest.mark.parametrize("method", METHODS)
def test_one_seed_gives_one_answer(method: str) -> None:
    first, again, other = (proposed(method, "leap_right", seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.palms, again.palms)
    np.testing.assert_array_equal(first.joints, again.joints)
    assert not np.array_equal(first.palms, other.palms)


def test_cooling_lowers_the_energy(monkeypatch) -> None:
    mala = optimize.settings().mala
    medians = []
    for last in (mala.temperatures[0], mala.temperatures[1]):
        cooled = mala.model_copy(update={"temperatures": (mala.temperatures[0], last)})
        ask(monkeypatch, mala=cooled)
        medians.append(np.median(proposed("optimize_mala", "allegro_right").energy))
    assert medians[1] < 0.5 * medians[0]
