"""Forces that hold an object: balanced at once, or planned over a short horizon. Compiled.

A force acts on the object and is in the palm's frame [N]; a wrench is a force and a moment about
the middle of the contacts, moments over their mean distance from it, so that all is in newtons.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dexgrasp.execution.fingertips import into_cone

BALANCE = 10.0  # weight of the wrench left over against the forces' distance from the wanted ones
ROUNDS = 30  # of accelerated projected gradients (FISTA); each call goes on from the last forces
STEPS = 10  # of the horizon
PLAN_ROUNDS = 6  # of projected gradients; each call goes on from the last plan, one step later
CHANGE = 2.0  # weight of a change of force from one step of the plan to the next
LAG = 0.05  # [s] in which a servo reaches a new torque: damping over stiffness of both hands


class Gains(NamedTuple):
    """`ForceConfig`, as numbers."""

    friction: float
    least: float
    most: float
    effort_share: float
    force_gain: float
    force_correction: float
    hold_gain: float
    hold_reach: float
    load_time: float
    force_rate: float


@njit(cache=True)
def add_wrench(active, arms, forces, wrench):
    """Add what the active fingers' forces (F, 3) do to `wrench` (6,)."""
    for f in range(len(active)):
        if active[f]:
            a, b = arms[f], forces[f]
            wrench[0] += b[0]
            wrench[1] += b[1]
            wrench[2] += b[2]
            wrench[3] += a[1] * b[2] - a[2] * b[1]
            wrench[4] += a[2] * b[0] - a[0] * b[2]
            wrench[5] += a[0] * b[1] - a[1] * b[0]


@njit(cache=True)
def _pull(arm, wrench, k):
    """Component k of the gradient of |wrench|^2 / 2 by a force at `arm` (3,)."""
    m, n = (k + 1) % 3, (k + 2) % 3
    return wrench[k] + wrench[3 + m] * arm[n] - wrench[3 + n] * arm[m]


@njit(cache=True)
def balance(normals, active, arms, wanted, load, gains, forces):
    """Write forces (F, 3) near `wanted` ones (F, 3) that balance `load` (6,), in the cones.

    The QP min BALANCE |G f + load|^2 + |f - wanted|^2 over friction cones with normal parts in
    [least, most]; `forces` holds a first guess.  normals, arms: (F, 3).
    """
    count = len(wanted)
    point, before = forces.copy(), np.empty((count, 3))
    step = 1.0 / (1.0 + 2.0 * BALANCE * active.sum())
    pace = 1.0
    wrench, trial = np.empty(6), np.empty(3)
    for _ in range(ROUNDS):
        wrench[:] = load
        add_wrench(active, arms, point, wrench)
        faster = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * pace * pace))
        before[:] = forces
        for f in range(count):
            if not active[f]:
                forces[f], point[f] = 0.0, 0.0
                continue
            for k in range(3):
                slope = point[f, k] - wanted[f, k]
                slope += BALANCE * _pull(arms[f], wrench, k)
                trial[k] = point[f, k] - step * slope
            into_cone(trial, normals[f], gains.friction, gains.least, gains.most)
            for k in range(3):
                forces[f, k] = trial[k]
                point[f, k] = trial[k] + (pace - 1.0) / faster * (trial[k] - before[f, k])
        pace = faster


@njit(cache=True)
def plan_forces(normals, active, arms, wanted, now, load, trend, gains, dt, plan, forces):
    """Plan force commands (STEPS, F, 3) ahead of the load and write the first to `forces` (F, 3).

    Servos follow with a lag, f' = f + a (u - f), from the measured forces `now` (F, 3); the load
    (6,) goes on with its trend (6,).  min sum BALANCE |G f + load|^2 + |f - wanted|^2
    + CHANGE |du|^2 over cones as in `balance`; the first step is within the rate.
    """
    count = len(wanted)
    a = 1.0 - np.exp(-max(dt, 1e-3) / LAG)
    reach = gains.force_rate * dt
    last = forces.copy()
    plan[:-1] = plan[1:].copy()
    path, back = np.empty((STEPS, count, 3)), np.zeros((count, 3))
    slope = np.empty((STEPS, count, 3))
    wrench = np.empty(6)
    step = 1.0 / (2.0 * BALANCE * active.sum() + 1.0 + 4.0 * CHANGE)
    for _ in range(PLAN_ROUNDS):
        for s in range(STEPS):
            for f in range(count):
                for k in range(3):
                    was = now[f, k] if s == 0 else path[s - 1, f, k]
                    path[s, f, k] = was + a * (plan[s, f, k] - was)
        back[:] = 0.0
        for s in range(STEPS - 1, -1, -1):
            for k in range(6):
                wrench[k] = load[k] + trend[k] * dt * (s + 1)
            add_wrench(active, arms, path[s], wrench)
            for f in range(count):
                for k in range(3):
                    at = path[s, f, k] - wanted[f, k]
                    back[f, k] = (1.0 - a) * back[f, k] + at + BALANCE * _pull(arms[f], wrench, k)
                    change = plan[s, f, k] - (last[f, k] if s == 0 else plan[s - 1, f, k])
                    if s < STEPS - 1:
                        change -= plan[s + 1, f, k] - plan[s, f, k]
                    slope[s, f, k] = a * back[f, k] + CHANGE * change
        for s in range(STEPS):
            for f in range(count):
                if not active[f]:
                    plan[s, f] = 0.0
                    continue
                for k in range(3):
                    plan[s, f, k] -= step * slope[s, f, k]
                into_cone(plan[s, f], normals[f], gains.friction, gains.least, gains.most)
    for f in range(count):
        for k in range(3):
            forces[f, k] = min(max(plan[0, f, k], last[f, k] - reach), last[f, k] + reach)
