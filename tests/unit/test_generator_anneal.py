"""Annealing: its synergies span the postures, its schedule cools as published, energy falls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dexgrasp.errors import ConfigError
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.synthesis import Condition, GraspGeometry, SynthesisConfig, box_region
from dexgrasp.synthesis.generators import anneal
from dexgrasp.synthesis.generators.anneal_kernels import aside, moved, neighbour, temperature
from dexgrasp.synthesis.generators.eigengrasps import Eigengrasps
from dexgrasp.synthesis.wishes import kept_wishes

QUICK = anneal.settings().model_copy(update={"chains": 16, "steps": 1200})


def can() -> GraspGeometry:
    return GraspGeometry(load_object("tomato_soup_can"), np.eye(4), 0.0)


def run(hand: HandModel, condition: Condition, seed: int = 0, **changes):
    figures = QUICK.model_copy(update=changes)
    return anneal.annealed(hand, can(), condition, figures, np.random.default_rng(seed))


@pytest.mark.parametrize("name", hand_names())
def test_all_eigengrasps_rebuild_every_posture(name: str) -> None:
    hand = HandModel.load(name)
    postures = np.array(list(hand.postures.values()))
    rank = np.linalg.matrix_rank(postures - postures.mean(axis=0), tol=1e-6)
    full = Eigengrasps.of(hand, rank)
    np.testing.assert_allclose(full.joints(full.amplitudes(postures)), postures, atol=1e-9)
    np.testing.assert_allclose(full.directions @ full.directions.T, np.eye(rank), atol=1e-9)
    assert full.variance.sum() == pytest.approx(1.0)
    assert (np.diff(full.variance) <= 0.0).all()
    pair = Eigengrasps.of(hand, 2)
    assert pair.variance.sum() > 0.8
    with pytest.raises(ConfigError, match=f"span 1 to {rank}"):
        Eigengrasps.of(hand, rank + 1)


def test_the_schedule_is_the_published_one() -> None:
    figures = anneal.settings()
    first, last, initial, cooling, dimensions, scale = figures.schedule
    begin = temperature(initial, cooling, first, dimensions)
    end = temperature(initial, cooling, last, dimensions)
    assert begin == pytest.approx(1e6 * np.exp(-7.0 * 30000**0.125))
    assert 5.0 < begin / scale < 15.0  # mm that are climbed easily at first
    assert end / scale < 0.5  # and at last


@given(heat=st.floats(1e-7, 1e3), value=st.floats(-1.0, 1.0))
def test_moves_stay_within_jump_and_bounds(heat: float, value: float) -> None:
    assert abs(neighbour(heat)) <= 1.0 + 1e-9
    after = moved(value, -1.0, 1.0, 0.2, heat)
    assert -1.0 <= after <= 1.0
    assert abs(after - value) <= 0.2 + 1e-9


def test_moves_shorten_as_it_cools() -> None:
    length = [np.mean([abs(neighbour(heat)) for _ in range(4000)]) for heat in (1.0, 1e-3, 1e-6)]
    assert length[0] > 2.0 * length[1] > 2.0 * length[2] > 0.0


def test_the_way_to_a_region() -> None:
    spots = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    assert aside(spots, 0.01, np.array([0.0, 0.005, 0.0])) == 0.0
    assert aside(spots, 0.01, np.array([0.13, 0.0, 0.0])) == pytest.approx(0.02)
    assert aside(spots[:0], 0.0, np.ones(3)) == 0.0


@pytest.mark.parametrize("name", hand_names())
def test_more_steps_find_lower_energy_that_means_contact(name: str) -> None:
    hand = HandModel.load(name)
    begin, short, long = (run(hand, Condition(), steps=k) for k in (1, 100, 2000))
    assert np.median(long.energy) < 0.5 * np.median(short.energy) < 0.5 * np.median(begin.energy)
    gap = np.abs(can().model.sdf.query(long.tips)[0])
    best = np.argmin(long.energy)
    assert gap[best, long.used[best]].max() < 0.006
    synergies = Eigengrasps.of(hand, QUICK.eigengrasps)
    inside = synergies.joints(synergies.amplitudes(long.joints))
    free = (long.joints > hand.joint_lower + 1e-6) & (long.joints < hand.joint_upper - 1e-6)
    rows = free.all(axis=1)
    assert rows.any()
    np.testing.assert_allclose(inside[rows], long.joints[rows], atol=1e-9)


def test_one_seed_gives_one_answer() -> None:
    hand = HandModel.load("leap_right")
    first, again, other = (run(hand, Condition(), seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.palms, again.palms)
    np.testing.assert_array_equal(first.joints, again.joints)
    assert not np.array_equal(first.palms, other.palms)


def test_the_condition_is_kept(monkeypatch) -> None:
    hand, geometry = HandModel.load("allegro_right"), can()
    monkeypatch.setattr(anneal, "settings", lambda: QUICK)
    low, high = (corner.copy() for corner in geometry.bounds)
    low[2] += 0.4 * (high - low)[2]
    condition = Condition(
        types=("tripod", "pinch"),
        region=box_region(low - 0.01, high + 0.01),
        approach=np.array([0.0, 0.0, -1.0]),
        cone=0.5,
    )
    config, rng = SynthesisConfig.load(), np.random.default_rng(0)
    found = anneal.propose(hand, geometry, config, condition, rng)
    wishes = kept_wishes(hand, geometry, found, condition)
    kept = np.logical_and.reduce(list(wishes.values()))
    assert kept.sum() >= 5
    found = found.take(kept)
    assert set(found.kinds) <= {"tripod", "pinch"}
    assert (found.palms[:, :3, :3] @ hand.T_palm_grasp[:3, 2] @ [0, 0, -1] > np.cos(0.5)).all()
    assert (found.tips[found.used][:, 2] > low[2] - 0.01).all()
