"""Hands on a shape that is partly guessed keep off it, because it may be larger than guessed."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.spatial import KDTree

from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.squeeze import open_step
from dexgrasp.types import Array

SURFACE_POINTS = 4000  # 5 mm apart
ROUNDS = 3  # of linear steps until the fingertips are where they should be
SEEN_WITHIN = 0.006  # [m] from a seen point the surface is known
KNOWN = -0.0003  # [m] of clearance where the surface is known: noise
GUESSED = 0.001  # [m] where it is guessed
NEEDED = 3  # fingertips; of more, the least certain one may miss
ANCHORS = 2  # fingertips on what was seen, of a grasp that is likely to be as planned
UNSURE = 0.85  # what other grasps of a guessed shape are worth, by the developed scans


def stand_off(
    hand: HandModel, geometry: GraspGeometry, candidates: Candidates, margin: float, wide: float
) -> tuple[Array, Array]:
    """Joints (n, J) [rad] with the touching fingertips `margin` [m] off the guessed surface.

    Where more than NEEDED touch, the one whose contact is farthest from what was seen is `wide`
    [m] off. Also (n,) bool: the whole hand keeps off the surface, by more where no camera saw it.
    """
    margins = _margins(geometry, candidates, margin, wide)
    joints = candidates.joints.copy()
    outward = np.einsum("nij,nfi->nfj", candidates.palms[:, :3, :3], candidates.surfaces)
    points = candidates.palm_points
    for _ in range(ROUNDS):
        placed = _placed(hand, candidates.palms, joints, hand.distal_links)
        gaps = np.stack([geometry.model.sdf.query(tip)[0].min(axis=1) for tip in placed], axis=1)
        jacobians = hand.contact_jacobians(joints, points)
        for i, used in enumerate(candidates.used):
            step = (margins[i, used] - gaps[i, used])[:, None] * outward[i, used]
            joints[i] += open_step(jacobians[i, used], step)
            points[i, used] += step
        joints = hand.clip(joints)
    return joints, _clear(hand, geometry, candidates.palms, joints)


def certainty(geometry: GraspGeometry, candidates: Candidates) -> Array:
    """(n,) factor: below 1 without a finger to spare, or without enough on what was seen."""
    seen = (KDTree(geometry.seen).query(candidates.tips)[0] < SEEN_WITHIN) & candidates.used
    sure = (candidates.used.sum(axis=1) > NEEDED) & (seen.sum(axis=1) >= ANCHORS)
    return np.where(sure, 1.0, UNSURE)


def _margins(geometry: GraspGeometry, candidates: Candidates, margin: float, wide: float) -> Array:
    """(n, F) [m], of `stand_off`."""
    margins = np.full(candidates.used.shape, margin)
    unknown = KDTree(geometry.seen).query(candidates.tips)[0] * candidates.used
    spare = (candidates.used.sum(axis=1) > NEEDED) & (unknown.max(axis=1) > SEEN_WITHIN)
    margins[spare, unknown[spare].argmax(axis=1)] = wide
    return margins


def _clear(hand: HandModel, geometry: GraspGeometry, palms: Array, joints: Array) -> Array:
    """(n,) bool, of `stand_off`."""
    placed = np.concatenate(_placed(hand, palms, joints, np.arange(len(hand.links))), axis=1)
    distance, normals = geometry.model.sdf.query(placed)
    close = np.nonzero(distance < GUESSED)
    surface = placed[close] - distance[close][:, None] * normals[close]
    known = KDTree(geometry.seen).query(surface)[0] < SEEN_WITHIN
    entered = ~known | (distance[close] < KNOWN)
    clear = np.ones(len(palms), dtype=bool)
    clear[close[0][entered]] = False
    return clear


def _placed(hand: HandModel, palms: Array, joints: Array, links: Array) -> list[Array]:
    """Of each link its surface points (n, k, 3) in the frame of the palms (n, 4, 4) [m]."""
    T = palms[:, None] @ hand.forward(joints)
    turns, places = np.swapaxes(T[..., :3, :3], 2, 3), T[:, :, None, :3, 3]
    return [_points(hand)[link] @ turns[:, link] + places[:, link] for link in links]


@lru_cache(maxsize=8)
def _points(hand: HandModel) -> list[Array]:
    """Of each link points (k, 3) of its surface in its frame [m]."""
    points, _, links = hand.surface_points(SURFACE_POINTS)
    return [points[links == link] for link in range(len(hand.links))]
