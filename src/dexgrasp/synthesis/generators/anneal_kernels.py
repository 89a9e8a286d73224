"""Compiled simulated annealing over palm pose and eigengrasp amplitudes, a chain at a time."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from dexgrasp.synthesis.kernels.field import lookup
from dexgrasp.synthesis.kernels.kinematics import forward
from dexgrasp.synthesis.kernels.vectors import dot, rotate, turn_palm

MILLIMETRES = 1000.0
ATTEMPTS = 10  # at a neighbour within the bounds; GraspIt! (simAnn.cpp) makes as many


@njit(cache=True)
def temperature(initial, cooling, step, dimensions):
    """Ingber's cooling schedule, T0 exp(-c k^(1/D))."""
    return initial * np.exp(-cooling * step ** (1.0 / dimensions))


@njit(cache=True)
def neighbour(heat):
    """A move in [-1, 1] from Ingber's distribution: the colder, the shorter."""
    u = 2.0 * np.random.random() - 1.0
    return np.sign(u) * heat * ((1.0 + 1.0 / heat) ** abs(u) - 1.0)


@njit(cache=True)
def moved(value, low, high, jump, heat):
    """`value` moved by at most `jump` and kept within its bounds."""
    for _ in range(ATTEMPTS):
        tried = value + jump * neighbour(heat)
        if low <= tried <= high:
            return tried
    return value


@njit(cache=True, fastmath=True)
def placed(rotation, position, link, local, out):
    """out = a point of a link, in the object's frame."""
    rotate(rotation[link], local, out)
    for i in range(3):
        out[i] += position[link, i]


@njit(cache=True, fastmath=True)
def aside(spots, spacing, point):
    """How far [m] a point is from the region of `spots`; 0 inside it, or without a region."""
    squared = 1e9
    for s in range(len(spots)):
        gap = 0.0
        for i in range(3):
            gap += (point[i] - spots[s, i]) ** 2
        squared = min(squared, gap)
    return max(0.0, np.sqrt(squared) - spacing) if len(spots) else 0.0


@njit(cache=True, fastmath=True)
def posed_energy(chain, spheres, contacts, field, region, table, weights, palm, q, used, buffers):
    """Energy [mm] of one posed hand.

    The mean over the used fingers of |d| + w (1 + n_finger . n_object) of their best contact,
    and of its way to the region; and the weighted depths of the covering spheres in object
    and table. region: spots and spacing. weights: of normals [mm] and of depth.
    """
    parent, offset_rotation, offset_position, axis, joint, _ = chain
    grid, origin, cell = field
    rotation, position, best = buffers
    forward(parent, offset_rotation, offset_position, axis, joint, palm, q, rotation, position)
    point, slope, facing = np.empty(3), np.empty(3), np.empty(3)
    depth = 0.0
    for s in range(len(spheres[2])):
        placed(rotation, position, spheres[2][s], spheres[0][s], point)
        distance = lookup(grid, origin, cell, point[0], point[1], point[2], slope)
        depth += max(0.0, spheres[1][s] - distance)
        depth += max(0.0, spheres[1][s] - (point[2] - table))
    best[:] = 1e9
    for c in range(len(contacts[2])):
        f = contacts[3][c]
        if not used[f]:
            continue
        placed(rotation, position, contacts[2][c], contacts[0][c], point)
        rotate(rotation[contacts[2][c]], contacts[1][c], facing)
        distance = lookup(grid, origin, cell, point[0], point[1], point[2], slope)
        cost = MILLIMETRES * (abs(distance) + aside(region[0], region[1], point))
        best[f] = min(best[f], cost + weights[0] * (1.0 + dot(facing, slope)))
    total, count = 0.0, 0
    for f in range(len(used)):
        if used[f]:
            total += best[f]
            count += 1
    return total / count + weights[1] * MILLIMETRES * depth


@njit(cache=True, fastmath=True)
def joints_of(subspace, amplitudes, limits, q):
    """q = the joints of eigengrasp amplitudes within their limits."""
    for j in range(len(q)):
        value = subspace[0][j]
        for e in range(len(amplitudes)):
            value += amplitudes[e] * subspace[1][e, j]
        q[j] = min(max(value, limits[0][j]), limits[1][j])


@njit(cache=True)
def step_aside(palm, amplitudes, subspace, box, jumps, heat):
    """Move a state to a neighbour in place."""
    for i in range(3):
        palm[i, 3] = moved(palm[i, 3], box[0, i], box[1, i], jumps[0], heat)
    turn = jumps[1]
    turn_palm(palm, turn * neighbour(heat), turn * neighbour(heat), turn * neighbour(heat))
    for e in range(len(amplitudes)):
        low, high = subspace[2][e], subspace[3][e]
        amplitudes[e] = moved(amplitudes[e], low, high, jumps[2] * (high - low), heat)


@njit(cache=True)
def comes_along(palm, cone):
    """Whether the palm's approach is within the cone: approach in the palm, axis, cosine."""
    along = 0.0
    for i in range(3):
        for j in range(3):
            along += cone[1][i] * palm[i, j] * cone[0][j]
    return along >= cone[2]


@njit(cache=True, parallel=True)
def anneal(
    chain,
    spheres,
    contacts,
    field,
    region,
    table,
    weights,
    subspace,
    limits,
    box,
    cone,
    jumps,
    schedule,
    steps,
    seeds,
    palms,
    amplitudes,
    used,
    energies,
):
    """Anneal every chain in place; `energies` (n,) are those of the states they end in.

    schedule: first and last k, T0, c, D, energy scale.  box: (2, 3) bounds of the palm [m].
    """
    links, joint_count = len(chain[0]), len(limits[0])
    for n in prange(len(palms)):
        np.random.seed(seeds[n])
        buffers = (np.zeros((links, 3, 3)), np.zeros((links, 3)), np.zeros(used.shape[1]))
        q = np.zeros(joint_count)
        palm, share = palms[n].copy(), amplitudes[n].copy()
        joints_of(subspace, share, limits, q)
        now = posed_energy(
            chain, spheres, contacts, field, region, table, weights, palm, q, used[n], buffers
        )
        for step in range(steps):
            k = schedule[0] + (schedule[1] - schedule[0]) * step / steps
            heat = temperature(schedule[2], schedule[3], k, schedule[4])
            other, shifted = palm.copy(), share.copy()
            step_aside(other, shifted, subspace, box, jumps, heat)
            if not comes_along(other, cone):
                continue
            joints_of(subspace, shifted, limits, q)
            then = posed_energy(
                chain,
                spheres,
                contacts,
                field,
                region,
                table,
                weights,
                other,
                q,
                used[n],
                buffers,
            )
            if then < now or np.random.random() < np.exp(schedule[5] * (now - then) / heat):
                palm, share, now = other, shifted, then
        palms[n], amplitudes[n], energies[n] = palm, share, now
