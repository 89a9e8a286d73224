"""Which candidates are as asked: their approach, contacts and fingers, and those of a rim."""

from __future__ import annotations

import numpy as np

from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.contact_maps import contact_map_of
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.sampling import unit
from dexgrasp.synthesis.walls import THICKEST, opposite
from dexgrasp.types import Array

REGION_SHARE = 0.8  # of the contacts that must lie where they are asked for
FREE = 0.002  # [m] that a finger keeps off the object which must not touch it
WALL_SIDES = 0.5  # least cosine between a finger's side of a wall and the thumb's reversed one
BULGE = 0.015  # [m] that a wall may bend between a finger and the thumb: a cup of 30 mm radius
FROM_ABOVE = 0.5  # least share of the approach that is downwards


def kept_wishes(
    hand: HandModel, geometry: GraspGeometry, candidates: Candidates, condition: Condition
) -> dict[str, Array]:
    """(n,) bool for each wish of the condition, and whether grasps of a rim hold one."""
    wishes: dict[str, Array] = {}
    if condition.approach is not None:
        approach = candidates.palms[:, :3, :3] @ hand.T_palm_grasp[:3, 2]
        wishes["come as asked"] = approach @ unit(condition.approach) > np.cos(condition.cone)
    used = candidates.used
    if condition.somewhere:
        inside = np.zeros(used.shape, dtype=bool)
        for f, finger in enumerate(hand.finger_names):
            tips, normals = candidates.tips[used[:, f], f], candidates.surfaces[used[:, f], f]
            inside[used[:, f], f] = condition.wanted(tips, normals, finger)
        wishes["touch where asked"] = inside.sum(axis=1) >= REGION_SHARE * used.sum(axis=1)
    for finger, touches in condition.fingers(hand).items():
        f = hand.finger_names.index(finger)
        free = free_of(hand, geometry, candidates, f)
        wishes[f"{finger} as asked"] = used[:, f] if touches else free & ~used[:, f]
    rims = [kind.name for kind in hand.grasp_types if kind.place == "rim"]
    if np.isin(candidates.kinds, rims).any():
        held = across_a_wall(hand, geometry, candidates)
        wishes["hold the rim"] = held | ~np.isin(candidates.kinds, rims)
    return wishes


def touch_where_asked(
    hand: HandModel, geometry: GraspGeometry, candidates: Candidates, condition: Condition
) -> Array:
    """(n,) bool: of the fingertips that touch, also beside their planned contacts, enough do so
    where asked.
    """
    contacts = contact_map_of(hand, geometry.model, candidates.palms, candidates.joints)
    tips = np.array(hand.link_names)[hand.distal_links]
    touching = np.zeros(candidates.used.shape, dtype=bool)
    inside = np.zeros_like(touching)
    for f, finger in enumerate(hand.finger_names):
        own = contacts.take(contacts.links == tips[f])
        nearest = own.take(np.lexsort((-own.strength, own.grasp)))
        grasps, first = np.unique(nearest.grasp, return_index=True)
        touching[grasps, f] = True
        nearest = nearest.take(first)
        inside[grasps, f] = condition.wanted(nearest.points, nearest.normals, finger)
    return inside.sum(axis=1) >= REGION_SHARE * np.maximum(touching.sum(axis=1), 1)


def free_of(hand: HandModel, geometry: GraspGeometry, candidates: Candidates, finger: int) -> Array:
    """(n,) bool: that finger's last link, by its covering spheres, is off the object."""
    own = hand.sphere_link == hand.distal_links[finger]
    centers = transform_points(candidates.palms, hand.sphere_positions(candidates.joints)[:, own])
    return (geometry.model.sdf.query(centers)[0] - hand.sphere_radii[own]).min(axis=1) > FREE


def across_a_wall(hand: HandModel, geometry: GraspGeometry, candidates: Candidates) -> Array:
    """(n,) bool: from above, the thumb on one side of a thin wall and the others on the other."""
    tips, surfaces, used = candidates.tips, candidates.surfaces, candidates.used
    distance = geometry.model.sdf.query(tips)[0]
    onto = (tips - distance[..., None] * surfaces)[used]
    thin = ~used
    thin[used] = opposite(geometry.model, onto, surfaces[used])[0] < THICKEST
    inward = -surfaces[:, -1:]
    apart = np.abs(((tips - tips[:, -1:]) * inward).sum(axis=2)) < THICKEST + BULGE
    opposed = (surfaces * inward).sum(axis=2) > WALL_SIDES
    opposed[:, -1] = True
    down = -candidates.palms[:, 2, :3] @ hand.T_palm_grasp[:3, 2]
    return ((apart & opposed | ~used) & thin).all(axis=1) & (down > FROM_ABOVE)
