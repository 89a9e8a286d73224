"""Fingertip forces for one world after the other: distribution, forecast, joint targets. Compiled.

A force acts on the object and is in the palm's frame [N]; a wrench is a force and a moment about
the middle of the contacts, moments over their mean distance from it, so that all is in newtons.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dexgrasp.execution.fingertips import into_cone
from dexgrasp.types import Array

BALANCE = 10.0  # weight of the wrench left over against the forces' distance from the wanted ones
ROUNDS = 30  # of accelerated projected gradients (FISTA); each call goes on from the last forces
STEPS = 10  # of the horizon
PLAN_ROUNDS = 6  # of projected gradients; each call goes on from the last plan, one step later
CHANGE = 2.0  # weight of a change of force from one step of the plan to the next
LAG = 0.05  # [s] in which a servo reaches a new torque: damping over stiffness of both hands
SMALL = 1e-3  # [m] least mean distance of contacts from their middle


class Grip(NamedTuple):
    """What force control remembers of N worlds.

    begun (N,) bool, since (N,) [s]: in charge, and from when on.  normal (N, F, 3): unit, into
    the object, in the palm; NaN where no contact is planned.  planned (N, F, 3) [N]: forces that
    the planned squeeze makes.  locked (N,) bool, lock (N, J) [rad]: the lift has begun, with
    these measured joints.  hold (N, J) [rad]: what brings them back.  sent (N, J) [rad]: last
    targets.  force (N, F, 3), plan (N, STEPS, F, 3) [N]: wanted forces and those ahead.
    extra (N,): what the fingers press beyond them, as a share.  load, trend (N, 6): wrench on the
    object by all but the fingers, and its change per second.
    """

    begun: Array
    since: Array
    normal: Array
    planned: Array
    locked: Array
    lock: Array
    hold: Array
    sent: Array
    force: Array
    plan: Array
    extra: Array
    load: Array
    trend: Array


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
def regulate(i, grip, gains, fingers, felt, wanted, dt, lifting, foresee, q, joints):
    """Correct the targets `joints` (J,) of world i, measured at `q` (J,), for the forces.

    felt: touching (F,), force (F,), vector (F, 3), points (F, 3), jacobian (F, 3, D).
    wanted: (F, 3) [N], what the targets make as they are.  foresee: plan ahead instead of
    balancing this instant.
    """
    touching, force, vector, points, jacobian = felt
    active, full = np.empty(len(wanted), dtype=np.bool_), False
    for f in range(len(wanted)):
        active[f] = touching[f] and np.isfinite(grip.normal[i, f, 0])
        full = full or (active[f] and _saturated(i, f, grip, gains, fingers, q))
    if active.sum() < 2:  # nothing to balance: the phase machine's own squeeze
        return
    arms = np.zeros(wanted.shape)
    _arms(active, points, arms)
    if not full:  # a finger at its limit does not yield to a displacement: the others must
        _measure(i, grip, gains, active, arms, vector, dt, lifting)
    if foresee:
        plan_forces(grip.normal[i], active, arms, wanted, vector, grip.load[i], grip.trend[i],
                    gains, dt, grip.plan[i], grip.force[i])  # fmt: skip
    else:
        balance(grip.normal[i], active, arms, wanted, grip.load[i], gains, grip.force[i])
    _press(i, grip, gains, active, force, full, dt)
    closer = 0.0
    if grip.locked[i]:
        for f in range(len(wanted)):
            if active[f]:
                closer += _way(i, f, grip, fingers, jacobian[f], q) / active.sum()
    for f in range(len(wanted)):
        if active[f]:
            _finger(i, f, grip, gains, fingers, jacobian[f], wanted[f], closer, dt, q, joints)


@njit(cache=True)
def _saturated(i, f, grip, gains, fingers, q):
    """Whether a joint of a finger is asked for all that it can do."""
    for d in range(fingers.own.shape[1]):
        j = fingers.own[f, d]
        if j >= 0:
            torque = fingers.stiffness[j] * abs(grip.sent[i, j] - q[j])
            if torque > 0.99 * gains.effort_share * fingers.effort[j]:
                return True
    return False


@njit(cache=True)
def _press(i, grip, gains, active, sensed, full, dt):
    """Regulate how hard the fingers press together, not each of them.

    One finger's force is the others' too: to correct each for itself would push the object about.
    full: a joint can do no more.
    """
    wished, felt = 0.0, 0.0
    for f in range(len(active)):
        if active[f]:
            wished += np.sqrt((grip.force[i, f] ** 2).sum())
            felt += sensed[f]
    missing = 1.0 - felt / max(wished, gains.least)
    if full:
        missing = min(missing, 0.0)
    extra = grip.extra[i] + gains.force_gain * dt * missing
    grip.extra[i] = min(max(extra, -gains.force_correction), gains.force_correction)


@njit(cache=True)
def _way(i, f, grip, fingers, jacobian, q):
    """[m] along its normal that a contact is behind where the lift began."""
    way = 0.0
    for d in range(fingers.own.shape[1]):
        j = fingers.own[f, d]
        if j >= 0:
            for k in range(3):
                way += grip.normal[i, f, k] * jacobian[k, d] * (grip.lock[i, j] - q[j])
    return way


@njit(cache=True)
def _arms(active, points, arms):
    """Contacts from their middle, over their mean distance: (F, 3)."""
    middle, count = np.zeros(3), 0
    for f in range(len(active)):
        if active[f]:
            middle += points[f]
            count += 1
    middle /= count
    radius = 0.0
    for f in range(len(active)):
        if active[f]:
            arms[f] = points[f] - middle
            radius += np.sqrt((arms[f] ** 2).sum()) / count
    arms /= max(radius, SMALL)


@njit(cache=True)
def _wrench(active, arms, forces, wrench):
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
def _measure(i, grip, gains, active, arms, vector, dt, lifting):
    """The load is what the fingers balance; on the table, what the table takes does not count."""
    seen = np.zeros(6)
    if lifting:
        _wrench(active, arms, vector, seen)
    share = dt / (gains.load_time + dt)
    for k in range(6):
        step = share * (-seen[k] - grip.load[i, k])
        grip.load[i, k] += step
        grip.trend[i, k] += share * (step / max(dt, 1e-4) - grip.trend[i, k])


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
        _wrench(active, arms, point, wrench)
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
            _wrench(active, arms, path[s], wrench)
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


@njit(cache=True)
def _finger(i, f, grip, gains, fingers, jacobian, planned, closer, dt, q, joints):
    """Targets of one finger: the phase machine's, what holds its place, and J^T df / kp."""
    force = grip.force[i, f]
    size = np.sqrt((force**2).sum())
    if grip.locked[i]:
        _hold(i, f, grip, gains, fingers, jacobian, closer, dt, q)
    for d in range(fingers.own.shape[1]):
        j = fingers.own[f, d]
        if j >= 0:
            torque = 0.0
            for k in range(3):
                push = force[k] + grip.extra[i] * size * grip.normal[i, f, k]
                torque += jacobian[k, d] * (push - planned[k])
            target = joints[j] + grip.hold[i, j] + torque / fingers.stiffness[j]
            band = gains.effort_share * fingers.effort[j] / fingers.stiffness[j]
            joints[j] = min(max(target, q[j] - band), q[j] + band)


@njit(cache=True)
def _hold(i, f, grip, gains, fingers, jacobian, closer, dt, q):
    """Integrate the drift of a finger's joints since the lift, but for the fingers' closing in.

    closer: [m] that the contacts are behind along their normals, on average. That is the mode
    in which the fingers press; all other motion of the contacts is the object's, and held.
    """
    depth = fingers.own.shape[1]
    along, square = np.zeros(depth), 1e-9
    for d in range(depth):
        if fingers.own[f, d] >= 0:
            for k in range(3):
                along[d] += grip.normal[i, f, k] * jacobian[k, d]
            square += along[d] * along[d]
    for d in range(depth):
        j = fingers.own[f, d]
        if j >= 0:
            drift = grip.lock[i, j] - q[j] - along[d] * closer / square
            lag = grip.sent[i, j] - q[j]
            most = 0.99 * gains.effort_share * fingers.effort[j] / fingers.stiffness[j]
            if abs(lag) > most and drift * lag > 0.0:  # the joint can do no more
                continue
            held = grip.hold[i, j] + gains.hold_gain * dt * drift
            grip.hold[i, j] = min(max(held, -gains.hold_reach), gains.hold_reach)
