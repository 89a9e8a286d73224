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

SURFACE_POINTS = 6000  # 4 mm apart
ROUNDS = 3  # of linear steps until the fingertips are where they should be
SEEN_WITHIN = 0.006  # [m] from a seen point the surface is known
KNOWN = -0.0003  # [m] of clearance where the surface is known: noise
GUESSED = 0.001  # [m] where it is guessed


def stand_off(
    hand: HandModel, geometry: GraspGeometry, candidates: Candidates, margin: float
) -> tuple[Array, Array]:
    """Joints (n, J) [rad] with the touching fingertips `margin` [m] off the guessed surface.

    Also (n,) bool: the whole hand keeps off it there, by more where no camera saw it.
    """
    joints = candidates.joints.copy()
    tips = np.asarray(hand.distal_links)
    outward = np.einsum("nij,nfi->nfj", candidates.palms[:, :3, :3], candidates.surfaces)
    points = candidates.palm_points
    for _ in range(ROUNDS):
        distance = _distances(hand, geometry, candidates.palms, joints)[0]
        gaps = np.stack([distance[:, _points(hand)[1] == link].min(axis=1) for link in tips], 1)
        jacobians = hand.contact_jacobians(joints, points)
        for i, used in enumerate(candidates.used):
            step = (margin - gaps[i, used])[:, None] * outward[i, used]
            joints[i] += open_step(jacobians[i, used], step)
            points[i, used] += step
        joints = hand.clip(joints)
    return joints, _clear(hand, geometry, candidates.palms, joints)


def _clear(hand: HandModel, geometry: GraspGeometry, palms: Array, joints: Array) -> Array:
    """(n,) bool, of `stand_off`."""
    distance, normals, placed = _distances(hand, geometry, palms, joints)
    close = np.nonzero(distance < GUESSED)
    surface = placed[close] - distance[close][:, None] * normals[close]
    known = KDTree(geometry.seen).query(surface)[0] < SEEN_WITHIN
    entered = ~known | (distance[close] < KNOWN)
    clear = np.ones(len(palms), dtype=bool)
    clear[close[0][entered]] = False
    return clear


def _distances(
    hand: HandModel, geometry: GraspGeometry, palms: Array, joints: Array
) -> tuple[Array, Array, Array]:
    """Distance (n, k) [m] of the hand's points, the surface's normals and the points (n, k, 3)."""
    points, links = _points(hand)
    T = palms[:, None] @ hand.forward(joints)
    T = T[:, links]
    placed = np.einsum("nkij,kj->nki", T[..., :3, :3], points) + T[..., :3, 3]
    distance, normals = geometry.model.sdf.query(placed)
    return distance, normals, placed


@lru_cache(maxsize=8)
def _points(hand: HandModel) -> tuple[Array, Array]:
    """(k, 3) points of the hand's surface in the frames of links (k,)."""
    points, _, links = hand.surface_points(SURFACE_POINTS)
    return points, links
