"""Wishes: which fingers and types they select, how palms are aimed, and rims of walls."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import trimesh

from dexgrasp.cli.synthesize_run import touch_codes
from dexgrasp.errors import ConfigError, NoGraspError, UnknownNameError
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import ObjectModel, exact_signed_distance, load_object
from dexgrasp.synthesis import Condition, GraspGeometry, SynthesisConfig, part_region
from dexgrasp.synthesis.condition import box_region
from dexgrasp.synthesis.contact_maps import ContactMap
from dexgrasp.synthesis.filters import prepare
from dexgrasp.synthesis.generators import search
from dexgrasp.synthesis.generators.placement import aimed_palms, closures, grasp_types, spots_at
from dexgrasp.synthesis.generators.search_settings import SearchConfig
from dexgrasp.synthesis.walls import THICKEST, opposite, rim_spots
from dexgrasp.synthesis.wishes import touch_where_asked

SETTINGS = SearchConfig.load().model_copy(update={"palms": 3000, "configurations": 20000})


@lru_cache
def the_hand(name: str) -> HandModel:
    return HandModel.load(name)


@lru_cache
def the_object(name: str) -> GraspGeometry:
    model = load_object(name)
    return GraspGeometry(model, model.T_table_object, 0.0)


def map_of(fingers: tuple[str, ...], points: np.ndarray, normals: np.ndarray) -> ContactMap:
    none, texts = np.full((len(points), 3), np.nan), np.full(len(points), "")
    ones = np.ones(len(points))
    return ContactMap(points, normals, texts, np.array(fingers), texts, none, none, ones, 0 * ones)


@pytest.mark.parametrize("name", hand_names())
def test_touch_codes_select_the_types(name: str) -> None:
    hand = the_hand(name)
    chosen = Condition(touch={"middle": True, "ring": False}).grasp_types(hand)
    assert {kind.name for kind in chosen} == {"tripod", "rim"}
    own = Condition(touch={"index": False, "ring": True, "thumb": True}).grasp_types(hand)
    assert [kind.fingers for kind in own] == [("middle", "ring", "thumb")]
    assert own[0].posture in hand.postures
    everything = Condition().grasp_types(hand)
    assert list(everything) == list(hand.grasp_types)


def test_fingers_that_cannot_hold_and_unknown_ones_are_said() -> None:
    hand = the_hand(hand_names()[0])
    with pytest.raises(NoGraspError, match="thumb and another finger"):
        Condition(touch={"thumb": False}).grasp_types(hand)
    with pytest.raises(NoGraspError, match="none of the grasp types pinch"):
        Condition(types=("pinch",), touch={"ring": True}).grasp_types(hand)
    with pytest.raises(UnknownNameError, match=r"pinky.*index, middle, ring, thumb"):
        Condition(touch={"pinky": True}).grasp_types(hand)
    strange = map_of(("pinky",), np.zeros((1, 3)), np.eye(3)[:1])
    with pytest.raises(UnknownNameError, match="pinky"):
        Condition(contacts=strange).grasp_types(hand)


def test_touch_codes_are_read_and_contradictions_refused() -> None:
    assert touch_codes(" index, !ring ,") == {"index": True, "ring": False}
    with pytest.raises(ConfigError, match="not to touch"):
        touch_codes("index,!index")


def test_a_map_of_fingers_is_touch_codes_and_a_region_of_each() -> None:
    hand = the_hand(hand_names()[0])
    points, normals = np.array([[0.04, 0.0, 0.0], [-0.04, 0.0, 0.0]]), np.diag([1.0, -1.0, 1.0])[:2]
    condition = Condition(contacts=map_of(("index", "thumb"), points, normals))
    assert [kind.name for kind in condition.grasp_types(hand)] == ["pinch"]
    assert condition.somewhere
    assert not condition.any_fingers
    assert condition.wanted(points, normals, "index").tolist() == [True, False]
    assert condition.wanted(points, normals).tolist() == [True, True]


@pytest.mark.parametrize("name", hand_names())
def test_fingers_touch_as_the_codes_say(name: str) -> None:
    hand, can, config = the_hand(name), the_object("tomato_soup_can"), SynthesisConfig.load()
    condition = Condition(touch={"index": True, "ring": False})
    rng = np.random.default_rng(0)
    found = search.search(hand, can, config, condition, rng, SETTINGS)
    found = prepare(hand, can, found, config, condition).candidates
    index, ring = (hand.finger_names.index(finger) for finger in ("index", "ring"))
    assert found.used[:, index].all()
    assert not found.used[:, ring].any()
    poses = found.palms @ hand.forward(found.joints)[:, hand.distal_links[ring]]
    tip = poses[:, :3, :3] @ hand.tip_offsets[ring] + poses[:, :3, 3]
    assert exact_signed_distance(can.model.mesh, tip).min() > 0.002


def cup(radius: float, wall: float, height: float) -> GraspGeometry:
    outer = trimesh.creation.cylinder(radius, height, sections=96)
    inner = trimesh.creation.cylinder(radius - wall, height, sections=96)
    inner.apply_translation([0.0, 0.0, 0.005])
    model = ObjectModel.from_mesh("cup", trimesh.boolean.difference([outer, inner]))
    return GraspGeometry(model, np.eye(4), -0.5 * height)


def test_a_rim_is_the_upper_part_of_a_thin_wall() -> None:
    geometry = cup(0.04, 0.004, 0.09)
    spots = rim_spots(geometry.model)
    assert len(spots) > 100
    np.testing.assert_allclose(np.linalg.norm(spots.middles[:, :2], axis=1), 0.038, atol=5e-4)
    assert (spots.middles[:, 2] > 0.045 - 0.026).all()
    assert spots.middles[:, 2].max() < 0.045
    assert np.abs(spots.across[:, 2]).max() < 0.1
    thickness, others = opposite(geometry.model, spots.points, spots.normals)
    np.testing.assert_allclose(thickness, 0.004, atol=5e-4)
    assert (others * spots.normals).sum(axis=1).max() < -0.9


@pytest.mark.parametrize("name", ["tomato_soup_can", "banana", "hammer", "phillips_screwdriver"])
def test_objects_without_a_rim_say_so(name: str) -> None:
    hand = the_hand(hand_names()[0])
    with pytest.raises(NoGraspError, match=f"{name} has no rim"):
        grasp_types(hand, the_object(name), Condition(types=("rim",)))
    kinds = grasp_types(hand, the_object(name), Condition())
    assert [k.name for k in kinds] == [k.name for k in hand.grasp_types if k.place != "rim"]


def test_a_thick_wall_is_no_rim_and_a_region_elsewhere_has_none() -> None:
    assert len(rim_spots(cup(0.06, THICKEST + 0.005, 0.09).model)) == 0
    hand, mug = the_hand(hand_names()[0]), the_object("mug")
    handle = Condition(types=("rim",), region=part_region(mug.model, "handle"))
    with pytest.raises(NoGraspError, match="where contacts are asked for"):
        grasp_types(hand, mug, handle)


@pytest.mark.parametrize("name", hand_names())
@pytest.mark.parametrize("source", ["bowl", "mug"])
def test_rim_grasps_hold_the_wall_between_thumb_and_fingers(name: str, source: str) -> None:
    hand, geometry, config = the_hand(name), the_object(source), SynthesisConfig.load()
    condition, rng = Condition(types=("rim",)), np.random.default_rng(0)
    found = search.search(hand, geometry, config, condition, rng, SETTINGS)
    found = prepare(hand, geometry, found, config, condition).candidates
    assert len(found) >= 3
    for tips, surfaces, used, palm in zip(
        found.tips, found.surfaces, found.used, found.palms, strict=True
    ):
        others = np.flatnonzero(used)[:-1]
        assert (surfaces[others] @ surfaces[-1] < -0.5).all()
        assert (palm[:3, :3] @ hand.T_palm_grasp[:3, 2])[2] < -0.5
        top = geometry.bounds[1][2]
        assert tips[used][:, 2].min() > top - 0.05


@pytest.mark.parametrize("name", hand_names())
def test_palms_are_aimed_at_opposite_sides_of_a_region(name: str) -> None:
    hand, mug = the_hand(name), the_object("mug")
    condition = Condition(region=part_region(mug.model, "handle"))
    drawn = trimesh.sample.sample_surface(mug.model.mesh, 4000, seed=0)
    points, normals = np.asarray(drawn[0]), mug.model.mesh.face_normals[drawn[1]]
    inside = condition.region(points)  # type: ignore[misc]
    spots = spots_at(mug, condition, points[inside], normals[inside])
    assert np.isfinite(spots.across[:, 0]).mean() > 0.5
    kinds = [hand.grasp_types[1]] * 200
    tips = hand.fingertips(np.tile(hand.postures["tripod"], (200, 1)))
    used = np.tile([f in kinds[0].fingers for f in hand.finger_names], (200, 1))
    box = points.min(axis=0), points.max(axis=0)
    rng = np.random.default_rng(0)
    palms = aimed_palms(hand, mug, condition, kinds, tips, used, spots, box, rng)
    middle = closures(tips, used)
    placed = np.einsum("nij,nj->ni", palms[:, :3, :3], middle) + palms[:, :3, 3]
    assert condition.region(placed).mean() > 0.9  # type: ignore[misc]
    np.testing.assert_allclose(
        palms[:, :3, :3] @ palms[:, :3, :3].swapaxes(1, 2),
        np.tile(np.eye(3), (200, 1, 1)),
        atol=1e-9,
    )


@pytest.mark.parametrize("name", hand_names())
def test_fingertips_beside_their_contacts_count_as_contacts(name: str) -> None:
    hand, geometry = the_hand(name), the_object("mug")
    rng = np.random.default_rng(0)
    found = search.search(hand, geometry, SynthesisConfig.load(), Condition(), rng, SETTINGS)
    corner = np.ones(3)

    def kept(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        condition = Condition(region=box_region(low, high))
        return touch_where_asked(hand, geometry, found, condition)

    everywhere = kept(-corner, corner)
    assert everywhere.mean() > 0.9
    assert not kept(corner, 2.0 * corner).any()
    left, right = kept(-corner, corner * [0.0, 1.0, 1.0]), kept(-corner * [0.0, 1.0, 1.0], corner)
    assert not (left & right).any()
    assert (everywhere[left | right]).all()
    far = found.palms.copy()
    far[:, :3, 3] += 1.0
    gone, anywhere = replace(found, palms=far), Condition(region=box_region(-corner, corner))
    assert not touch_where_asked(hand, geometry, gone, anywhere).any()
