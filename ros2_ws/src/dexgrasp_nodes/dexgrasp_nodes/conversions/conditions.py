"""Wishes for grasps. Not among the package's names: only synthesis needs what this imports."""

from __future__ import annotations

import numpy as np
from dexgrasp_interfaces.msg import GraspCondition

from dexgrasp.errors import SceneError
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.synthesis import Condition, GraspGeometry, box_region, part_region
from dexgrasp.synthesis.condition import Region
from dexgrasp_nodes.conversions.basics import vector_from_msg


def condition_from_msg(
    message: GraspCondition, hand: HandModel, geometry: GraspGeometry
) -> Condition:
    """Wishes in the world as wishes in the frame of the object of `geometry`.

    Raises UnknownNameError for a grasp type or a part that does not exist; SceneError for a
    part of an object without labels, and for a box, an approach or a cone that is none.
    """
    if not 0.0 <= message.cone <= np.pi:
        raise SceneError(f"the cone {message.cone} rad is not between 0 (the default) and pi")
    condition = Condition(
        types=tuple(message.types),
        region=_region(message, geometry),
        approach=_approach(message, geometry),
        cone=message.cone or Condition.cone,
    )
    condition.grasp_types(hand)  # refuses unknown ones before anything is computed
    return condition


def _region(message: GraspCondition, geometry: GraspGeometry) -> Region | None:
    low, high = vector_from_msg(message.region_min), vector_from_msg(message.region_max)
    boxed = low.any() or high.any()
    if message.region and boxed:
        raise SceneError(f"a region {message.region!r} and a box are given; give one of them")
    if message.region:
        return _part(message.region, geometry)
    if not boxed:
        return None
    if not (low < high).all():
        raise SceneError(
            f"region_min {low.tolist()} m is not below region_max {high.tolist()} m on every axis"
        )
    box = box_region(low, high)
    return lambda points: box(transform_points(geometry.T_world_object, points))


def _part(name: str, geometry: GraspGeometry) -> Region:
    if not geometry.model.part_names:
        raise SceneError(
            f"this object has no labelled parts, so no {name!r}: it is known from one view "
            f"alone; give a box by region_min and region_max"
        )
    return part_region(geometry.model, name)


def _approach(message: GraspCondition, geometry: GraspGeometry) -> np.ndarray | None:
    direction = vector_from_msg(message.approach)
    if not np.isfinite(direction).all():
        raise SceneError(f"the approach {direction.tolist()} is not finite")
    length = float(np.linalg.norm(direction))
    if length == 0.0:
        return None
    return geometry.T_world_object[:3, :3].T @ (direction / length)
