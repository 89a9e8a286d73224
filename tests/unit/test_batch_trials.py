"""Trials of many grasps at once: physics that must come out one way, and no cross-talk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dexgrasp.errors import UnknownNameError
from dexgrasp.evaluation.batch.completion import clearest_approach, complete_grasps, find_contacts
from dexgrasp.evaluation.batch.protocol import Protocol, Randomisation
from dexgrasp.evaluation.batch.trials import Conditions, run_trials
from dexgrasp.execution import Phase
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.synthesis import GraspGeometry, make_synthesizer
from dexgrasp.synthesis.config import SynthesisConfig

RANGES = Randomisation(position=0.005, yaw=0.05, joints=0.02, friction=(0.7, 1.3), mass=(0.8, 1.2))


@pytest.fixture(scope="module")
def hand() -> HandModel:
    return HandModel.load("allegro_right")


@pytest.fixture(scope="module")
def can():
    return load_object("tomato_soup_can")


@pytest.fixture(scope="module")
def grasps(hand, can):
    """Four grasps that hold, in the object's frame (the catalogue's rests at the origin)."""
    found = make_synthesizer().synthesize(hand, GraspGeometry(can, np.eye(4), 0.0), 4, seed=3)
    return replace(found, frame=can.name)


def nominal(can, count: int, protocol: Protocol) -> Conditions:
    return Conditions.nominal(count, can, protocol, 16)


def test_good_grasps_pass_as_on_the_robot(hand, can, grasps) -> None:
    protocol = Protocol.load("robot")
    outcomes = run_trials(hand, can, grasps, nominal(can, 4, protocol), protocol)
    assert sum(outcome.verdict.success for outcome in outcomes) >= 3
    held = [outcome for outcome in outcomes if outcome.verdict.success]
    assert all(outcome.phase == Phase.DONE for outcome in held)
    assert all(outcome.verdict.final_height > 0.25 for outcome in held)
    assert all(outcome.drift < 0.03 for outcome in held)


def test_good_grasps_of_the_leap_pass_too(can) -> None:
    leap, protocol = HandModel.load("leap_right"), Protocol.load("robot")
    found = make_synthesizer().synthesize(leap, GraspGeometry(can, np.eye(4), 0.0), 4, seed=0)
    outcomes = run_trials(leap, can, found, nominal(can, 4, protocol), protocol)
    assert sum(outcome.verdict.success for outcome in outcomes) >= 3


def test_good_grasps_withstand_six_directions(hand, can, grasps) -> None:
    protocol = Protocol.load("six_directions")
    outcomes = run_trials(hand, can, grasps, nominal(can, 4, protocol), protocol)
    assert sum(outcome.verdict.success for outcome in outcomes) >= 3
    assert all(o.verdict.displacement < 0.05 for o in outcomes if o.verdict.success)


def test_an_open_hand_lifts_nothing_under_any_protocol(hand, can, grasps) -> None:
    opened = replace(grasps, grasp=grasps.pregrasp, squeeze=grasps.pregrasp)
    for name in ("survey", "robot", "six_directions"):
        protocol = Protocol.load(name)
        outcomes = run_trials(hand, can, opened, nominal(can, 4, protocol), protocol)
        assert not any(outcome.verdict.success for outcome in outcomes), name


def test_without_friction_nothing_is_lifted(hand, can, grasps) -> None:
    protocol = Protocol.load("robot").changed({"friction": 0.01})
    outcomes = run_trials(hand, can, grasps, nominal(can, 4, protocol), protocol)
    assert not any(outcome.verdict.success for outcome in outcomes)


def test_ten_kilograms_stay_on_the_table(hand, can, grasps) -> None:
    protocol = Protocol.load("robot").changed({"mass": 10.0})
    outcomes = run_trials(hand, can, grasps, nominal(can, 4, protocol), protocol)
    assert max(outcome.verdict.max_height for outcome in outcomes) < 0.15


def test_without_gravity_before_the_lift_the_object_floats(hand, can, grasps) -> None:
    """The survey's protocol: nothing falls until the fingers have squeezed."""
    protocol = Protocol.load("survey").model_copy(update={"elevation": 0.1})
    outcomes = run_trials(hand, can, grasps, nominal(can, 4, protocol), protocol)
    assert max(outcome.verdict.max_height for outcome in outcomes) > 0.3


def test_outcomes_do_not_depend_on_the_company(hand, can, grasps) -> None:
    protocol = Protocol.load("robot")
    conditions = nominal(can, 4, protocol)
    together = run_trials(hand, can, grasps, conditions, protocol)
    alone = run_trials(hand, can, grasps[2], conditions[np.array([2])], protocol)
    assert alone[0] == together[2]


def test_randomised_conditions_depend_on_their_own_seed_alone(can) -> None:
    base = nominal(can, 3, Protocol.load("survey"))
    seeds = [[0, row, 1] for row in range(3)]
    first = base.randomised(RANGES, [np.random.default_rng(s) for s in seeds])
    last = base[np.array([2])].randomised(RANGES, [np.random.default_rng(seeds[2])])
    for ours, theirs in zip(vars(first).values(), vars(last).values(), strict=True):
        np.testing.assert_array_equal(ours[2], theirs[0])
    assert np.all((first.mass >= 0.8 * can.mass) & (first.mass <= 1.2 * can.mass))
    assert np.all((first.friction >= 0.7 * can.friction) & (first.friction <= 1.3 * can.friction))
    assert len(np.unique(first.mass)) == 3


def test_conditions_are_chosen_by_trial(can) -> None:
    base = nominal(can, 3, Protocol.load("survey"))
    varied = base.randomised(RANGES, [np.random.default_rng(s) for s in range(3)])
    chosen = base.where(np.array([False, True, False]), varied)
    assert chosen.mass.tolist() == [base.mass[0], varied.mass[1], base.mass[2]]
    np.testing.assert_array_equal(chosen.joint_error[1], varied.joint_error[1])
    assert not chosen.offset[[0, 2]].any()


def test_an_unknown_backend_is_refused(hand, can, grasps) -> None:
    protocol = Protocol.load("robot")
    with pytest.raises(UnknownNameError, match="mujoco_warp"):
        run_trials(hand, can, grasps, nominal(can, 4, protocol), protocol, "gazebo")


def test_missing_joints_are_completed_so_that_the_grasp_holds(hand, can, grasps) -> None:
    """Only the grasp itself given, as most data sets do."""
    protocol, nothing = Protocol.load("robot"), np.full((4, 16), np.nan)
    palms, joints = grasps.T_frame_palm, (nothing, grasps.grasp, nothing)
    made = complete_grasps(hand, can, palms, joints, 0.1, SynthesisConfig.load())
    made.validate(16)
    outcomes = run_trials(hand, can, made, nominal(can, 4, protocol), protocol)
    assert sum(outcome.verdict.success for outcome in outcomes) >= 3


def test_given_joints_are_left_alone(hand, can, grasps) -> None:
    joints = (grasps.pregrasp, grasps.grasp, grasps.squeeze)
    made = complete_grasps(hand, can, grasps.T_frame_palm, joints, 0.1, SynthesisConfig.load())
    np.testing.assert_array_equal(made.pregrasp, grasps.pregrasp)
    np.testing.assert_array_equal(made.squeeze, grasps.squeeze)


def test_contacts_lie_on_the_surface_and_point_inwards(hand, can, grasps) -> None:
    links, fingers, points, normals = find_contacts(
        hand, can, grasps.grasp[0], grasps.T_frame_palm[0]
    )
    assert len(links) == len(points) >= 2
    assert sorted(fingers) == fingers.tolist()
    assert np.abs(can.sdf.query(points)[0]).max() < 1e-3
    assert (can.sdf.query(points + 0.004 * normals)[0] < 0.0).all()


def test_a_hand_far_away_still_names_two_fingers(hand, can) -> None:
    palm = np.eye(4)
    palm[:3, 3] = [0.0, 0.0, 0.4]
    _, fingers, _, _ = find_contacts(hand, can, hand.postures["open"], palm)
    assert len(fingers) == 2


def test_the_way_in_avoids_the_object(hand, can, grasps) -> None:
    """A palm that would have to sweep through the can along its own axis enters from above."""
    directions = clearest_approach(hand, can, grasps.T_frame_palm, grasps.pregrasp, 0.1)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0, atol=1e-9)
    own = grasps.T_frame_palm[:, :3, :3] @ hand.T_palm_grasp[:3, 2]
    assert ((directions * own).sum(axis=1) > 0.0).all()
