"""Grasps for whole objects: valid, reproducible, refused with reasons."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from dexgrasp.errors import NoGraspError, UnknownNameError
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import ObjectModel, load_object
from dexgrasp.simulation.self_contact import self_overlap
from dexgrasp.synthesis import GraspGeometry, SynthesisConfig, make_synthesizer
from dexgrasp.synthesis.check import SIDES, around
from dexgrasp.synthesis.filters import MAX_SELF
from dexgrasp.synthesis.generators import GENERATORS

SHIPPED = SynthesisConfig.load()
CHECK = SHIPPED.check.model_copy(
    update={"candidates": 6, "proposals": 1, "survivors": 3, "rounds": 1}
)
QUICK = SHIPPED.model_copy(update={"samples": 96, "check": CHECK})


def can() -> GraspGeometry:
    model = load_object("tomato_soup_can")
    return GraspGeometry(model, model.rest_pose(np.array([0.05, -0.03, 0.1]), 0.4), 0.1)


@pytest.mark.parametrize("name", hand_names())
def test_grasps_touch_the_object_and_stay_above_the_table(name: str) -> None:
    hand, geometry = HandModel.load(name), can()
    grasps = make_synthesizer("optimize", QUICK).synthesize(hand, geometry, 8, seed=3)
    assert 0 < len(grasps) <= 8
    grasps.validate(hand.joint_count)
    for joints in (grasps.pregrasp, grasps.grasp, grasps.squeeze):
        assert (joints == hand.clip(joints)).all()
    assert ((grasps.score >= 0.0) & (grasps.score <= 1.0)).all()
    touching = np.isfinite(grasps.contact_points[..., 0])
    assert (touching.sum(axis=1) >= 2).all()
    T_object_world = np.linalg.inv(geometry.T_world_object)
    points = grasps.contact_points[touching] @ T_object_world[:3, :3].T + T_object_world[:3, 3]
    assert np.abs(geometry.model.sdf.query(points)[0]).max() < QUICK.max_gap
    normals = np.linalg.norm(grasps.contact_normals[touching], axis=1)
    np.testing.assert_allclose(normals, 1.0, atol=1e-6)
    spheres = hand.sphere_positions(grasps.grasp)
    world = np.einsum("nij,nsj->nsi", grasps.T_frame_palm[:, :3, :3], spheres)
    world += grasps.T_frame_palm[:, None, :3, 3]
    assert (world[..., 2] - hand.sphere_radii).min() > 0.1 - 0.006


def test_one_seed_gives_one_answer() -> None:
    hand, synthesizer = HandModel.load("allegro_right"), make_synthesizer("optimize", QUICK)
    first = synthesizer.synthesize(hand, can(), 4, seed=5)
    again = synthesizer.synthesize(hand, can(), 4, seed=5)
    other = synthesizer.synthesize(hand, can(), 4, seed=6)
    np.testing.assert_array_equal(first.grasp, again.grasp)
    assert not np.array_equal(first.grasp, other.grasp)


def test_physics_puts_a_grasp_that_lifts_first() -> None:
    hand = HandModel.load("allegro_right")
    grasps = make_synthesizer("optimize", QUICK).synthesize(hand, can(), 6, seed=1)
    assert grasps.score[0] > 0.5
    assert (np.diff(grasps.score) <= 0.0).all()


def test_a_proposal_without_a_grasp_is_followed_by_another(monkeypatch) -> None:
    calls = []

    def unlucky_once(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise NoGraspError("nothing this time")
        return optimize(*arguments)

    optimize = GENERATORS["optimize"]
    monkeypatch.setitem(GENERATORS, "optimize", unlucky_once)
    check = CHECK.model_copy(update={"proposals": 2})
    synthesizer = make_synthesizer("optimize", QUICK.model_copy(update={"check": check}))
    assert len(synthesizer.synthesize(HandModel.load("allegro_right"), can(), 4, seed=1))
    assert len(calls) == 2


def test_too_large_an_object_is_refused_with_its_size() -> None:
    model = ObjectModel.from_mesh("beam", trimesh.creation.box((0.9, 0.05, 0.05)), mass=0.3)
    with pytest.raises(NoGraspError, match=r"0\.90 m long"):
        make_synthesizer("optimize", QUICK).synthesize(
            HandModel.load("allegro_right"), GraspGeometry(model, np.eye(4), -0.025), 4
        )


def test_too_wide_an_object_has_no_grasp_and_the_reasons_are_counted() -> None:
    model = ObjectModel.from_mesh("crate", trimesh.creation.box((0.4, 0.4, 0.4)), mass=0.3)
    with pytest.raises(NoGraspError, match="none of 96 candidates passes; how many touch"):
        make_synthesizer("optimize", QUICK).synthesize(
            HandModel.load("allegro_right"), GraspGeometry(model, np.eye(4), -0.2), 4
        )


def test_an_object_out_of_reach_is_refused() -> None:
    far = can()
    pose = far.T_world_object.copy()
    pose[0, 3] = 2.0
    with pytest.raises(NoGraspError, match="out of reach"):
        make_synthesizer("optimize", QUICK).synthesize(
            HandModel.load("allegro_right"), GraspGeometry(far.model, pose, 0.1), 4
        )


def test_unknown_synthesizer_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="optimize"):
        make_synthesizer("magic")


def test_the_palm_is_displaced_to_all_sides_across_the_approach() -> None:
    approach = np.array([[0.0, 0.0, -1.0], [0.6, 0.0, -0.8], [0.0, 1.0, 0.0]])
    sides = around(approach)
    assert sides.shape == (SIDES, 3, 3)
    np.testing.assert_allclose(np.linalg.norm(sides, axis=2), 1.0)
    np.testing.assert_allclose((sides * approach).sum(axis=2), 0.0, atol=1e-12)
    np.testing.assert_allclose(sides.sum(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(sides[0, 1:, 2], 0.0, atol=1e-12)  # the first is level


@pytest.mark.parametrize("name", hand_names())
def test_no_finger_presses_on_another(name: str) -> None:
    hand = HandModel.load(name)
    grasps = make_synthesizer("search").synthesize(hand, can(), 8, seed=3)
    for q in (grasps.pregrasp, grasps.grasp):
        assert self_overlap(hand, q).max() < MAX_SELF
