"""Points of the hand's surface that may touch an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dexgrasp.hands.primitives import Primitive, sample_union
from dexgrasp.hands.urdf import Link
from dexgrasp.types import Array

PAD_FACING = 0.25  # smallest cosine between a contact's normal and the pad's direction
TIP_REACH = 0.028  # a tip contact lies this close to the finger's tip point [m]
TIP_COUNT, PAD_COUNT, PALM_COUNT = 20, 6, 12
DENSITY = 1e6  # samples per m^2 to choose from


@dataclass(frozen=True)
class ContactPoints:
    """C candidate contacts on the primitives' surface.

    point (C, 3) [m] and outward unit normal (C, 3) in the frame of link (C,).
    finger: (C,), -1 on the palm.  tip: (C,) bool, on a finger's distal link.
    """

    point: Array
    normal: Array
    link: Array
    finger: Array
    tip: Array


def hand_contacts(
    links: Sequence[Link],
    primitives: Sequence[Primitive],
    poses: Array,
    distal_links: Array,
    pads: Array,
    tips: Array,
    approach: Array,
) -> ContactPoints:
    """Contacts of every finger's last three links, tips first, and of the palm.

    poses: (L, 4, 4) with the fingers extended; they carry the direction of a finger's pad
    (F, 3) over to the links before it.  tips: (F, 3).  approach: (3,) out of the palm.
    """
    places = []  # link, finger, on the tip, direction, count, tip point
    for f, distal in enumerate(distal_links):
        places.append((distal, f, True, pads[f], TIP_COUNT, tips[f]))
        facing, link = poses[distal, :3, :3] @ pads[f], links[distal].parent
        for _ in range(2):
            if link > 0:
                places.append((link, f, False, poses[link, :3, :3].T @ facing, PAD_COUNT, None))
                link = links[link].parent
    places.append((0, -1, False, approach, PALM_COUNT, None))
    found = [
        pad_contacts([p for p in primitives if p.link == link], direction, count, tip)
        for link, _, _, direction, count, tip in places
    ]
    counts = [len(points) for points, _ in found]
    return ContactPoints(
        np.concatenate([points for points, _ in found]),
        np.concatenate([normals for _, normals in found]),
        np.repeat([place[0] for place in places], counts),
        np.repeat([place[1] for place in places], counts),
        np.repeat([place[2] for place in places], counts),
    )


def pad_contacts(
    primitives: list[Primitive], direction: Array, count: int, tip: Array | None = None
) -> tuple[Array, Array]:
    """Up to `count` well spread points and normals (c, 3) on the side that faces `direction`.

    direction: (3,) in the link.  tip: (3,) restricts them to the neighbourhood of a point.
    """
    area = sum(p.area for p in primitives)
    rng = np.random.default_rng(0)
    points, normals = sample_union(primitives, int(DENSITY * area), rng)
    keep = normals @ direction > PAD_FACING
    if tip is not None:
        keep &= np.linalg.norm(points - tip, axis=1) < TIP_REACH
    points, normals = points[keep], normals[keep]
    if not len(points):
        return np.zeros((0, 3)), np.zeros((0, 3))
    start = points.mean(axis=0) if tip is None else tip + 0.02 * direction
    rows = farthest(points, start, count)
    return points[rows], normals[rows]


def farthest(points: Array, start: Array, count: int) -> Array:
    """Indices of up to `count` points far from each other, the first the nearest to `start`."""
    rows = [int(np.argmin(np.linalg.norm(points - start, axis=1)))]
    gap = np.linalg.norm(points - points[rows[0]], axis=1)
    while len(rows) < min(count, len(points)):
        rows.append(int(np.argmax(gap)))
        gap = np.minimum(gap, np.linalg.norm(points - points[rows[-1]], axis=1))
    return np.array(rows)
