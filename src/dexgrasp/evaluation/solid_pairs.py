"""How deep two posed solids are in each other: exact but for the round side of cylinders."""

from __future__ import annotations

import numba
import numpy as np

from dexgrasp.evaluation.solids import BOX, CAPSULE, CYLINDER, SPHERE, Solids
from dexgrasp.types import Array

CYLINDER_DIRECTIONS = 16  # of half a turn: the depth is at most 0.5 % of a solid's size too large
BISECTIONS = 40  # of a segment: 1e-12 of its length
TOUCHING = 1e-9  # [m] below which two axes meet


def deepest_overlap(solids: Solids, pairs: Array) -> Array:
    """(n,) largest depth [m] of the `pairs` (p, 2) of solids in each pose, 0 where all are apart.

    Depth is the shortest way by which moving one of the two parts them.
    """
    return _deepest(solids.kind, solids.size, solids.pose, solids.radius, pairs)


def depth_below(solids: Solids, plane: Array) -> Array:
    """(n,) depth [m] of the lowest solid's lowest point below a plane (4,), 0 where all are above.

    plane: unit normal and offset d [m]; above is where normal · x + d > 0.
    """
    return _below(solids.kind, solids.size, solids.pose, plane)


@numba.njit(cache=True)
def _extent(kind, size, pose, d):
    """How far a solid reaches from its centre along the unit vector d (3,)."""
    w = abs(pose[0, 2] * d[0] + pose[1, 2] * d[1] + pose[2, 2] * d[2])
    if kind == BOX:
        u = abs(pose[0, 0] * d[0] + pose[1, 0] * d[1] + pose[2, 0] * d[2])
        v = abs(pose[0, 1] * d[0] + pose[1, 1] * d[1] + pose[2, 1] * d[2])
        return 0.5 * (size[0] * u + size[1] * v + size[2] * w)
    if kind == CAPSULE:
        return size[0] + 0.5 * size[1] * w
    if kind == CYLINDER:
        return 0.5 * size[1] * w + size[0] * np.sqrt(max(1.0 - w * w, 0.0))
    return size[0]


@numba.njit(cache=True)
def _below(kind, size, pose, plane):
    result = np.zeros(len(pose))
    for g in range(len(pose)):
        for p in range(len(kind)):
            height = plane[3]
            for a in range(3):
                height += plane[a] * pose[g, p, a, 3]
            result[g] = max(result[g], _extent(kind[p], size[p], pose[g, p], plane[:3]) - height)
    return result


@numba.njit(cache=True)
def _deepest(kind, size, pose, radius, pairs):
    result = np.zeros(len(pose))
    for g in range(len(pose)):
        for n in range(len(pairs)):
            a, b = pairs[n]
            reach = radius[a] + radius[b]
            gap = pose[g, b, :3, 3] - pose[g, a, :3, 3]
            if gap[0] * gap[0] + gap[1] * gap[1] + gap[2] * gap[2] >= reach * reach:
                continue
            if kind[a] in (CAPSULE, SPHERE):
                a, b = b, a  # the round one is second
            depth = _depth(kind[a], size[a], pose[g, a], kind[b], size[b], pose[g, b])
            result[g] = max(result[g], depth)
    return result


@numba.njit(cache=True)
def _depth(kind, size, pose, other, other_size, other_pose):
    """Depth of two solids, negative when apart; if one has a round end, `other` is that one."""
    if other in (BOX, CYLINDER):
        return _core_depth(kind, size, pose, other, other_size, other_pose)
    reach = other_size[0]
    if kind in (CAPSULE, SPHERE):
        reach += size[0]
    half = 0.5 * other_size[1] if other == CAPSULE else 0.0
    gap = _segment_gap(kind, size, pose, other_pose[:3, 3], other_pose[:3, 2], half)
    if gap > TOUCHING or kind in (CAPSULE, SPHERE):
        return reach - gap
    return reach + _core_depth(kind, size, pose, other, other_size, other_pose)


@numba.njit(cache=True)
def _beyond(kind, size, pose, x, offset):
    """Vector `offset` (3,) in the common frame from the core's nearest point to x; its length.

    The core of a capsule or a sphere is its axis or centre; that of the others is the solid.
    """
    local = np.empty(3)
    for a in range(3):
        local[a] = 0.0
        for b in range(3):
            local[a] += pose[b, a] * (x[b] - pose[b, 3])
    if kind == BOX:
        for a in range(3):
            local[a] -= min(max(local[a], -0.5 * size[a]), 0.5 * size[a])
    else:
        half = 0.0 if kind == SPHERE else 0.5 * size[1]
        local[2] -= min(max(local[2], -half), half)
        if kind == CYLINDER:
            across = np.sqrt(local[0] ** 2 + local[1] ** 2)
            share = max(1.0 - size[0] / across, 0.0) if across > 0.0 else 0.0
            local[0] *= share
            local[1] *= share
    for a in range(3):
        offset[a] = pose[a, 0] * local[0] + pose[a, 1] * local[1] + pose[a, 2] * local[2]
    return np.sqrt(local[0] ** 2 + local[1] ** 2 + local[2] ** 2)


@numba.njit(cache=True)
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(cache=True)
def _segment_gap(kind, size, pose, middle, axis, half):
    """Distance of a segment to a core; it is convex along the segment, so its slope is bisected."""
    low, high, offset = -half, half, np.empty(3)
    if half > 0.0:
        _beyond(kind, size, pose, middle - half * axis, offset)
        if _dot(offset, axis) >= 0.0:
            high = low
        _beyond(kind, size, pose, middle + half * axis, offset)
        if _dot(offset, axis) <= 0.0:
            low = high
    for _ in range(BISECTIONS):
        if high <= low:
            break
        t = 0.5 * (low + high)
        _beyond(kind, size, pose, middle + t * axis, offset)
        if _dot(offset, axis) > 0.0:
            high = t
        else:
            low = t
    return _beyond(kind, size, pose, middle + 0.5 * (low + high) * axis, offset)


@numba.njit(cache=True)
def _directions(kind, pose, normals, edges):
    """Fill normals and edges (m, 3) of a core; returns how many of each."""
    if kind == BOX:
        for a in range(3):
            normals[a] = pose[:3, a]
            edges[a] = pose[:3, a]
        return 3, 3
    edges[0] = pose[:3, 2]
    if kind != CYLINDER:
        return 0, 1
    normals[0] = pose[:3, 2]
    for k in range(CYLINDER_DIRECTIONS):
        angle = np.pi * k / CYLINDER_DIRECTIONS
        cos, sin = np.cos(angle), np.sin(angle)
        for a in range(3):
            normals[k + 1, a] = cos * pose[a, 0] + sin * pose[a, 1]
            edges[k + 1, a] = cos * pose[a, 1] - sin * pose[a, 0]
    return CYLINDER_DIRECTIONS + 1, CYLINDER_DIRECTIONS + 1


@numba.njit(cache=True)
def _core_extent(kind, size, pose, d):
    """`_extent` without the radius of round ends."""
    if kind in (CAPSULE, SPHERE):
        return _extent(kind, size, pose, d) - size[0]
    return _extent(kind, size, pose, d)


@numba.njit(cache=True)
def _overlap_along(kind, size, pose, other, other_size, other_pose, d):
    apart = 0.0
    for a in range(3):
        apart += d[a] * (other_pose[a, 3] - pose[a, 3])
    reach = _core_extent(kind, size, pose, d) + _core_extent(other, other_size, other_pose, d)
    return reach - abs(apart)


@numba.njit(cache=True)
def _core_depth(kind, size, pose, other, other_size, other_pose):
    """Smallest overlap over the normals of both cores and of pairs of their edges."""
    n1, e1 = np.empty((CYLINDER_DIRECTIONS + 1, 3)), np.empty((CYLINDER_DIRECTIONS + 1, 3))
    n2, e2 = np.empty((CYLINDER_DIRECTIONS + 1, 3)), np.empty((CYLINDER_DIRECTIONS + 1, 3))
    count1, edges1 = _directions(kind, pose, n1, e1)
    count2, edges2 = _directions(other, other_pose, n2, e2)
    depth = np.inf
    for a in range(count1):
        along = _overlap_along(kind, size, pose, other, other_size, other_pose, n1[a])
        depth = min(depth, along)
    for b in range(count2):
        along = _overlap_along(kind, size, pose, other, other_size, other_pose, n2[b])
        depth = min(depth, along)
    d = np.empty(3)
    for a in range(edges1):
        for b in range(edges2):
            if depth <= 0.0:  # a separating direction: how far apart is not asked
                return depth
            d[0] = e1[a, 1] * e2[b, 2] - e1[a, 2] * e2[b, 1]
            d[1] = e1[a, 2] * e2[b, 0] - e1[a, 0] * e2[b, 2]
            d[2] = e1[a, 0] * e2[b, 1] - e1[a, 1] * e2[b, 0]
            length = np.sqrt(d[0] ** 2 + d[1] ** 2 + d[2] ** 2)
            if length > 1e-6:
                d /= length
                along = _overlap_along(kind, size, pose, other, other_size, other_pose, d)
                depth = min(depth, along)
    return depth
