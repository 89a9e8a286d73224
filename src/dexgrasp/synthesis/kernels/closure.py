"""Two measures of how well contacts can hold an object, with their gradients.

Pushes (DFC, arXiv 2104.09194): the wrench left by the best non-negative combination of the
fingers' normals. Cones (BODex, arXiv 2412.16490): the wrench left when forces in the friction
cones carry a load along each of the six half axes.

Both take the finger's normals instead of the object's, so that forces turn with the links and
the gradient needs no second derivative of the signed distance.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dexgrasp.synthesis.kernels.kinematics import push
from dexgrasp.synthesis.kernels.vectors import cross, dot, rotate

EDGES = 8  # of a friction cone, as in BODex
LOADS = 6  # unit forces along the half axes, as there
PENALTY = 0.3


@njit(cache=True, fastmath=True)
def closure_weights(points, normals, used, center, length, weights):
    """Non-negative shares of the fingers' pushes that best balance each other; they sum to 2.

    Coordinate descent on the squared wrench, shares within [0.15, 1] before scaling.
    """
    count = len(used)
    wrench = np.zeros((count, 6))
    arm = np.empty(3)
    total = np.zeros(6)
    for f in range(count):
        weights[f] = 0.5 if used[f] else 0.0
        for i in range(3):
            arm[i] = (points[f, i] - center[i]) / length
            wrench[f, i] = normals[f, i]
        cross(arm, normals[f], wrench[f, 3:])
        for i in range(6):
            total[i] += weights[f] * wrench[f, i]
    for _ in range(12):
        for f in range(count):
            if not used[f]:
                continue
            along, size = 0.0, 0.0
            for i in range(6):
                along += (total[i] - weights[f] * wrench[f, i]) * wrench[f, i]
                size += wrench[f, i] * wrench[f, i]
            best = min(max(-along / size, 0.15), 1.0)
            for i in range(6):
                total[i] += (best - weights[f]) * wrench[f, i]
            weights[f] = best
    sum_of_shares = 0.0
    for f in range(count):
        sum_of_shares += weights[f]
    for f in range(count):
        weights[f] *= 2.0 / sum_of_shares


@njit(cache=True, fastmath=True, inline="always")
def pull(contact, force, moment, vector, net, twist, scale):
    """Add the gradient of |net|^2 + |twist|^2 by a contact that pushes with `vector`.

    contact: its link, point, arm (over the length) and that length.  scale: on the gradient.
    """
    link, point, arm, length = contact
    turning, change = np.empty(3), np.empty(3)
    cross(twist, arm, turning)
    g = 2.0 * scale
    for i in range(3):
        change[i] = g * (net[i] + turning[i])
    cross(vector, change, turning)
    for i in range(3):
        moment[link, i] += turning[i]
    cross(vector, twist, turning)
    g /= length
    push(force, moment, link, point, g * turning[0], g * turning[1], g * turning[2])


@njit(cache=True, fastmath=True)
def balance_pushes(links, tip, facing, used, center, length, scale, force, moment):
    """Closure by pushes; adds its gradient times `scale`, the shares taken as constants."""
    weights = np.zeros(len(used))
    closure_weights(tip, facing, used, center, length, weights)
    net, twist, arm, scratch = np.zeros(3), np.zeros(3), np.empty(3), np.empty(3)
    for f in range(len(used)):
        if used[f]:
            for i in range(3):
                arm[i] = (tip[f, i] - center[i]) / length
            cross(arm, facing[f], scratch)
            for i in range(3):
                net[i] += weights[f] * facing[f, i]
                twist[i] += weights[f] * scratch[i]
    for f in range(len(used)):
        if used[f]:
            for i in range(3):
                arm[i] = (tip[f, i] - center[i]) / length
            contact = (links[f], tip[f], arm, length)
            pull(contact, force, moment, facing[f], net, twist, scale * weights[f])
    return dot(net, net) + dot(twist, twist)


@njit(cache=True, fastmath=True)
def cone_wrenches(rotation, normal, arm, friction, wrenches):
    """Wrenches (EDGES, 6) of the edges of a cone that turns with its link; normal part 1.

    rotation: of the link.  normal: in the link.  arm: (3,) over the length.
    """
    helper, first, second, edge = np.zeros(3), np.empty(3), np.empty(3), np.empty(3)
    helper[0 if abs(normal[0]) < 0.9 else 1] = 1.0
    cross(normal, helper, first)
    size = np.sqrt(dot(first, first))
    for i in range(3):
        first[i] /= size
    cross(normal, first, second)
    for e in range(EDGES):
        along = friction * np.cos(2.0 * np.pi * e / EDGES)
        across = friction * np.sin(2.0 * np.pi * e / EDGES)
        for i in range(3):
            edge[i] = normal[i] + along * first[i] + across * second[i]
        rotate(rotation, edge, wrenches[e, :3])
        cross(arm, wrenches[e, :3], wrenches[e, 3:])


@njit(cache=True, fastmath=True)
def project(shares, least):
    """Move `shares` to the nearest that are not negative and sum to between `least` and 1."""
    total = 0.0
    for e in range(len(shares)):
        total += max(shares[e], 0.0)
    wanted = min(max(total, least), 1.0)
    shift = 0.0
    while abs(total - wanted) > 1e-9:  # Newton on a convex, piecewise linear sum
        count = 0
        for e in range(len(shares)):
            count += shares[e] + shift > 0.0
        shift = shift + (wanted - total) / count if count else wanted - shares.max()
        total = 0.0
        for e in range(len(shares)):
            total += max(shares[e] + shift, 0.0)
    for e in range(len(shares)):
        shares[e] = max(shares[e] + shift, 0.0)


@njit(cache=True, fastmath=True)
def solve_cones(wrenches, used, cone, iterations, shares, prices):
    """Forces in the cones that carry each load best, by ADMM from where `shares` are.

    For the unit force t along each half axis, the shares x >= 0 of the cones' edges and k that
    minimise |G x - k t|^2 + r |x|^2, where k >= cone[1] and a finger's shares sum to its floor
    at least and to 1 at most.  wrenches: (F, EDGES, 6).  cone: see `balance_cones`.
    shares, prices: (LOADS, F EDGES + 1), each with k at its end.
    """
    count = len(used) * EDGES
    columns = wrenches.reshape(count, 6).T.copy()
    least = np.zeros(len(used))
    floors(used, cone[3], least)
    inverse = np.empty((3, 6, 6))
    square = columns @ columns.T
    for i in range(6):
        square[i, i] += PENALTY
    for axis in range(3):
        square[axis, axis] += 1.0  # the column of k
        inverse[axis] = np.linalg.inv(square)
        square[axis, axis] -= 1.0
    moved, left, push_back = np.empty(count + 1), np.empty(6), np.empty(6)
    shrink = PENALTY / (PENALTY + cone[2])
    for load in range(LOADS):
        axis, sign = load // 2, 1.0 - 2.0 * (load % 2)
        z, u = shares[load], prices[load]
        for _ in range(iterations):
            for c in range(count + 1):
                moved[c] = z[c] - u[c]
            for i in range(6):
                total = 0.0
                for c in range(count):
                    total += columns[i, c] * moved[c]
                left[i] = total
            left[axis] -= sign * moved[count]
            for i in range(6):
                push_back[i] = 0.0
                for j in range(6):
                    push_back[i] += inverse[axis, i, j] * left[j]
            for i in range(6):
                for c in range(count):
                    moved[c] -= columns[i, c] * push_back[i]
            moved[count] += sign * push_back[axis]
            for c in range(count + 1):
                u[c] += moved[c]
                z[c] = shrink * u[c]
            for f in range(len(used)):
                if used[f]:
                    project(z[f * EDGES : (f + 1) * EDGES], least[f])
            z[count] = max(u[count], cone[1])
            for c in range(count + 1):
                u[c] -= z[c]


@njit(cache=True, fastmath=True)
def floors(used, pressure, least):
    """least = normal force of each finger: `pressure` of the thumb (last) and of the others."""
    thumb, count = -1, 0
    for f in range(len(used)):
        if used[f]:
            thumb = f
            count += 1
    for f in range(len(used)):
        least[f] = pressure / max(count - 1, 1) if used[f] else 0.0
    least[thumb] = pressure


@njit(cache=True, fastmath=True)
def balance_cones(contacts, used, center, length, cone, fresh, scale, state, force, moment):
    """Closure by cones: the mean over the loads of what `solve_cones` minimises.

    Adds its gradient times `scale`; by the envelope theorem it is that of the wrench left, with
    the shares held fixed.  contacts: links (F,), their rotations (F, 3, 3), normals in them
    (F, 3) and points (F, 3).  cone: friction, least k, regulariser r, least pressure of the thumb
    and of the other fingers together, and what its users take (steps between solutions, their
    iterations).  fresh: whether to solve anew.  state: shares and prices, as there.
    """
    links, rotations, normals, points = contacts
    shares, prices = state
    fingers = len(used)
    wrenches, arms = np.zeros((fingers, EDGES, 6)), np.zeros((fingers, 3))
    for f in range(fingers):
        if used[f]:
            for i in range(3):
                arms[f, i] = (points[f, i] - center[i]) / length
            cone_wrenches(rotations[f], normals[f], arms[f], cone[0], wrenches[f])
    if fresh:
        solve_cones(wrenches, used, cone, int(cone[5]), shares, prices)
    pushes, left = np.empty((fingers, 6)), np.empty(6)
    value = 0.0
    for load in range(LOADS):
        left[:] = 0.0
        left[load // 2] = -(1.0 - 2.0 * (load % 2)) * shares[load, fingers * EDGES]
        pushes[:] = 0.0
        for f in range(fingers):
            for e in range(EDGES):
                share = shares[load, f * EDGES + e]
                value += cone[2] * share * share
                for i in range(6):
                    pushes[f, i] += share * wrenches[f, e, i]
            for i in range(6):
                left[i] += pushes[f, i]
        for i in range(6):
            value += left[i] * left[i]
        for f in range(fingers):
            if used[f]:
                contact = (links[f], points[f], arms[f], length)
                pull(contact, force, moment, pushes[f, :3], left[:3], left[3:], scale / LOADS)
    return value / LOADS
