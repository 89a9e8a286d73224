"""The trial without a table: what holds, what cannot, and what the checked synthesis returns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dexgrasp.errors import GraspError, NoGraspError, UnknownNameError
from dexgrasp.evaluation.plausibility import plausibilities
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.synthesis import (
    Condition,
    GraspGeometry,
    SynthesisConfig,
    make_synthesizer,
    synthesizer,
)
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.filters import Prepared
from dexgrasp.synthesis.selection import spread, the_best
from dexgrasp.synthesis.shake import held_when_expected, shake
from dexgrasp.types import concatenated

CONFIG = SynthesisConfig.load()


@pytest.fixture(scope="module")
def can() -> GraspGeometry:
    return GraspGeometry(load_object("tomato_soup_can"), np.eye(4), 0.0)


@pytest.fixture(scope="module", params=hand_names())
def hand(request) -> HandModel:
    return HandModel.load(request.param)


@pytest.fixture(scope="module")
def grasps(hand, can):
    return make_synthesizer("search", check="shake").synthesize(hand, can, 8, seed=0)


def test_what_is_returned_has_held_stays_out_and_touches(hand, can, grasps) -> None:
    assert len(grasps) == 8
    grasps.validate(hand.joint_count)
    assert (shake(hand, can, grasps, CONFIG.shake) < 1.0).all()
    judged = plausibilities(hand, grasps.grasp, grasps.T_frame_palm, can.model)
    assert max(p.penetration_depth for p in judged) <= 1e-3
    assert min(p.contact_count for p in judged) >= 3
    assert (np.diff(grasps.score) <= 0.0).all()
    assert (grasps.score >= 0.5).all()


def test_open_hands_and_ice_are_found_out(hand, can, grasps) -> None:
    opened = replace(grasps, grasp=grasps.pregrasp, squeeze=grasps.pregrasp)
    assert (shake(hand, can, opened, CONFIG.shake) >= 1.0).all()
    ice = CONFIG.shake.model_copy(update={"friction": 0.01})
    assert (shake(hand, can, grasps, ice) >= 1.0).all()


def test_where_hardly_anything_holds_the_expected_friction_is_enough(hand) -> None:
    marker = GraspGeometry(load_object("large_marker"), np.eye(4), 0.0)
    found = make_synthesizer("search", check="shake").synthesize(hand, marker, 4, seed=0)
    shaken = shake(hand, marker, found, CONFIG.shake)
    only_then = found[shaken >= CONFIG.shake.allowed]
    assert len(only_then)
    assert held_when_expected(hand, marker, only_then, CONFIG.shake).all()


def test_rounds_are_short_until_something_holds(can, monkeypatch) -> None:
    sizes = []

    def unlucky_twice(hand, geometry, grasps, settings):
        sizes.append(len(grasps))
        return np.full(len(grasps), np.inf if len(sizes) < 3 else 0.0)

    monkeypatch.setattr(synthesizer, "shake", unlucky_twice)
    monkeypatch.setattr(
        synthesizer, "held_when_expected", lambda h, o, g, s: np.zeros(len(g), bool)
    )
    settings, hand = CONFIG.shake, HandModel.load("allegro_right")
    found = make_synthesizer("search", check="shake").synthesize(hand, can, 40, seed=0)
    assert len(found) == 40
    assert sizes[:3] == [settings.first_batch << k for k in range(3)]
    assert sizes[3] > settings.first_batch << 3


def test_one_seed_gives_one_answer(hand, can, grasps) -> None:
    again = make_synthesizer("search", check="shake").synthesize(hand, can, 8, seed=0)
    np.testing.assert_array_equal(again.grasp, grasps.grasp)
    np.testing.assert_array_equal(again.score, grasps.score)


def test_a_pinch_comes_when_it_is_asked_for(can) -> None:
    hand = HandModel.load("allegro_right")
    found = make_synthesizer("search", check="shake").synthesize(
        hand, can, 4, seed=0, condition=Condition(types=("pinch",))
    )
    assert set(found.kind) == {"pinch"}


def test_grasps_come_from_where_they_are_asked_to(can) -> None:
    hand, down = HandModel.load("allegro_right"), np.array([0.0, 0.0, -1.0])
    for method in ("optimize", "search"):
        found = make_synthesizer(method, check="shake").synthesize(
            hand, can, 4, seed=0, condition=Condition(approach=down, cone=0.5)
        )
        assert (found.approach @ down > np.cos(0.5)).all()


def test_a_region_away_from_the_surface_is_an_answer_in_words(can) -> None:
    hand = HandModel.load("allegro_right")
    nowhere = Condition(region=lambda points: np.zeros(len(points), dtype=bool))
    short = CONFIG.model_copy(
        update={"samples": 64, "shake": CONFIG.shake.model_copy(update={"rounds": 1})}
    )
    with pytest.raises(NoGraspError, match="the region holds none of"):
        make_synthesizer("optimize", short, "shake").synthesize(hand, can, 4, condition=nowhere)


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="lift, shake"):
        make_synthesizer("search", check="prayer")


def test_only_sets_of_one_hand_are_joined(grasps) -> None:
    assert len(concatenated([grasps, grasps])) == 16
    with pytest.raises(GraspError, match="one hand in one frame"):
        concatenated([grasps, replace(grasps, hand="other")])


@pytest.fixture(scope="module")
def bowl() -> GraspGeometry:
    model = load_object("bowl")
    return GraspGeometry(model, model.T_table_object, 0.0)


def test_a_bowl_is_held_by_its_rim_when_that_is_asked_for(bowl) -> None:
    hand, rim = HandModel.load("leap_right"), Condition(types=("rim",))
    found = make_synthesizer("search", check="shake").synthesize(hand, bowl, 2, 2, rim)
    assert set(found.kind) == {"rim"}


def test_a_list_has_every_kind_that_holds(bowl) -> None:
    """The Allegro holds a bowl's rim in one of fifty hands, which no round of all kinds brings."""
    hand = HandModel.load("allegro_right")
    found = make_synthesizer("search", check="shake").synthesize(hand, bowl, 12, seed=3)
    assert len(found) == 12
    assert {"power", "rim"} < set(found.kind)


def test_the_best_of_each_kind_is_in_a_short_list(grasps) -> None:
    score, kinds = np.linspace(0.9, 0.2, 8), ("a", "a", "a", "b", "a", "b", "a", "c")
    palms = np.tile(np.eye(4), (8, 1, 1))
    every = replace(grasps, score=score, kind=kinds, T_frame_palm=palms)
    halves = [every[np.arange(1, 8, 2)], every[np.arange(0, 8, 2)]]
    assert the_best(halves, 4).score.tolist() == score[[0, 1, 3, 7]].tolist()
    assert the_best(halves, 2).kind == ("a", "b")
    assert len(the_best(halves, 20)) == 8


def test_a_short_list_takes_what_differs_before_what_is_hardly_better(grasps) -> None:
    palms = np.tile(np.eye(4), (8, 1, 1))
    palms[:, 0, 3] = [0.0, 0.001, 0.002, 0.003, 0.2, 0.201, 0.3, 0.3]
    score = np.array([0.9, 0.89, 0.88, 0.87, 0.8, 0.79, 0.05, 0.04])
    every = replace(grasps, score=score, kind=("a",) * 8, T_frame_palm=palms)
    assert the_best([every], 2).score.tolist() == [0.9, 0.8]
    assert the_best([every], 3).score.min() >= 0.8  # what hardly holds stays out
    assert the_best([every], 1).score.tolist() == [0.9]


def test_spread_takes_kinds_in_turn_and_the_farthest_palm_of_each() -> None:
    kinds = np.array(["a", "a", "a", "b", "b"])
    prepared = listed(kinds, along=[0.0, 0.01, 0.05, 0.02, 0.3])
    assert spread(prepared, 4).candidates.palms[:, 0, 3].tolist() == [0.0, 0.3, 0.05, 0.02]
    assert len(spread(prepared, 9)) == 5


def listed(kinds: np.ndarray, along: list[float]) -> Prepared:
    """Candidates that differ in the palm's x [m] and the kind alone."""
    n = len(kinds)
    palms = np.tile(np.eye(4), (n, 1, 1))
    palms[:, 0, 3] = along
    points, nothing = np.zeros((n, 4, 3)), np.zeros(n)
    joints, used = np.zeros((n, 16)), np.ones((n, 4), dtype=bool)
    candidates = Candidates(palms, joints, used, points, points, points, kinds, nothing)
    return Prepared(candidates, joints, joints, joints, nothing, nothing, nothing)
