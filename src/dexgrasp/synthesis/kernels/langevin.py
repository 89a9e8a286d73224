"""Compiled Metropolis-adjusted Langevin sampling of the energy, annealed, many chains at once.

At temperature T a chain's law is exp(-E / T) (Roberts and Tweedie 1996), E with the posture's
term: a step goes down the preconditioned gradient, adds noise and is accepted by the ratio of
Metropolis and Hastings. The palm turns by the exponential of a rotation vector, whose density
is the same both ways; joints are folded back at their limits.

The contact candidate of a finger is a function of the pose (the best one) and needs no moves of
its own, other than in DexGraspNet: the noise carries fingers from one to the next.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from dexgrasp.synthesis.kernels.energy import energy, workspace
from dexgrasp.synthesis.kernels.vectors import turn_palm

ACCEPTANCE = 0.574  # best for Langevin proposals: Roberts and Rosenthal, JRSS B 60 (1998)
ADAPTION = 0.7  # power of the step at which the stride's adaption fades, so that the law stays


@njit(cache=True)
def folded(value, low, high):
    """`value` mirrored at the limits until it lies between them."""
    span = high - low
    if span <= 0.0:
        return low
    turn = (value - low) % (2.0 * span)
    return low + (turn if turn <= span else 2.0 * span - turn)


@njit(cache=True)
def log_folded(value, mean, width, low, high):
    """Logarithm, up to a constant, of the density of a normal variable folded at its limits.

    Images beyond the first at each limit are left out: `width` is far below the span.
    """
    a, b, c = value - mean, 2.0 * low - value - mean, 2.0 * high - value - mean
    scale = -0.5 / (width * width)
    least = min(a * a, b * b, c * c)
    images = (
        np.exp(scale * (a * a - least))
        + np.exp(scale * (b * b - least))
        + np.exp(scale * (c * c - least))
    )
    return scale * least + np.log(images)


@njit(cache=True)
def step_away(palm, q, gradient, jumps, stride, heat, limits, moved):
    """Move a state in place by a Langevin step; moved = the palm's shift and turn (6,)."""
    for i in range(6):
        width = stride * jumps[0 if i < 3 else 1]
        moved[i] = -0.5 * width * width * gradient[i] / heat + width * np.random.normal()
    for i in range(3):
        palm[i, 3] += moved[i]
    turn_palm(palm, moved[3], moved[4], moved[5])
    width = stride * jumps[2]
    for j in range(len(q)):
        mean = q[j] - 0.5 * width * width * gradient[6 + j] / heat
        q[j] = folded(mean + width * np.random.normal(), limits[0][j], limits[1][j])


@njit(cache=True)
def log_way(moved, sign, q, other, gradient, jumps, stride, heat, limits):
    """Logarithm of the density of stepping from joints q to `other` with the palm sign * moved."""
    total = 0.0
    for i in range(6):
        width = stride * jumps[0 if i < 3 else 1]
        off = sign * moved[i] + 0.5 * width * width * gradient[i] / heat
        total -= 0.5 * off * off / (width * width)
    width = stride * jumps[2]
    for j in range(len(q)):
        mean = q[j] - 0.5 * width * width * gradient[6 + j] / heat
        total += log_folded(other[j], mean, width, limits[0][j], limits[1][j])
    return total


@njit(cache=True, fastmath=True)
def potential(hand, skin, scene, terms, cone, palm, q, reference, used, fresh, work, gradient):
    """The energy with the posture's term, whose gradient `energy` gives."""
    value = energy(hand, skin, scene, terms, cone, palm, q, reference, used, fresh, work, gradient)
    for j in range(len(q)):
        value += terms[8] * (q[j] - reference[j]) ** 2
    return value


@njit(cache=True)
def sample_one(
    hand, skin, scene, terms, cone, steps, jumps, schedule, limits, palm, q, reference, used
):
    """One chain in place. Returns energy, share of accepted steps, workspace.

    The forces in the cones, where they are asked for, are those of the chain's own state, solved
    anew every few steps: in between the energy that is sampled is one with these forces.
    """
    work = workspace(hand, len(used))
    gradient, ahead = np.zeros(6 + len(q)), np.zeros(6 + len(q))
    moved = np.zeros(6)
    now, taken, learnt = 0.0, 0, 1.0
    for step in range(steps):
        fresh = len(cone) > 0 and step % int(cone[4]) == 0
        if step == 0 or fresh:
            now = potential(
                hand, skin, scene, terms, cone, palm, q, reference, used, True, work, gradient
            )
        heat = schedule[0] * (schedule[1] / schedule[0]) ** (step / max(steps - 1, 1))
        stride = learnt * np.sqrt(heat / schedule[0])
        other, joints = palm.copy(), q.copy()
        step_away(other, joints, gradient, jumps, stride, heat, limits, moved)
        then = potential(
            hand, skin, scene, terms, cone, other, joints, reference, used, False, work, ahead
        )
        odds = (now - then) / heat
        odds += log_way(moved, -1.0, joints, q, ahead, jumps, stride, heat, limits)
        odds -= log_way(moved, 1.0, q, joints, gradient, jumps, stride, heat, limits)
        accepted = np.log(np.random.random()) < odds
        if accepted:
            palm[:], q[:], gradient[:] = other, joints, ahead
            now = then
            taken += 1
        surplus = (1.0 if accepted else 0.0) - ACCEPTANCE
        learnt *= np.exp(surplus / (1.0 + step) ** ADAPTION)
    value = energy(hand, skin, scene, terms, cone, palm, q, reference, used, True, work, gradient)
    return value, taken / steps, work


@njit(cache=True, parallel=True)
def sample(
    kinematics,
    spheres,
    pairs,
    candidates,
    skin,
    field,
    table,
    center,
    length,
    terms,
    cone,
    steps,
    jumps,
    schedule,
    limits,
    seeds,
    palms,
    joints,
    references,
    used,
    contacts,
    energies,
    shares,
):
    """Anneal a chain from every sample in place; fills contacts, energies, accepted shares (n,).

    jumps: widths of the first steps of palm position [m], palm rotation [rad], joints [rad].
    schedule: first and last temperature, in units of the energy.  The rest as in
    `kernels.descent.descend`.
    """
    for n in prange(len(joints)):
        np.random.seed(seeds[n])
        palm, q = palms[n].copy(), joints[n].copy()
        energies[n], shares[n], work = sample_one(
            (kinematics, spheres, pairs, candidates),
            skin,
            (field, table, center, length),
            terms,
            cone,
            steps,
            jumps,
            schedule,
            limits,
            palm,
            q,
            references[n],
            used[n],
        )
        palms[n], joints[n] = palm, q
        contacts[0][n], contacts[1][n], contacts[2][n] = work[3]
