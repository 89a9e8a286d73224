"""Wishes for a grasp from messages, back in the world, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

from dexgrasp_interfaces.msg import GraspCondition
from dexgrasp_nodes.conversions import point_to_msg, vector_to_msg
from dexgrasp_nodes.conversions.conditions import condition_from_msg

from dexgrasp.errors import SceneError, UnknownNameError
from dexgrasp.geometry import inverse, pose_from_quaternion, transform_points
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.synthesis import Condition, GraspGeometry, part_region

pytestmark = pytest.mark.ros
HAND = HandModel.load("allegro_right")
POSE = pose_from_quaternion(np.array([0.3, -0.2, 0.1]), np.array([0.9, 0.1, -0.3, 0.2]))
MUG = GraspGeometry(load_object("mug"), POSE, table_height=0.0)
UNLABELLED = replace(MUG, model=replace(MUG.model, labels=None))
numbers = st.floats(-1.0, 1.0)
triples = arrays(float, 3, elements=numbers)


def converted(message: GraspCondition, geometry: GraspGeometry = MUG) -> Condition:
    return condition_from_msg(message, HAND, geometry)


def box(low: np.ndarray, high: np.ndarray) -> GraspCondition:
    return GraspCondition(region_min=point_to_msg(low), region_max=point_to_msg(high))


def test_an_empty_message_asks_for_nothing() -> None:
    assert converted(GraspCondition()) == Condition()


def test_types_and_cone() -> None:
    condition = converted(GraspCondition(types=["pinch", "power"], cone=0.3))
    assert (condition.types, condition.cone) == (("pinch", "power"), 0.3)


@given(triples.filter(lambda v: np.linalg.norm(v) > 1e-6))
def test_an_approach_is_the_same_in_the_world_and_has_unit_length(direction: np.ndarray) -> None:
    approach = converted(GraspCondition(approach=vector_to_msg(direction))).approach
    assert approach is not None
    expected = direction / np.linalg.norm(direction)
    np.testing.assert_allclose(POSE[:3, :3] @ approach, expected, atol=1e-9)


@given(triples, st.floats(0.01, 1.0), arrays(float, (20, 3), elements=numbers))
def test_a_box_holds_the_same_points_in_the_world(
    low: np.ndarray, size: float, points: np.ndarray
) -> None:
    region = converted(box(low, low + size)).region
    assert region is not None
    expected = ((points > low) & (points < low + size)).all(axis=1)
    sure = (np.abs(points - low) > 1e-9).all(axis=1) & (np.abs(points - low - size) > 1e-9).all(1)
    found = region(transform_points(inverse(POSE), points))
    np.testing.assert_array_equal(found[sure], expected[sure])


def test_a_box_may_be_endless() -> None:
    low = np.array([-math.inf, -math.inf, 0.15])
    region = converted(box(low, np.full(3, math.inf))).region
    assert region is not None
    world = np.array([[5.0, 5.0, 0.2], [0.0, 0.0, 0.1]])
    assert region(transform_points(inverse(POSE), world)).tolist() == [True, False]


def test_a_labelled_part_is_that_of_the_object() -> None:
    region = converted(GraspCondition(region="handle")).region
    assert region is not None
    points = np.asarray(MUG.model.mesh.triangles_center)
    expected = part_region(MUG.model, "handle")(points)
    assert 0 < expected.sum() < len(expected)
    np.testing.assert_array_equal(region(points), expected)


def test_names_that_do_not_exist_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"'claw'; known: .*tripod"):
        converted(GraspCondition(types=["pinch", "claw"]))
    with pytest.raises(UnknownNameError, match=r"'lid'; known: .*handle"):
        converted(GraspCondition(region="lid"))


def test_wishes_that_make_no_sense_are_refused_with_the_reason() -> None:
    one, nan = np.ones(3), np.array([0.0, math.nan, 0.0])
    both = box(-one, one)
    both.region = "handle"
    cases = {
        "give one of them": (both, MUG),
        "no labelled parts.*region_min": (GraspCondition(region="handle"), UNLABELLED),
        "not below": (box(one, -one), MUG),
        "not below region_max .*nan": (box(-one, nan), MUG),
        "not finite": (GraspCondition(approach=vector_to_msg(nan)), MUG),
        "between 0": (GraspCondition(cone=-0.1), MUG),
        "and pi": (GraspCondition(cone=math.nan), MUG),
    }
    for words, (message, geometry) in cases.items():
        with pytest.raises(SceneError, match=words):
            converted(message, geometry)
