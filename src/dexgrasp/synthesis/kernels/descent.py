"""Compiled gradient descent on the energy: Adam, from many starts at once."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from dexgrasp.synthesis.kernels.energy import energy, workspace
from dexgrasp.synthesis.kernels.vectors import turn_palm


@njit(cache=True, fastmath=True)
def descend_one(hand, skin, scene, terms, cone, steps, rates, limits, palm, q, reference, used):
    """Adam on one sample in place. Returns the energy in which it ends and its workspace."""
    lower, upper = limits
    work = workspace(hand, len(used))
    size = 6 + len(q)
    gradient, first, second = np.zeros(size), np.zeros(size), np.zeros(size)
    spin = np.zeros(3)
    for step in range(steps):
        fresh = len(cone) > 0 and step % int(cone[4]) == 0
        energy(hand, skin, scene, terms, cone, palm, q, reference, used, fresh, work, gradient)
        decay = 1.0 - 0.9 * step / steps
        for i in range(size):
            first[i] = 0.9 * first[i] + 0.1 * gradient[i]
            second[i] = 0.95 * second[i] + 0.05 * gradient[i] * gradient[i]
        scale = decay / (1.0 - 0.9 ** (step + 1))
        norm = 1.0 - 0.95 ** (step + 1)
        for i in range(3):
            palm[i, 3] -= rates[0] * scale * first[i] / (np.sqrt(second[i] / norm) + 1e-12)
        for i in range(3):
            spin[i] = -rates[1] * scale * first[3 + i] / (np.sqrt(second[3 + i] / norm) + 1e-12)
        turn_palm(palm, spin[0], spin[1], spin[2])
        for j in range(len(q)):
            change = rates[2] * scale * first[6 + j] / (np.sqrt(second[6 + j] / norm) + 1e-12)
            q[j] = min(max(q[j] - change, lower[j]), upper[j])
    value = energy(hand, skin, scene, terms, cone, palm, q, reference, used, True, work, gradient)
    return value, work


@njit(cache=True, fastmath=True, parallel=True)
def descend(
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
    rates,
    limits,
    palms,
    joints,
    references,
    used,
    contacts,
    energies,
):
    """Adam on every sample in place; fills the contacts and energy in which each ends.

    rates: first step of palm position [m], palm rotation [rad], joints [rad]; they fall to a
    tenth.  limits: lowest and highest joints (J,).  contacts: tips, facings, surfaces (n, F, 3).
    The rest as `kernels.energy` has it.
    """
    for n in prange(len(joints)):
        palm, q = palms[n].copy(), joints[n].copy()
        energies[n], work = descend_one(
            (kinematics, spheres, pairs, candidates),
            skin,
            (field, table, center, length),
            terms,
            cone,
            steps,
            rates,
            limits,
            palm,
            q,
            references[n],
            used[n],
        )
        palms[n], joints[n] = palm, q
        contacts[0][n], contacts[1][n], contacts[2][n] = work[3]
