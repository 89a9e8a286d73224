"""Mesh plausibility of real hands around real objects."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from dexgrasp.errors import GraspError
from dexgrasp.evaluation.cells import cells_inside
from dexgrasp.evaluation.plausibility import meeting_pairs, plausibilities, plausibility
from dexgrasp.evaluation.reach import hand_contact
from dexgrasp.evaluation.solid_pairs import deepest_overlap
from dexgrasp.evaluation.solids import Solids, distances
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel, exact_signed_distance, load_object

IDENTITY = np.eye(4)


def moved(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = [x, y, z]
    return pose


def ball_at(hand: HandModel, radius: float, away: float) -> tuple[ObjectModel, np.ndarray]:
    """A ball and the palm in its frame, the ball `away` from the grasp frame along z."""
    ball = ObjectModel.from_mesh("ball", trimesh.creation.icosphere(4, radius), mass=0.1)
    centre = hand.T_palm_grasp[:3, 3] + away * hand.T_palm_grasp[:3, 2]
    return ball, moved(*-centre)


@pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
def test_an_object_out_of_reach_is_not_touched(name: str) -> None:
    hand = HandModel.load(name)
    ball, pose = ball_at(hand, 0.03, 0.6)
    result = plausibility(hand, hand.postures["open"], pose, ball)
    assert (result.penetration_volume, result.penetration_depth) == (0.0, 0.0)
    assert (result.contact_count, result.contact_area, result.passed) == (0, 0.0, False)


@pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
def test_a_hand_in_the_object_is_implausible(name: str) -> None:
    hand = HandModel.load(name)
    ball, pose = ball_at(hand, 0.06, 0.0)
    result = plausibility(hand, hand.postures["open"], pose, ball)
    assert result.penetration_volume > 1e-5
    assert result.penetration_depth > 0.005
    assert not result.passed


@pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
def test_figures_agree_with_exact_meshes(name: str) -> None:
    hand = HandModel.load(name)
    mug = load_object("mug")
    pose = moved(*-(hand.T_palm_grasp[:3, 3] + 0.03 * hand.T_palm_grasp[:3, 2] - mug.com))
    q = hand.postures["power"]
    result = plausibility(hand, q, pose, mug)
    posed = [
        p.mesh().apply_transform(pose @ hand.forward(q[None])[0, p.link]) for p in hand.primitives
    ]
    shared = trimesh.boolean.intersection(
        [trimesh.boolean.union(posed, engine="manifold"), mug.mesh], engine="manifold"
    )
    assert result.penetration_volume == pytest.approx(shared.volume, rel=0.05, abs=2e-8)


def test_three_fingertips_and_little_overlap_pass() -> None:
    hand = HandModel.load("allegro_right")
    q = hand.postures["tripod"]
    contacts, poses = hand.contacts, hand.forward(q[None])[0]
    balls = []
    for finger in (0, 1, 3):
        index = np.flatnonzero(contacts.tip & (contacts.finger == finger))[0]
        pose = poses[contacts.link[index]]
        centre = contacts.point[index] + 0.0055 * contacts.normal[index]
        ball = trimesh.creation.icosphere(3, 0.006)
        balls.append(ball.apply_translation(pose[:3, :3] @ centre + pose[:3, 3]))
    touching = trimesh.boolean.union(balls, engine="manifold")
    grains = ObjectModel.from_mesh("grains", touching, mass=0.01)
    result = plausibility(hand, q, IDENTITY, grains)
    assert result.contact_count == 3
    assert result.penetration_volume < 1e-6
    assert result.passed


def random_grasps(hand: HandModel, model: ObjectModel, count: int) -> tuple:
    """Hands closed at random with the object somewhere before the palm."""
    rng = np.random.default_rng(3)
    q = rng.uniform(hand.joint_lower, hand.joint_upper, (count, hand.joint_count))
    pose = np.tile(IDENTITY, (count, 1, 1))
    pose[:, :3, :3] = Rotation.random(count, rng=rng).as_matrix()
    palm = hand.T_palm_grasp[:3, 3] + rng.uniform(0.0, 0.12, (count, 1)) * hand.T_palm_grasp[:3, 2]
    pose[:, :3, 3] = model.mesh.bounds.mean(axis=0) - (pose[:, :3, :3] @ palm[..., None])[..., 0]
    return q, pose


@pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
@pytest.mark.parametrize("thing", ["mug", "hammer"])
def test_what_is_passed_over_changes_nothing(name: str, thing: str) -> None:
    hand, model, threshold = HandModel.load(name), load_object(thing), 0.005
    q, pose = random_grasps(hand, model, 12)
    links = pose[:, None] @ hand.forward(q)
    solids = Solids.posed(hand.primitives, links)
    results = plausibilities(hand, q, pose, model)
    cells = cells_inside(solids, model.voxels)
    surface = np.asarray(
        trimesh.sample.sample_surface(
            model.mesh, int(np.clip(model.mesh.area * 5e5, 1000, 20_000)), seed=0
        )[0]
    )
    near = distances(solids, surface) < threshold
    points, _, own = hand.surface_points(6000)
    placed = np.stack([transform_points(T[own], points[:, None])[:, 0] for T in links])
    distance = exact_signed_distance(model.mesh, placed)
    tips = np.stack([distance[:, own == link].min(axis=1) for link in hand.distal_links], axis=1)
    for n, result in enumerate(results):
        assert result.penetration_volume == pytest.approx(cells[n] * 1e-9, abs=1e-15)
        sampled = max(0.0, -distance[n].min())  # points slid on the surface are deeper still
        assert sampled - 1e-6 <= result.penetration_depth <= sampled + 0.005
        near_tips = (tips[n] < threshold).sum(), (tips[n] < threshold + 0.005).sum()
        assert near_tips[0] <= result.contact_count <= near_tips[1]
        assert result.contact_area == pytest.approx(near[n].mean() * model.mesh.area)
    assert sum(r.penetration_depth > 0.001 for r in results) >= 4
    assert len({r.contact_count for r in results}) > 1


@pytest.mark.parametrize("depth", [-0.004, 0.0005, 0.003, 0.006])
def test_depth_of_a_round_fingertip_in_a_ball_is_that_of_two_spheres(depth: float) -> None:
    hand, tip, radius = HandModel.load("allegro_right"), 0.012, 0.03  # shared/data: tip_sphere
    q = hand.postures["open"]
    T_palm_distal = hand.forward(q[None])[0, hand.distal_links[0]]
    away = np.array([0.0, 0.0, 0.0267 + tip + radius - depth])  # straight ahead of the index
    centre = T_palm_distal[:3, :3] @ away + T_palm_distal[:3, 3]
    ball = ObjectModel.from_mesh("ball", trimesh.creation.icosphere(5, radius), mass=0.1)
    result = plausibility(hand, q, moved(*-centre), ball)
    assert result.penetration_depth == pytest.approx(max(depth, 0.0), abs=1e-4)
    assert result.contact_count == 1
    apart, sunk = radius + tip - depth, max(depth, 0.0)  # and the lens that they share
    lens = sunk**2 * (apart**2 + 2 * apart * (radius + tip) - 3 * (radius - tip) ** 2)
    lens *= np.pi / (12 * apart)
    assert result.penetration_volume == pytest.approx(lens, rel=0.05, abs=1e-8)


def test_the_contact_threshold_decides_which_fingers_touch() -> None:
    hand, ball = HandModel.load("allegro_right"), load_object("tennis_ball")
    q, pose = random_grasps(hand, ball, 20)
    links = pose[:, None] @ hand.forward(q)
    loose = hand_contact(hand, links, ball, 0.02)[1]
    tight = hand_contact(hand, links, ball, 0.001)[1]
    assert loose.sum() > tight.sum()
    assert not (tight & ~loose).any()


def test_a_batch_is_its_grasps_one_by_one() -> None:
    hand, mug = HandModel.load("leap_right"), load_object("mug")
    q, pose = random_grasps(hand, mug, 70)  # more than one batch
    table = np.array([0.0, 0.0, 1.0, 0.0])
    together = plausibilities(hand, q, pose, mug, table)
    assert len(together) == 70
    for n in (0, 1, 63, 64, 69):
        alone = plausibility(hand, q[n], pose[n], mug, table)
        assert asdict(alone) == pytest.approx(asdict(together[n]), abs=1e-9)
    assert plausibilities(hand, q[:0], pose[:0], mug) == []


def test_self_penetration_is_of_links_that_may_not_meet() -> None:
    hand = HandModel.load("allegro_right")
    ball, pose = ball_at(hand, 0.03, 0.6)
    crossed = hand.postures["open"].copy()
    for finger, side in ((0, -1.0), (1, 1.0)):  # two bent fingers swung into each other
        crossed[np.flatnonzero(hand.finger_joint_mask[finger])] = [side * 0.45, 1.4, 0.2, 0.2]
    crossed = hand.clip(crossed)
    result = plausibility(hand, crossed, pose, ball)
    assert result.self_penetration > 0.004
    assert hand.self_gap(crossed[None])[0] < -0.004
    for posture in hand.postures.values():
        assert plausibility(hand, posture, pose, ball).self_penetration == 0.0


@pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
def test_self_penetration_agrees_with_the_spheres_that_cover_the_hand(name: str) -> None:
    hand, rng = HandModel.load(name), np.random.default_rng(1)
    q = rng.uniform(hand.joint_lower, hand.joint_upper, (400, hand.joint_count))
    solids = Solids.posed(hand.primitives, hand.forward(q))
    exact, gap = deepest_overlap(solids, meeting_pairs(hand)), hand.self_gap(q)
    # spheres stand out by up to 2 mm and leave up to 5 mm of corners bare (hands/spheres.py)
    assert ((exact > 0.0) == (gap < 0.0)).mean() > 0.9
    assert gap[exact == 0.0].min() > -0.005
    assert np.corrcoef(exact, np.maximum(-gap, 0.0))[0, 1] > 0.9


def test_table_penetration_follows_the_plane() -> None:
    hand = HandModel.load("allegro_right")
    ball, pose = ball_at(hand, 0.03, 0.6)
    q = hand.postures["open"]
    lowest = min(
        p.mesh().apply_transform(pose @ hand.forward(q[None])[0, p.link]).vertices[:, 2].min()
        for p in hand.primitives
    )
    assert plausibility(hand, q, pose, ball).table_penetration is None
    for depth in (0.02, -0.02):
        plane = np.array([0.0, 0.0, 2.0, -2.0 * (lowest + depth)])  # need not be unit
        found = plausibility(hand, q, pose, ball, plane).table_penetration
        assert found == pytest.approx(max(depth, 0.0), abs=1e-4)


def test_contact_area_is_known_in_both_units() -> None:
    hand, ball = HandModel.load("allegro_right"), load_object("tennis_ball")
    q, pose = random_grasps(hand, ball, 8)
    results = plausibilities(hand, q, pose, ball)
    assert max(r.contact_area_cm2 for r in results) > 1.0
    for result in results:
        assert result.contact_area_cm2 == pytest.approx(result.contact_area * 1e4)
        assert result.contact_area <= ball.mesh.area


@pytest.mark.parametrize(
    "table", [np.zeros(4), np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, np.nan, 0.0])]
)
def test_a_table_that_is_no_plane_is_refused(table: np.ndarray) -> None:
    hand = HandModel.load("allegro_right")
    with pytest.raises(ValueError, match="not a plane"):
        plausibility(hand, hand.postures["open"], IDENTITY, load_object("tennis_ball"), table)


def test_poses_that_do_not_fit_are_refused() -> None:
    hand, ball = HandModel.load("allegro_right"), load_object("tennis_ball")
    q = np.tile(hand.postures["open"], (3, 1))
    with pytest.raises(GraspError, match="do not match"):
        plausibilities(hand, q, IDENTITY[None], ball)
    pose = np.tile(IDENTITY, (3, 1, 1))
    pose[1, 0, 3] = np.nan
    with pytest.raises(GraspError, match="grasp 1 is not finite"):
        plausibilities(hand, q, pose, ball)


def test_a_wrong_joint_count_is_refused() -> None:
    hand = HandModel.load("allegro_right")
    with pytest.raises(GraspError, match="joints"):
        plausibility(hand, np.zeros(3), IDENTITY, load_object("tennis_ball"))
