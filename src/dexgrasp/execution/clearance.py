"""How near the covering spheres of a hand are to one another and to the table: compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dexgrasp.execution.fingertips import place_links
from dexgrasp.hands import HandModel
from dexgrasp.types import Array


class Body(NamedTuple):
    """A hand for compiled code: L links, S spheres, P pairs of spheres that may meet.

    parent, joint (L,), rotation (L, 3, 3), position, axis (L, 3): as in `KinematicArrays`.
    link (S,), center (S, 3) in those links, radius (S,) [m].  pairs (P, 2), those of two links
    together: group (G, 4) has the two links, and the first pair and the one after the last.
    middle (L, 3) in the link, extent (L,) [m]: a ball around all spheres of each link.
    """

    parent: Array
    joint: Array
    rotation: Array
    position: Array
    axis: Array
    link: Array
    center: Array
    radius: Array
    pairs: Array
    group: Array
    middle: Array
    extent: Array

    @classmethod
    def of(cls, hand: HandModel) -> Body:
        """The arrays of a hand."""
        tree, link = hand.kinematics, hand.sphere_link
        pairs = hand.self_collision_pairs
        pairs = pairs[np.lexsort((link[pairs[:, 1]], link[pairs[:, 0]]))]
        links, first = np.unique(link[pairs], axis=0, return_index=True)
        after = np.append(first[1:], len(pairs))[:, None]
        middle, extent = _balls(hand)
        return cls(
            tree.parent, tree.joint, tree.rotation, tree.position, tree.axis,
            link, hand.sphere_centers, hand.sphere_radii, pairs,
            np.hstack([links, first[:, None], after]), middle, extent,
        )  # fmt: skip


def _balls(hand: HandModel) -> tuple[Array, Array]:
    """Middle (L, 3) and radius (L,) of a ball around the spheres of each link; 0 without any."""
    middle, extent = np.zeros((len(hand.links), 3)), np.zeros(len(hand.links))
    for link in np.unique(hand.sphere_link):
        own = hand.sphere_link == link
        centers, radii = hand.sphere_centers[own], hand.sphere_radii[own]
        middle[link] = 0.5 * (centers.min(axis=0) + centers.max(axis=0))
        extent[link] = (np.linalg.norm(centers - middle[link], axis=1) + radii).max()
    return middle, extent


@njit(cache=True)
def place_spheres(body, q, placed, balls):
    """Write centres in the palm at joints q (J,) [rad]: `placed` (S, 3) and `balls` (L, 3)."""
    count = len(body.parent)
    rotation, position = np.empty((count, 3, 3)), np.empty((count, 3))
    place_links(body, q, rotation, position)
    for link in range(count):
        _rotate(rotation[link], body.middle[link], balls[link])
        for i in range(3):
            balls[link, i] += position[link, i]
    for s in range(len(body.link)):
        own = body.link[s]
        _rotate(rotation[own], body.center[s], placed[s])
        for i in range(3):
            placed[s, i] += position[own, i]


@njit(cache=True)
def self_gap(body, placed, balls, limit):
    """Smallest gap [m] between spheres of links that may meet, or `limit` if that is smaller."""
    nearest = limit
    for g in range(len(body.group)):
        a, b = body.group[g, 0], body.group[g, 1]
        reach = max(body.extent[a] + body.extent[b] + nearest, 0.0)
        if _square(balls[a], balls[b]) >= reach * reach:
            continue
        for p in range(body.group[g, 2], body.group[g, 3]):
            a, b = body.pairs[p, 0], body.pairs[p, 1]
            touching = body.radius[a] + body.radius[b]
            reach = max(touching + nearest, 0.0)
            square = _square(placed[a], placed[b])
            if square < reach * reach:  # a root only where it counts
                nearest = np.sqrt(square) - touching
    return nearest


@njit(cache=True)
def _square(first, second):
    x, y, z = first[0] - second[0], first[1] - second[1], first[2] - second[2]
    return x * x + y * y + z * z


@njit(cache=True)
def lowest_point(body, placed, palm):
    """Height [m] of the lowest sphere's lowest point with the palm at (4, 4)."""
    lowest = np.inf
    x, y, z = palm[2, 0], palm[2, 1], palm[2, 2]
    for s in range(len(body.link)):
        height = x * placed[s, 0] + y * placed[s, 1] + z * placed[s, 2] - body.radius[s]
        lowest = min(lowest, height)
    return lowest + palm[2, 3]


@njit(cache=True)
def _axis_turn(axis, angle, out):
    x, y, z = axis[0], axis[1], axis[2]
    s, c = np.sin(angle), np.cos(angle)
    d = 1.0 - c
    out[0, 0], out[0, 1], out[0, 2] = c + x * x * d, x * y * d - z * s, x * z * d + y * s
    out[1, 0], out[1, 1], out[1, 2] = y * x * d + z * s, c + y * y * d, y * z * d - x * s
    out[2, 0], out[2, 1], out[2, 2] = z * x * d - y * s, z * y * d + x * s, c + z * z * d


@njit(cache=True)
def _compose(first, second, out):
    for i in range(3):
        for j in range(3):
            out[i, j] = (
                first[i, 0] * second[0, j] + first[i, 1] * second[1, j] + first[i, 2] * second[2, j]
            )


@njit(cache=True)
def _rotate(rotation, vector, out):
    for i in range(3):
        out[i] = (
            rotation[i, 0] * vector[0] + rotation[i, 1] * vector[1] + rotation[i, 2] * vector[2]
        )


@njit(cache=True)
def turn_part(first, second, share, out):
    """Write the rotation at `share` of the way from `first` to `second` (3, 3), < pi, to `out`."""
    relative, turn, axis = np.empty((3, 3)), np.empty((3, 3)), np.empty(3)
    _compose(second, first.T, relative)
    for i in range(3):
        axis[i] = relative[(i + 2) % 3, (i + 1) % 3] - relative[(i + 1) % 3, (i + 2) % 3]
    length = np.sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2)
    cosine = 0.5 * (relative[0, 0] + relative[1, 1] + relative[2, 2] - 1.0)
    angle = np.arctan2(0.5 * length, cosine)
    for i in range(3):
        axis[i] /= max(length, 1e-300)
    _axis_turn(axis, share * angle, turn)
    _compose(turn, first, out)
