"""Templates match what they are made of, obey the gradient, and physics closes their gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dexgrasp.errors import NoGraspError
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.synthesis import Condition, GraspGeometry, SynthesisConfig, box_region
from dexgrasp.synthesis.generators import template
from dexgrasp.synthesis.generators.placement import approaches, region_spots
from dexgrasp.synthesis.generators.template_hands import hand_templates
from dexgrasp.synthesis.generators.template_matching import match, match_energy, region_pull
from dexgrasp.synthesis.kernels.vectors import turn_palm
from dexgrasp.synthesis.wishes import kept_wishes

RADIUS, SPACING = 0.035, 0.002
NOWHERE = np.zeros((0, 3))
QUICK = template.settings().model_copy(update={"starts": 1024, "worlds": 24})


def sphere_field() -> tuple[np.ndarray, np.ndarray, float]:
    axis = np.arange(-0.08, 0.0801, SPACING)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    grid = (np.sqrt(x**2 + y**2 + z**2) - RADIUS).astype(np.float32)
    return grid, np.array([-0.08, -0.08, -0.08]), SPACING


def tetrahedron(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Four contacts on a sphere and the normals of pads that face its middle."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3.0)
    return radius * corners, -corners


def can() -> GraspGeometry:
    return GraspGeometry(load_object("tomato_soup_can"), np.eye(4), 0.0)


def propose(monkeypatch, hand: HandModel, condition: Condition, seed: int = 0):
    monkeypatch.setattr(template, "settings", lambda: QUICK)
    config, rng = SynthesisConfig.load(), np.random.default_rng(seed)
    return template.propose(hand, can(), config, condition, rng)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), reach=st.floats(0.0, 0.02))
def test_a_template_of_a_sphere_is_matched_to_it(seed: int, reach: float) -> None:
    rng = np.random.default_rng(seed)
    points, normals = tetrahedron(RADIUS)
    palm = np.eye(4)
    palm[:3, :3] = Rotation.random(rng=rng).as_matrix()
    palm[:3, 3] = reach * rng.normal(size=3) / np.sqrt(3.0)
    palms, reports = palm[None].copy(), np.zeros((1, 3))
    used = np.ones((1, 4), dtype=bool)
    rates = np.array([0.004, 0.05])
    match(
        sphere_field(), NOWHERE, 0.0, 100, rates, palms, points[None], normals[None], used, reports
    )
    assert np.linalg.norm(palms[0, :3, 3]) < SPACING
    assert reports[0, 0] < SPACING
    assert reports[0, 1] < 0.1
    np.testing.assert_allclose(palms[0, :3, :3] @ palms[0, :3, :3].T, np.eye(3), atol=1e-6)


def exact_energy(palm, points, normals, used, spots, spacing) -> float:
    """`match_energy` on the sphere itself instead of its grid."""
    x = points[used] @ palm[:3, :3].T + palm[:3, 3]
    f = normals[used] @ palm[:3, :3].T
    away = np.linalg.norm(x, axis=1)
    beyond = np.linalg.norm(x[:, None] - spots, axis=2).min(axis=1) - spacing
    squares = (away - RADIUS) ** 2 + np.maximum(0.0, beyond) ** 2
    return float((1000.0 * squares + 1.0 + (f * x).sum(axis=1) / away).sum())


@pytest.mark.parametrize("finger", range(4))
@pytest.mark.parametrize("seed", range(4))
def test_gradient_is_that_of_the_sphere(finger: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, normals = tetrahedron(RADIUS + 0.01)
    normals = Rotation.from_rotvec(rng.normal(0.0, 0.5, (4, 3))).apply(normals)
    spots, used = rng.normal(0.0, 0.05, (5, 3)), np.arange(4) == finger
    palm = np.eye(4)
    palm[:3, :3] = Rotation.random(rng=rng).as_matrix()
    palm[:3, 3] = rng.normal(0.0, 0.005, 3)
    gradient, report, numeric = np.zeros(6), np.zeros(2), np.zeros(6)
    value = match_energy(
        sphere_field(), spots, 0.004, palm, points, normals, used, gradient, report
    )
    assert value == pytest.approx(
        exact_energy(palm, points, normals, used, spots, 0.004), rel=0.02, abs=0.01
    )
    for i, way in enumerate(1e-6 * np.eye(6)):
        sides = []
        for change in (way, -way):
            moved = palm.copy()
            moved[:3, 3] += change[:3]
            turn_palm(moved, *change[3:])
            sides.append(exact_energy(moved, points, normals, used, spots, 0.004))
        numeric[i] = (sides[0] - sides[1]) / 2e-6
    # The grid's normals are good to a cell over the radius, their turn to about a quarter.
    slack = np.repeat([0.25 / RADIUS, 0.25], 3)
    assert (np.abs(gradient - numeric) < slack + 0.03 * np.abs(numeric)).all()


def test_a_region_pulls_from_outside_only() -> None:
    spots, pull = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]]), np.zeros(3)
    assert region_pull(spots, 0.01, np.array([0.005, 0.0, 0.0]), pull) == 0.0
    assert (pull == 0.0).all()
    assert region_pull(spots, 0.01, np.array([0.13, 0.0, 0.0]), pull) == pytest.approx(0.4)
    np.testing.assert_allclose(pull, [40.0, 0.0, 0.0])


@pytest.mark.parametrize("name", hand_names())
def test_templates_oppose_the_thumb_and_open_widely(name: str) -> None:
    hand = HandModel.load(name)
    templates = hand_templates(hand, hand.grasp_types, template.settings().openings)
    assert set(templates.kinds) == {kind.name for kind in hand.grasp_types}
    assert (templates.joints == hand.clip(templates.joints)).all()
    assert (hand.self_gap(templates.joints) > 0.0).all()
    finger = hand.kernel_contacts[3]
    assert (finger[templates.chosen] == np.arange(len(hand.finger_names))).all()
    widths = np.linalg.norm(templates.points[:, -1] - templates.points[:, 0], axis=1)
    assert widths.min() < 0.05
    assert widths.max() > 0.15
    facing = (templates.normals[:, -1] * templates.normals[:, 0]).sum(axis=1)
    assert facing.min() < -0.9


@pytest.mark.parametrize("name", hand_names())
def test_physics_puts_the_fingers_on_the_surface(name: str, monkeypatch) -> None:
    hand, geometry = HandModel.load(name), can()
    found = propose(monkeypatch, hand, Condition())
    assert 8 <= len(found) <= QUICK.worlds
    gap = np.abs(geometry.model.sdf.query(found.tips)[0])
    worst = np.where(found.used, gap, 0.0).max(axis=1)
    assert np.median(worst) < 0.002 < QUICK.max_distance
    np.testing.assert_allclose(np.linalg.norm(found.surfaces, axis=2), 1.0)
    assert (found.joints == hand.clip(found.joints)).all()
    rotation = found.palms[:, :3, :3]
    identity = np.broadcast_to(np.eye(3), rotation.shape)
    np.testing.assert_allclose(rotation @ rotation.swapaxes(1, 2), identity, atol=1e-6)


def test_one_seed_gives_one_answer(monkeypatch) -> None:
    hand = HandModel.load("leap_right")
    first, again, other = (propose(monkeypatch, hand, Condition(), seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.joints, again.joints)
    np.testing.assert_array_equal(first.palms, again.palms)
    assert first.palms.shape != other.palms.shape or not np.array_equal(first.palms, other.palms)


def test_the_condition_is_kept(monkeypatch) -> None:
    hand = HandModel.load("allegro_right")
    low, high = (corner.copy() for corner in can().bounds)
    low[2] += 0.5 * (high - low)[2]
    condition = Condition(
        types=("tripod",),
        region=box_region(low - 0.01, high + 0.01),
        approach=np.array([0.0, 0.0, -2.0]),
        cone=0.5,
    )
    found = propose(monkeypatch, hand, condition)
    kept = np.logical_and.reduce(list(kept_wishes(hand, can(), found, condition).values()))
    assert kept.sum() >= 5
    found = found.take(kept)
    assert set(found.kinds) == {"tripod"}
    assert (found.tips[found.used][:, 2] > low[2] - 0.01).all()
    assert (found.palms[:, :3, :3] @ hand.T_palm_grasp[:3, 2] @ [0, 0, -1] > np.cos(0.5)).all()


def test_an_empty_region_is_refused() -> None:
    nowhere = Condition(region=box_region(np.full(3, 5.0), np.full(3, 6.0)))
    with pytest.raises(NoGraspError, match="holds none of 4000 points"):
        region_spots(can(), nowhere, np.random.default_rng(0))


def test_starts_come_within_the_cone() -> None:
    axis = np.array([0.6, 0.0, -0.8])
    directions = approaches(Condition(approach=axis, cone=0.4), 500, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    angle = np.arccos(directions @ axis)
    assert angle.max() <= 0.8 * 0.4 + 1e-9
    assert angle.max() > 0.25
