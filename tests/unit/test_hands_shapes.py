"""Shapes of the hands: primitives, covering spheres, contact points and postures."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from dexgrasp.hands import HandModel, Primitive, hand_names

load = cache(HandModel.load)
hands = pytest.mark.parametrize("name", hand_names())

POSE = np.array([[0.0, -1.0, 0.0, 0.1], [1.0, 0.0, 0.0, 0.2], [0.0, 0.0, 1.0, 0.3], [0, 0, 0, 1]])
SOLIDS = [
    Primitive("box", 0, "box", np.array([0.02, 0.04, 0.06]), POSE),
    Primitive("capsule", 0, "capsule", np.array([0.01, 0.03]), POSE),
    Primitive("cylinder", 0, "cylinder", np.array([0.02, 0.05]), POSE),
    Primitive("sphere", 0, "sphere", np.array([0.015]), POSE),
]
solids = pytest.mark.parametrize("solid", SOLIDS, ids=lambda solid: solid.kind)


@solids
def test_samples_lie_on_the_surface_with_outward_normals(solid: Primitive) -> None:
    points, normals = solid.sample(500, np.random.default_rng(0))
    np.testing.assert_allclose(solid.distance(points), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
    np.testing.assert_allclose(solid.distance(points + 0.001 * normals), 0.001, atol=1e-12)
    assert (solid.distance(points - 0.001 * normals) < 0.0).all()


@solids
def test_mesh_is_the_solid(solid: Primitive) -> None:
    mesh = solid.mesh()
    assert mesh.is_watertight
    assert np.abs(solid.distance(np.asarray(mesh.vertices))).max() < 1e-6
    assert mesh.area == pytest.approx(solid.area, rel=0.02)


@hands
def test_spheres_cover_the_surface_and_hardly_stand_out(name: str) -> None:
    hand = load(name)
    points, _, links = hand.surface_points(8000, seed=1)
    gap = np.full(len(points), np.inf)
    for link in range(len(hand.links)):
        own, here = hand.sphere_link == link, links == link
        apart = np.linalg.norm(points[here][:, None] - hand.sphere_centers[own], axis=2)
        gap[here] = (apart - hand.sphere_radii[own]).min(axis=1)
    assert np.median(gap) < 0.0015
    assert np.quantile(gap, 0.95) < 0.005
    assert gap.max() < 0.009  # the corners of boxes
    out = np.random.default_rng(0).normal(size=(200, 3))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    for center, radius, link in zip(
        hand.sphere_centers, hand.sphere_radii, hand.sphere_link, strict=True
    ):
        shapes = hand.link_primitives(int(link))
        stands_out = np.min([shape.distance(center + radius * out) for shape in shapes], axis=0)
        assert stands_out.max() < 0.0035


@hands
def test_round_tips_are_covered_exactly(name: str) -> None:
    hand = load(name)
    for finger, link in enumerate(hand.distal_links):
        tip = hand.tip_offsets[finger]
        own = hand.sphere_link == link
        apart = np.linalg.norm(hand.sphere_centers[own] - tip, axis=1) - hand.sphere_radii[own]
        true = min(shape.distance(tip[None])[0] for shape in hand.link_primitives(int(link)))
        assert apart.min() == pytest.approx(true, abs=0.001)


@hands
def test_contacts_lie_on_the_surface_and_face_outwards(name: str) -> None:
    hand = load(name)
    contacts = hand.contacts
    np.testing.assert_allclose(np.linalg.norm(contacts.normal, axis=1), 1.0)
    for link in np.unique(contacts.link):
        here = contacts.link == link
        shapes = hand.link_primitives(int(link))
        points, normals = contacts.point[here], contacts.normal[here]
        on = np.min([shape.distance(points) for shape in shapes], axis=0)
        above = np.min([shape.distance(points + 1e-4 * normals) for shape in shapes], axis=0)
        np.testing.assert_allclose(on, 0.0, atol=1e-9)
        assert (above > 0.0).all()


@hands
def test_every_finger_and_the_palm_have_contacts(name: str) -> None:
    hand = load(name)
    contacts = hand.contacts
    for finger, link in enumerate(hand.distal_links):
        tips = contacts.tip & (contacts.finger == finger)
        assert tips.sum() >= 12
        assert (contacts.link[tips] == link).all()
        assert (contacts.normal[tips] @ hand.pad_directions[finger] > 0.0).all()
        assert (~contacts.tip & (contacts.finger == finger)).any()
    assert (contacts.link[contacts.finger == -1] == 0).all()
    assert (contacts.finger == -1).sum() >= 6
    assert len(hand.kernel_contacts[0]) == contacts.tip.sum()


@hands
def test_pads_face_the_way_the_last_joint_flexes(name: str) -> None:
    hand = load(name)
    q = hand.clip(np.zeros((1, hand.joint_count)))
    poses = hand.forward(q)
    for finger, link in enumerate(hand.distal_links):
        tip = poses[:, link] @ np.append(hand.tip_offsets[finger], 1.0)
        last = hand.links[link].joint
        motion = hand.jacobian(q, np.array([link]), tip[:, None, :3])[0, 0, :, last]
        facing = poses[0, link, :3, :3] @ hand.pad_directions[finger]
        assert motion @ facing > 0.9 * np.linalg.norm(motion)


@hands
def test_postures_keep_the_fingers_apart(name: str) -> None:
    hand = load(name)
    for posture in hand.postures.values():
        np.testing.assert_array_equal(posture, hand.clip(posture))
        assert hand.self_gap(posture)[0] > 0.0


def test_crossed_fingers_collide() -> None:
    hand = load("leap_right")
    crossed = hand.postures["open"].copy()
    crossed[hand.joint_names.index("joint_0")] = 0.8  # the index over the middle finger
    assert hand.self_gap(crossed)[0] < -0.005


@hands
def test_self_collision_is_seen(name: str) -> None:
    """Few random joint vectors make spheres overlap of which no pair is on the list."""
    hand = load(name)
    first, second = np.triu_indices(len(hand.sphere_radii), 1)
    listed = np.zeros((len(hand.sphere_radii),) * 2, dtype=bool)
    listed[tuple(hand.self_collision_pairs.T)] = True
    joined = {(k, link.parent) for k, link in enumerate(hand.links)} | {
        pair for a, b in hand.collision_exclusions for pair in ((a, b), (b, a))
    }
    links = hand.sphere_link
    free = np.array(
        [
            (links[b], links[a]) not in joined
            and links[a] != links[b]
            and (links[a], links[b]) not in joined
            for a, b in zip(first, second, strict=True)
        ]
    )
    first, second = first[free], second[free]
    rng = np.random.default_rng(9)
    q = rng.uniform(hand.joint_lower, hand.joint_upper, (100, hand.joint_count))
    missed = seen = 0
    for centers in hand.sphere_positions(q):
        gap = np.linalg.norm(centers[first] - centers[second], axis=1)
        deep = gap < hand.sphere_radii[first] + hand.sphere_radii[second] - 0.002
        seen += bool(deep.any())
        missed += bool(deep.any() and not (deep & listed[first, second]).any())
    assert seen > 10
    assert missed <= 1


@hands
def test_mesh_spans_the_fingertips(name: str) -> None:
    hand = load(name)
    posture = hand.postures["open"]
    low, high = hand.mesh(posture).bounds
    tips = hand.fingertips(posture)[0]
    assert (tips > low - 1e-6).all()
    assert (tips < high + 1e-6).all()
