"""The hand's outside as the compiled optimisation sees it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.hands.clusters import Clusters
from dexgrasp.types import Array

SURFACE_POINTS = 6000  # 4 mm apart

Skin = tuple[Array, Array, Array, Array, Array, Array]
"""Balls that may not enter the object, in groups that are passed over at once.

Centres (k, 3) and radii (k,) [m]; first ball of each group (C + 1,); centre (C, 3), radius
(C,) [m] and link (C,) of a ball around each group. In the frames of the links.
"""


@lru_cache(maxsize=8)
def sphere_skin(hand: HandModel) -> Skin:
    """The covering spheres, each a group of its own."""
    center, radius, link = hand.kernel_spheres
    return center, radius, np.arange(len(link) + 1), center, radius, link


@lru_cache(maxsize=8)
def surface_skin(hand: HandModel) -> Skin:
    """Points of the surface itself, without radius."""
    points, _, links = hand.surface_points(SURFACE_POINTS)
    groups = Clusters.of(points, links)
    link = groups.label[groups.start[:-1]]
    nothing = np.zeros(len(groups.points))
    return groups.points, nothing, groups.start, groups.center, groups.radius, link
