"""The search over contact fields: its bins, balance and kinematics by their laws, its grasps."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from dexgrasp.errors import NoGraspError, UnknownNameError
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import ObjectModel, load_object
from dexgrasp.synthesis import Condition, GraspGeometry, SynthesisConfig, box_region
from dexgrasp.synthesis.filters import prepare
from dexgrasp.synthesis.generators import GENERATORS, search
from dexgrasp.synthesis.generators.contact_fields import (
    EMPTY,
    bin_index,
    contact_fields,
    direction_bin,
)
from dexgrasp.synthesis.generators.inverse_kinematics import reach, solve
from dexgrasp.synthesis.generators.matching import (
    CROWDED,
    residual,
    residuals_of,
    stays_above,
)
from dexgrasp.synthesis.generators.search_settings import SearchConfig
from dexgrasp.synthesis.refine import refine

SETTINGS = SearchConfig.load().model_copy(
    update={"palms": 3000, "configurations": 10000, "matches": 600, "kept": 160}
)
SEEDS = st.integers(0, 2**31)
ANYHOW = Condition()
DOWN = np.array([0.0, 0.0, -1.0])


@lru_cache
def the_hand(name: str) -> HandModel:
    return HandModel.load(name)


@lru_cache
def can() -> GraspGeometry:
    return GraspGeometry(load_object("tomato_soup_can"), np.eye(4), 0.0)


def searched(name: str, condition: Condition = ANYHOW, seed: int = 0):
    config, rng = SynthesisConfig.load(), np.random.default_rng(seed)
    return search.search(the_hand(name), can(), config, condition, rng, SETTINGS)


def cell_of(direction: np.ndarray, splits: int) -> int:
    x, y, z = direction
    return direction_bin(x, y, z, splits)


def unit_vector(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=3)
    return vector / np.linalg.norm(vector)


@settings(deadline=None)  # the first example compiles
@given(SEEDS, st.integers(1, 9))
def test_a_direction_cell_is_narrow_and_not_shared_with_the_opposite(seed, splits):
    first = unit_vector(seed)
    cell = cell_of(first, splits)
    assert 0 <= cell < 6 * splits**2
    assert cell_of(2.0 * first, splits) == cell
    assert cell_of(-first, splits) != cell
    second = unit_vector(seed + 1)
    if cell_of(second, splits) == cell:
        # two points of one square of the cube's face, seen from its centre
        assert np.arccos(np.clip(first @ second, -1.0, 1.0)) <= 2.0 * np.sqrt(2.0) / splits + 1e-6


@pytest.mark.parametrize("name", hand_names())
def test_a_filled_bin_is_reached_by_the_configuration_that_it_remembers(name):
    hand = the_hand(name)
    fields = contact_fields(hand, 3000, 0.01, 5)
    assert (fields.filled > 1000).all()
    points, normals, links, fingers = hand.kernel_contacts
    spots = np.random.default_rng(0).choice(np.flatnonzero(fields.bins != EMPTY), 200)
    sample, contact = np.divmod(fields.bins[spots], len(links))
    poses = hand.forward(fields.samples[sample])[np.arange(200), links[contact]]
    place = (poses[:, :3, :3] @ points[contact][..., None])[..., 0] + poses[:, :3, 3]
    facing = (poses[:, :3, :3] @ normals[contact][..., None])[..., 0]
    found = [
        bin_index(fields.kernel, fingers[contact[i]], *place[i], *facing[i]) for i in range(200)
    ]
    # points on the border of two boxes may round into the other one
    assert np.mean(np.array(found) == spots) > 0.97


@pytest.mark.parametrize("name", hand_names())
def test_fields_prefer_configurations_near_the_postures(name):
    hand = the_hand(name)
    fields = contact_fields(hand, 3000, 0.01, 5)
    costs = search_costs(hand, fields.samples)
    points, normals, links, fingers = hand.kernel_contacts
    poses = hand.forward(fields.samples[:100])
    for c in range(0, len(links), 7):
        place = poses[:, links[c], :3, :3] @ points[c] + poses[:, links[c], :3, 3]
        facing = poses[:, links[c], :3, :3] @ normals[c]
        for s in range(100):
            spot = bin_index(fields.kernel, fingers[c], *place[s], *facing[s])
            if spot != EMPTY and fields.bins[spot] != EMPTY:
                winner = fields.bins[spot] // len(links)
                assert costs[winner, fingers[c]] <= costs[s, fingers[c]] + 1e-6


@pytest.mark.parametrize("name", hand_names())
def test_a_last_link_is_above_the_table_with_all_its_spheres(name):
    hand = the_hand(name)
    fields = contact_fields(hand, 3000, 0.01, 5)
    points, _, links, fingers = hand.kernel_contacts
    centers, radii, owner = hand.kernel_spheres
    rng = np.random.default_rng(0)
    palm = np.eye(4)
    for entry in rng.choice(fields.bins[fields.bins != EMPTY], 50):
        sample, contact = divmod(int(entry), len(links))
        palm[:3, :3] = Rotation.random(random_state=rng).as_matrix()
        pose = palm @ hand.forward(fields.samples[[sample]])[0, links[contact]]
        own = owner == links[contact]
        heights = centers[own] @ pose[2, :3] - radii[own]
        lowest = heights.min() - points[contact] @ pose[2, :3]  # below the contact
        for gap in (-1e-4, 1e-4):
            place = fields.kernel_tips, palm, entry, fingers[contact], 0.02
            assert stays_above(*place, 0.02 + lowest - gap) == (gap > 0.0)


def search_costs(hand: HandModel, samples: np.ndarray) -> np.ndarray:
    """The rule of `posture_costs` written out for one finger and posture after the other."""
    width = hand.joint_upper - hand.joint_lower
    costs = np.full((len(samples), len(hand.finger_names)), np.inf)
    for kind in hand.grasp_types:
        for f, own in enumerate(hand.finger_joint_mask):
            off = (samples - hand.postures[kind.posture])[:, own] / width[own]
            costs[:, f] = np.minimum(costs[:, f], (off**2).sum(axis=1))
    return costs


@settings(deadline=None)  # the first example compiles
@given(SEEDS, st.integers(1, 22))
def test_solve_inverts_symmetric_positive_matrices(seed, size):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size + 3))
    matrix, vector = root @ root.T + 0.1 * np.eye(size), rng.normal(size=size)
    answer = vector.copy()
    solve(np.tril(matrix), answer)
    assert np.allclose(matrix @ answer, vector, atol=1e-7)


def placed_contacts(hand: HandModel, palm, joints, chosen):
    """Points and normals (F, 3) of the chosen contacts in the frame of the palm's pose."""
    points, normals, links, _ = hand.kernel_contacts
    poses = palm @ hand.forward(joints)[0][links[chosen]]
    facing = (poses[:, :3, :3] @ normals[chosen][..., None])[..., 0]
    return (poses[:, :3, :3] @ points[chosen][..., None])[..., 0] + poses[:, :3, 3], facing


@pytest.mark.parametrize("name", hand_names())
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS)
def test_inverse_kinematics_finds_back_to_a_pose_of_the_hand(name, seed):
    hand, rng = the_hand(name), np.random.default_rng(seed)
    palm = np.eye(4)
    palm[:3, :3], palm[:3, 3] = Rotation.random(rng=rng).as_matrix(), rng.normal(0.0, 0.1, 3)
    true = hand.postures[hand.grasp_types[0].posture]
    fingers = hand.kernel_contacts[3]
    chosen = np.array([rng.choice(np.flatnonzero(fingers == f)) for f in range(fingers.max() + 1)])
    points, facing = placed_contacts(hand, palm, true, chosen)
    palms, joints = palm[None].copy(), hand.clip(true + rng.normal(0.0, 0.1, true.shape))[None]
    palms[0, :3, 3] += rng.normal(0.0, 0.004, 3)
    used = np.ones((1, len(chosen)), dtype=bool)
    gaps = np.zeros((1, len(chosen)))
    limits = hand.joint_lower, hand.joint_upper
    goal = points[None], -facing[None]
    reach(
        hand.kernel_kinematics,
        hand.kernel_contacts,
        chosen[None],
        used,
        *goal,
        *limits,
        30,
        1e-5,
        0.02,
        palms,
        joints,
        gaps,
    )
    reached, faces = placed_contacts(hand, palms[0], joints[0], chosen)
    assert np.linalg.norm(reached - points, axis=1).max() < 2e-3
    assert (faces * facing).sum(axis=1).min() > 0.97
    assert np.allclose(hand.clip(joints), joints)
    assert np.allclose(palms[0, :3, :3] @ palms[0, :3, :3].T, np.eye(3), atol=1e-9)


def pushes(points: np.ndarray, arm: float = 0.04) -> np.ndarray:
    """Wrenches (k, 6) of unit pushes at points of a ball around the origin, to its middle."""
    inward = -points / np.linalg.norm(points, axis=1, keepdims=True)
    return np.hstack([inward, np.cross(points, inward) / arm])


def left_over(points: np.ndarray, apart: float = 0.02) -> float:
    count = len(points)
    pick, used = np.arange(count), np.ones(count, dtype=bool)
    return residual(pushes(points), points, pick, used, apart, np.zeros(6), np.zeros(count))


@settings(deadline=None)  # the first example compiles
@given(SEEDS)
def test_opposite_pushes_balance_and_one_sided_ones_do_not(seed):
    side = 0.03 * unit_vector(seed)
    across = 0.03 * np.cross(side, unit_vector(seed + 1)) / np.linalg.norm(side) + 0.001 * side
    assert left_over(np.array([side, -side])) < 1e-6
    assert left_over(np.array([side, 0.8 * side + across]), 0.0) > 0.3
    assert left_over(np.array([side, side + 0.001])) == CROWDED


def test_three_pushes_at_120_degrees_balance():
    angles = np.deg2rad([0.0, 120.0, 240.0])
    points = 0.03 * np.stack([np.cos(angles), np.sin(angles), 0.0 * angles], axis=1)
    assert left_over(points) < 1e-6


def test_a_push_without_direction_balances_nothing():
    points = np.array([[0.03, 0.0, 0.0], [-0.03, 0.0, 0.0]])
    wrenches, used = pushes(points), np.ones((1, 2), dtype=bool)
    wrenches[1] = 0.0
    assert residuals_of(wrenches[None], points[None], used)[0] == CROWDED


@pytest.mark.parametrize("name", hand_names())
def test_most_candidates_become_grasps_of_a_can(name):
    hand, config = the_hand(name), SynthesisConfig.load()
    candidates = searched(name)
    refined = refine(hand, can(), candidates, config)
    prepared = prepare(hand, can(), refined, config, ANYHOW)
    assert len(prepared) >= 0.25 * len(candidates)
    assert len(prepared) >= 10
    assert len(set(prepared.candidates.kinds)) >= 2


def test_tips_lie_on_the_surface_and_face_it():
    found = searched(hand_names()[0])
    distance, normal = can().model.sdf.query(found.tips[found.used])
    assert np.abs(distance).max() < SynthesisConfig.load().max_gap
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    assert np.allclose(normal, found.surfaces[found.used], atol=1e-5)
    assert (found.facings * found.surfaces).sum(axis=2)[found.used].max() < -0.4
    assert np.allclose(np.linalg.norm(found.facings[found.used], axis=1), 1.0)


def test_one_seed_gives_one_result():
    name = hand_names()[0]
    first, again, other = searched(name), searched(name), searched(name, seed=1)
    assert np.array_equal(first.joints, again.joints)
    assert np.array_equal(first.palms, again.palms)
    assert first.joints.shape != other.joints.shape or not np.allclose(first.joints, other.joints)


@pytest.mark.parametrize("name", hand_names())
def test_only_the_types_asked_for(name):
    kind = next(kind for kind in the_hand(name).grasp_types if kind.name == "pinch")
    found = searched(name, Condition(types=(kind.name,)))
    assert set(found.kinds) == {kind.name}
    assert (found.used.sum(axis=1) == len(kind.fingers)).all()
    with pytest.raises(UnknownNameError, match="grasp type"):
        searched(name, Condition(types=("claw",)))


def test_contacts_keep_to_the_region():
    low, high = can().bounds
    half = 0.5 * (low + high)[2]
    region = box_region(-np.ones(3), np.array([1.0, 1.0, half]))
    found = searched(hand_names()[0], Condition(region=region))
    assert (found.tips[found.used][:, 2] < half).mean() > 0.8
    anywhere = searched(hand_names()[0])
    assert (anywhere.tips[anywhere.used][:, 2] < half).mean() < 0.5


def test_the_palm_comes_from_where_it_is_asked_to():
    name, cone = hand_names()[0], 0.4
    found = searched(name, Condition(approach=DOWN, cone=cone))
    approach = found.palms[:, :3, :3] @ the_hand(name).T_palm_grasp[:3, 2]
    assert (np.arccos(np.clip(approach @ DOWN, -1.0, 1.0)) < cone).all()


def test_nothing_to_touch_is_said():
    nowhere = box_region(np.ones(3), 2.0 * np.ones(3))
    with pytest.raises(NoGraspError, match="region"):
        searched(hand_names()[0], Condition(region=nowhere))


def test_no_balanced_hand_is_said():
    strict = SETTINGS.model_copy(update={"max_residual": 1e-9})
    config, rng = SynthesisConfig.load(), np.random.default_rng(0)
    with pytest.raises(NoGraspError, match="balance"):
        search.search(the_hand(hand_names()[0]), can(), config, ANYHOW, rng, strict)


def test_nothing_is_promising_among_nothing():
    hand, config = the_hand(hand_names()[0]), SynthesisConfig.load()
    none = searched(hand.name).take(np.zeros(0, dtype=int))
    assert len(search.promising(hand, can(), none, config, ANYHOW)) == 0


def test_too_large_an_object_is_said():
    model = can().model
    huge = replace(model, mesh=model.mesh.copy().apply_scale(6.0), labels=None, solids=())
    geometry = GraspGeometry(huge, np.eye(4), 0.0)
    config, rng = SynthesisConfig.load(), np.random.default_rng(0)
    with pytest.raises(NoGraspError):
        search.search(the_hand(hand_names()[0]), geometry, config, Condition(), rng, SETTINGS)


@pytest.mark.parametrize("name", hand_names())
def test_a_thin_rod_on_the_table_is_reached_with_the_tips_above_it(name):
    rod = GraspGeometry(load_object("large_marker"), np.eye(4), 0.0)
    hand, config, rng = the_hand(name), SynthesisConfig.load(), np.random.default_rng(0)
    found = search.search(hand, rod, config, ANYHOW, rng, SearchConfig.load())
    assert len(prepare(hand, rod, found, config, ANYHOW, 1e-3)) >= 8


def test_the_generator_is_known_and_its_settings_are_strict():
    assert GENERATORS["search"] is search.propose
    with pytest.raises(ValidationError):
        SearchConfig.model_validate(SETTINGS.model_dump() | {"palm": 1})


def test_hands_from_a_side_are_not_crowded_out_by_those_from_above() -> None:
    kinds = ["power"] * 6 + ["rim"] * 3
    band = np.array([2, 2, 2, 2, 0, 1, 2, 2, 2])
    cost = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.1, 0.2, 9.0])
    kept = search.best_of_each(kinds, band, cost, 6, limit=1.0)
    assert kept.tolist() == [0, 4, 5, 6, 7]
    assert search.best_of_each(kinds, band, cost, 8, limit=1.0).tolist() == [0, 1, 4, 5, 6, 7]
    assert search.best_of_each([], np.zeros(0), np.zeros(0), 3, limit=1.0).size == 0


@pytest.mark.parametrize("name", hand_names())
def test_what_lies_flat_is_taken_from_above_across_its_narrow_sides(name: str) -> None:
    mesh = trimesh.creation.box((0.16, 0.02, 0.015))
    geometry = GraspGeometry(ObjectModel.from_mesh("bar", mesh, mass=0.1), np.eye(4), -0.0075)
    hand, config = the_hand(name), SynthesisConfig.load()
    rng = np.random.default_rng(0)
    proposed = search.propose(hand, geometry, config, ANYHOW, rng)
    prepared = prepare(hand, geometry, proposed, config, ANYHOW)
    assert len(prepared) >= 100
    palms = prepared.candidates.palms
    assert (palms[:, :3, :3] @ hand.T_palm_grasp[:3, 2] @ DOWN > 0.8).all()
    sideways = np.abs(prepared.candidates.surfaces[..., 1]) > 0.8
    assert sideways[prepared.candidates.used].mean() > 0.8
