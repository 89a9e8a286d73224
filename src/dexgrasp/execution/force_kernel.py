"""From wanted fingertip forces to joint targets, for one world after the other: compiled.

Forces, wrenches and frames are those of `force_balance`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dexgrasp.execution.force_balance import add_wrench, balance, plan_forces
from dexgrasp.types import Array

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
def _measure(i, grip, gains, active, arms, vector, dt, lifting):
    """The load is what the fingers balance; on the table, what the table takes does not count."""
    seen = np.zeros(6)
    if lifting:
        add_wrench(active, arms, vector, seen)
    share = dt / (gains.load_time + dt)
    for k in range(6):
        step = share * (-seen[k] - grip.load[i, k])
        grip.load[i, k] += step
        grip.trend[i, k] += share * (step / max(dt, 1e-4) - grip.trend[i, k])


@njit(cache=True)
def _finger(i, f, grip, gains, fingers, jacobian, planned, closer, dt, q, joints):
    """Targets of one finger: the phase machine's, what holds its place, and J^T df / kp."""
    force = grip.force[i, f]
    size = np.sqrt((force**2).sum())
    change = np.sqrt(((force - planned) ** 2).sum())
    # Contacts are never just where they were planned: no finger is changed by more than a share.
    share = min(1.0, gains.force_correction * np.sqrt((planned**2).sum()) / max(change, 1e-9))
    if grip.locked[i]:
        _hold(i, f, grip, gains, fingers, jacobian, closer, dt, q)
    for d in range(fingers.own.shape[1]):
        j = fingers.own[f, d]
        if j >= 0:
            torque = 0.0
            for k in range(3):
                push = share * (force[k] - planned[k])
                push += grip.extra[i] * size * grip.normal[i, f, k]
                torque += jacobian[k, d] * push
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
