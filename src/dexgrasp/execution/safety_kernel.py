"""The rules of the safety filter, for one world after the other: compiled.

Each function takes one world's arrays. `state` and `limits` are the tuples below.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dexgrasp.execution.clearance import lowest_point, place_spheres, self_gap, turn_part
from dexgrasp.execution.safety_config import Intervention
from dexgrasp.types import Array

RIGID = 1e-3  # largest error of a rotation matrix's products
SAME = 1e-9  # [m, rad, s] below which two targets, or times, are the same

# Plain numbers: the compiler knows no enumerations of flags.
INVALID_COMMAND, INVALID_STATE = int(Intervention.INVALID_COMMAND), int(Intervention.INVALID_STATE)
STALE_COMMAND, STALE_STATE = int(Intervention.STALE_COMMAND), int(Intervention.STALE_STATE)
RELAXED, CLOCK, JUMP = int(Intervention.RELAXED), int(Intervention.CLOCK), int(Intervention.JUMP)
JOINT_LIMIT, JOINT_SPEED = int(Intervention.JOINT_LIMIT), int(Intervention.JOINT_SPEED)
EFFORT, PALM_SPEED = int(Intervention.EFFORT), int(Intervention.PALM_SPEED)
WORKSPACE, TABLE = int(Intervention.WORKSPACE), int(Intervention.TABLE)
SELF_COLLISION, DERATED = int(Intervention.SELF_COLLISION), int(Intervention.DERATED)
OVERLOAD, E_STOP = int(Intervention.OVERLOAD), int(Intervention.E_STOP)


class State(NamedTuple):
    """What the filter remembers of N worlds.

    joints (N, J), palm (N, 4, 4): the last targets sent.  asked, asked_palm: those of the last
    command as it came, where it was let through; else the same as sent.  started, estopped,
    frozen (N,) bool: a command was accepted; the e-stop is latched; it was so at the last call.
    now, heard (N,) [s]: of the last call, and when the last good command came.  rest (N, J):
    where the joints relax to, valid where `resting`.  load (N, J): motors, 0 to 1 within their
    range.
    """

    joints: Array
    palm: Array
    asked: Array
    asked_palm: Array
    started: Array
    estopped: Array
    frozen: Array
    now: Array
    heard: Array
    rest: Array
    resting: Array
    load: Array


class Bounds(NamedTuple):
    """`SafetyLimits` for one hand: joint arrays (J,), the other figures as they are."""

    lower: Array
    upper: Array
    band: Array
    speed: Array
    low: Array
    high: Array
    heartbeat: float
    relax_after: float
    relax_speed: float
    input_age: float
    longest_period: float
    joint_jump: float
    palm_speed: float
    palm_turn_speed: float
    palm_jump: float
    palm_turn_jump: float
    floor: float
    max_overlap: float
    look_ahead: float
    look_time: float
    least_effort: float


@njit(cache=True)
def filter_worlds(state, limits, body, joints, palm, q, v, T, now, came, seen, flags):
    """Replace the targets `joints` (N, J) and `palm` (N, 4, 4) by what may be sent.

    q (N, J), T (N, 4, 4): where joints and palm are; v (N, J): how fast.  now, came, seen: (N,)
    [s] of this call, of the command and of the observation.  flags: (N,) written.
    """
    for i in range(len(flags)):
        flags[i] = _filter(
            i, state, limits, body, joints[i], palm[i], q[i], v[i], T[i], now[i], came[i], seen[i]
        )


@njit(cache=True)
def _filter(i, state, limits, body, joints, palm, seen_joints, v, T, now, came, seen):
    flags, dt = _elapsed(i, state, limits, now)
    last, last_palm = state.joints[i], state.palm[i]
    known = usable(seen_joints, T)
    q = seen_joints.copy() if known else last.copy()
    age = now - seen
    if not 0.0 <= age <= limits.input_age + SAME:
        flags |= STALE_STATE
    if not known or not abs(age) <= limits.heartbeat:
        flags |= INVALID_STATE
    if not usable(joints, palm):
        flags |= INVALID_COMMAND
    if not 0.0 <= now - came <= limits.heartbeat:
        flags |= STALE_COMMAND
    good = flags & (INVALID_COMMAND | STALE_COMMAND | CLOCK) == 0
    _anchor(i, state, limits, good, known, q, T, now, came)
    if good and _jumps(i, state, limits, joints, palm):
        flags |= JUMP
    heat = state.load[i].max()
    if heat > 0.0:
        flags |= DERATED
    if heat > 1.0:
        flags |= OVERLOAD
    good = good and flags & (INVALID_STATE | JUMP | OVERLOAD) == 0
    if good:
        state.started[i] = True
        state.asked[i], state.asked_palm[i] = joints, palm
    else:
        joints[:], palm[:] = last, last_palm
    if _rests(i, state, limits, q, now):
        flags |= RELAXED
        joints[:] = state.rest[i]
    flags |= _bound_joints(joints, last, q, state.load[i], dt, flags & RELAXED > 0, limits)
    flags |= _bound_palm(palm, last_palm, dt, limits)
    flags |= _keep_clear(joints, palm, last, last_palm, q, v, body, limits)
    if state.estopped[i]:
        flags |= E_STOP
        joints[:], palm[:] = last, last_palm
    last[:], last_palm[:] = joints, palm
    if not good or state.estopped[i]:
        state.asked[i], state.asked_palm[i] = joints, palm
    return flags


@njit(cache=True)
def _jumps(i, state, limits, joints, palm):
    """Whether a command is a jump from the last targets sent, and from those last asked for.

    What is sent may be far behind a steady motion that is asked for: the limits see to that.
    """
    return _far(joints, palm, state.joints[i], state.palm[i], limits) and _far(
        joints, palm, state.asked[i], state.asked_palm[i], limits
    )


@njit(cache=True)
def _elapsed(i, state, limits, now):
    """CLOCK where time is wrong, and the seconds that targets may move for."""
    before = state.now[i]
    if not np.isfinite(now):
        return CLOCK, 0.0
    state.now[i] = now
    if now < before:
        return CLOCK, 0.0
    return 0, min(now - before, limits.longest_period) if np.isfinite(before) else 0.0


@njit(cache=True)
def _anchor(i, state, limits, good, known, q, T, now, came):
    """Find out what targets are in force where commands begin or an e-stop must hold.

    Whoever was silent may have left the hand to others: targets that the hand is far from
    are no longer in force, and where it is takes their place.
    """
    last, last_palm = state.joints[i], state.palm[i]
    stopping = state.estopped[i] and not state.frozen[i]
    silent = not abs(now - state.heard[i]) <= limits.heartbeat
    replaced = silent and (good or stopping) and _far(q, T, last, last_palm, limits)
    if known and not state.frozen[i] and (replaced or not state.started[i]):
        last[:] = np.minimum(np.maximum(q, limits.lower), limits.upper)
        last_palm[:] = T
        state.asked[i], state.asked_palm[i] = last, last_palm
    state.frozen[i] = state.estopped[i]
    if state.estopped[i]:
        state.started[i] = True
    if good:
        state.heard[i] = came
    elif state.estopped[i] or now < state.heard[i]:
        state.heard[i] = now


@njit(cache=True)
def _rests(i, state, limits, q, now):
    """Whether commands have been missing for so long that the fingers let go."""
    silence = now - state.heard[i]
    resting = state.started[i] and silence > limits.heartbeat + limits.relax_after
    if resting and not state.resting[i]:
        state.rest[i] = np.minimum(np.maximum(q, limits.lower), limits.upper)
    state.resting[i] = resting
    return resting


@njit(cache=True)
def _bound_joints(joints, last, q, load, dt, resting, limits):
    """Within limits of position, effort and speed, in this order: speed has the last word."""
    flags = 0
    for j in range(len(joints)):
        target = min(max(joints[j], limits.lower[j]), limits.upper[j])
        if target != joints[j]:
            flags |= JOINT_LIMIT
        hot = min(max(load[j], 0.0), 1.0)
        band = limits.band[j] * (1.0 - hot * (1.0 - limits.least_effort))
        eased = min(max(target, q[j] - band), q[j] + band)
        eased = min(max(eased, limits.lower[j]), limits.upper[j])
        if eased != target:
            flags |= EFFORT
        reach = (limits.relax_speed if resting else limits.speed[j]) * dt
        joints[j] = min(max(eased, last[j] - reach), last[j] + reach)
        if abs(joints[j] - eased) > SAME and not resting:
            flags |= JOINT_SPEED
    return flags


@njit(cache=True)
def _bound_palm(palm, last, dt, limits):
    """Within the workspace, or no farther out than it was, and within the speeds."""
    flags, square = 0, 0.0
    for k in range(3):
        low, high = min(limits.low[k], last[k, 3]), max(limits.high[k], last[k, 3])
        if not low <= palm[k, 3] <= high:
            flags |= WORKSPACE
            palm[k, 3] = min(max(palm[k, 3], low), high)
        square += (palm[k, 3] - last[k, 3]) ** 2
    step, reach = np.sqrt(square), limits.palm_speed * dt
    if step > reach + SAME:
        flags |= PALM_SPEED
        palm[:3, 3] = last[:3, 3] + (palm[:3, 3] - last[:3, 3]) * (reach / step)
    turn, reach = _angle(palm, last), limits.palm_turn_speed * dt
    if turn > reach + SAME:
        flags |= PALM_SPEED
        target = palm[:3, :3].copy()
        turn_part(last[:3, :3].copy(), target, reach / turn, palm[:3, :3])
    return flags


@njit(cache=True)
def _keep_clear(joints, palm, last, last_palm, q, v, body, limits):
    """Joints stay where fingers would meet, the palm where the hand would hit the table.

    Judged a short way ahead of where the joints are, farther for those that move: an object
    between the fingers keeps them from targets beyond it. What makes a fault smaller passes.
    """
    flags, allowed = 0, -limits.max_overlap
    reach = limits.look_ahead + limits.look_time * np.abs(v)
    placed, balls = np.empty((len(body.link), 3)), np.empty((len(body.parent), 3))
    place_spheres(body, _ahead(joints, q, reach), placed, balls)
    gap = self_gap(body, placed, balls, allowed)
    if gap < allowed:
        kept = np.empty((len(body.link), 3))
        place_spheres(body, _ahead(last, q, reach), kept, balls)
        if gap < self_gap(body, kept, balls, allowed) - SAME:
            flags |= SELF_COLLISION
            joints[:], placed = last, kept
    height = lowest_point(body, placed, palm)
    if height < limits.floor and height < lowest_point(body, placed, last_palm) - SAME:
        flags |= TABLE
        palm[:] = last_palm
    return flags


@njit(cache=True)
def _ahead(target, q, reach):
    ahead = target.copy()
    for j in range(len(q)):
        if abs(target[j] - q[j]) > reach[j]:  # never where the speed is unknown
            ahead[j] = q[j] + np.copysign(reach[j], target[j] - q[j])
    return ahead


@njit(cache=True)
def usable(joints, pose):
    """Whether joints (J,) and pose (4, 4) are finite and the pose's rotation is one."""
    return np.isfinite(joints).all() and np.isfinite(pose).all() and _rigid(pose)


@njit(cache=True)
def _rigid(pose):
    a, b, c = pose[0], pose[1], pose[2]
    for i in range(3):
        for j in range(3):
            product = pose[i, 0] * pose[j, 0] + pose[i, 1] * pose[j, 1] + pose[i, 2] * pose[j, 2]
            if not abs(product - (1.0 if i == j else 0.0)) < RIGID:
                return False
    first = (a[1] * b[2] - a[2] * b[1]) * c[0]
    second = (a[2] * b[0] - a[0] * b[2]) * c[1]
    return first + second + (a[0] * b[1] - a[1] * b[0]) * c[2] > 0.0


@njit(cache=True)
def _angle(first, second):
    """[rad] between two rotations; exact for small ones, unlike the trace's arc cosine."""
    square = 0.0
    for i in range(3):
        for j in range(3):
            square += (first[i, j] - second[i, j]) ** 2
    return 2.0 * np.arcsin(min(np.sqrt(square / 8.0), 1.0))


@njit(cache=True)
def _far(joints, palm, last, last_palm, limits):
    """Whether targets are more than a jump from the last ones."""
    square = 0.0
    for k in range(3):
        square += (palm[k, 3] - last_palm[k, 3]) ** 2
    far = np.abs(joints - last).max() > limits.joint_jump or np.sqrt(square) > limits.palm_jump
    return far or _angle(palm, last_palm) > limits.palm_turn_jump
