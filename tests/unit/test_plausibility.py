"""Mesh plausibility: solids with known overlap, and real hands around real objects."""

from __future__ import annotations

import time

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dexgrasp.errors import GraspError
from dexgrasp.evaluation.plausibility import plausibility
from dexgrasp.evaluation.solids import Solids, cells_inside, distances
from dexgrasp.hands import HandModel, Primitive
from dexgrasp.objects import ObjectModel, Voxels, load_object

IDENTITY = np.eye(4)
SIZES = {
    "box": (0.02, 0.03, 0.04),
    "capsule": (0.012, 0.03),
    "cylinder": (0.012, 0.03),
    "sphere": (0.02,),
}


def moved(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = [x, y, z]
    return pose


def primitive(kind: str, size: tuple[float, ...], pose: np.ndarray = IDENTITY) -> Primitive:
    return Primitive("link", 0, kind, np.array(size), pose)


def solid(kind: str, size: tuple[float, ...], pose: np.ndarray = IDENTITY) -> Solids:
    return Solids.posed([primitive(kind, size, pose)], IDENTITY[None])


def overlap(solids: Solids, mesh: trimesh.Trimesh) -> float:
    return cells_inside(solids, Voxels.from_mesh(mesh)) * 1e-9


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(sorted(SIZES)))
@settings(deadline=None, max_examples=40)
def test_distance_is_that_of_the_primitive(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    pose = moved(*rng.normal(size=3) * 0.05)
    pose[:3, :3] = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    points = pose[:3, 3] + rng.normal(size=(50, 3)) * 0.03
    truth = primitive(kind, SIZES[kind], pose).distance(points)
    np.testing.assert_allclose(distances(solid(kind, SIZES[kind], pose), points), truth, atol=1e-9)


@pytest.mark.parametrize("kind", sorted(SIZES))
def test_a_solid_inside_the_object_counts_whole(kind: str) -> None:
    mesh = primitive(kind, SIZES[kind]).mesh()
    volume = overlap(solid(kind, SIZES[kind]), trimesh.creation.box([0.2, 0.2, 0.2]))
    assert volume == pytest.approx(mesh.volume, rel=0.03)


def test_overlap_of_two_spheres() -> None:
    radius, gap = 0.03, 0.04  # the lens of two equal spheres, in closed form
    lens = np.pi * (2 * radius - gap) ** 2 * (gap**2 + 4 * gap * radius) / (12 * gap)
    ball = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    assert overlap(solid("sphere", (radius,), moved(gap)), ball) == pytest.approx(lens, rel=0.03)


def test_solids_that_overlap_count_once() -> None:
    twins = [primitive("sphere", (0.02,), moved(x)) for x in (0.0, 0.0, 0.001)]
    mesh = trimesh.creation.box([0.1, 0.1, 0.1])
    once = overlap(solid("sphere", (0.02,)), mesh)
    assert overlap(Solids.posed(twins, IDENTITY[None]), mesh) == pytest.approx(once, rel=0.06)


def test_distance_beyond_the_limit_is_not_asked() -> None:
    points = np.array([[0.021, 0.0, 0.0], [0.5, 0.0, 0.0]])
    near, far = distances(solid("sphere", (0.02,)), points, limit=0.005)
    assert near == pytest.approx(0.001)
    assert far > 0.005


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


def test_a_wrong_joint_count_is_refused() -> None:
    hand = HandModel.load("allegro_right")
    with pytest.raises(GraspError, match="joints"):
        plausibility(hand, np.zeros(3), IDENTITY, load_object("tennis_ball"))


def test_it_is_fast_enough_to_judge_online() -> None:
    hand, can = HandModel.load("allegro_right"), load_object("tomato_soup_can")
    pose = moved(*-(hand.T_palm_grasp[:3, 3] + 0.04 * hand.T_palm_grasp[:3, 2] - can.com))
    plausibility(hand, hand.postures["power"], pose, can)
    spent = []
    for _ in range(5):
        start = time.process_time()
        plausibility(hand, hand.postures["power"], pose, can)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.1
