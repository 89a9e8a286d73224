"""What a hand's servos are, from how they move: stiffness, damping, friction, inertia, delay.

Each joint is taken for one servo: torque = stiffness (goal(t - delay) - q) - damping v, and
inertia dv/dt = torque - friction sign(v). Both are linear in what is sought, given the delay and
the effort that the hand reports; so the fit is two linear regressions, the first of them for
each delay in question. Fingers must be free, and the limit of effort must not be met.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import yaml

from dexgrasp.hands import HandModel
from dexgrasp.hardware.driver import HandError, HandState
from dexgrasp.hardware.link import HandLink
from dexgrasp.types import Array

STEP, SWING = 0.05, 0.07  # [rad] of the steps and the sines
STEP_COUNT, STEP_TIME = 6, 0.3  # [s] between two steps
SINES = (1.0, 2.0, 3.5)  # [Hz]
SINE_TIME = 1.5  # [s] of each
DELAYS = np.arange(0.0, 0.05, 0.001)  # [s] in question
DITHER = 0.25  # of a period by which cycles vary: equal ones hide a delay's fractions of them
WINDOW = 0.04  # [s] over which momentum is compared
MOVING = 0.1  # [rad/s] below which the sign of a velocity is uncertain
SATURATED = 0.95  # of the strongest effort: what lies above is left out
FEWEST = 20  # windows in which a joint must move


@dataclass(frozen=True)
class Recording:
    """Cycles of a hand: time (n,) [s]; goal, position [rad], velocity [rad/s], effort [Nm] (n, J).

    A goal is what was sent at the begin of its cycle, the rest was read at `time`, its end;
    `sent` (n,) is the begin [s].
    """

    sent: Array
    time: Array
    goal: Array
    position: Array
    velocity: Array
    effort: Array


@dataclass(frozen=True)
class Servos:
    """Of each joint (J,): stiffness [Nm/rad], damping [Nm s/rad], friction [Nm], inertia [kg m2],
    delay [s] of a goal."""

    stiffness: Array
    damping: Array
    friction: Array
    inertia: Array
    delay: Array


def excitation(middle: Array) -> Callable[[float], Array | None]:
    """Targets (J,) [rad] by time [s]: steps, then sines about `middle`; None at the end.

    Neighbours move in opposite phase, which keeps the fingers apart.
    """
    sign = np.where(np.arange(len(middle)) % 2, 1.0, -1.0)
    steps = STEP_COUNT * STEP_TIME
    end = steps + len(SINES) * SINE_TIME

    def target(elapsed: float) -> Array | None:
        if elapsed >= end:
            return None
        if elapsed < steps:
            return middle + sign * STEP * (int(elapsed / STEP_TIME) % 2)
        frequency = SINES[int((elapsed - steps) / SINE_TIME)]
        return middle + sign * SWING * np.sin(2.0 * np.pi * frequency * (elapsed - steps))

    return target


def ramp(start: Array, end: Array, speed: float) -> Callable[[float], Array | None]:
    """Targets from `start` to `end` (J,) [rad], the farthest joint at `speed` [rad/s]."""
    duration = max(float(np.abs(end - start).max()) / speed, 1e-9)

    def target(elapsed: float) -> Array | None:
        return None if elapsed > duration else start + (end - start) * elapsed / duration

    return target


def record(
    link: HandLink,
    target: Callable[[float], Array | None],
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Recording:
    """Move a connected hand along `target`. Raises HandError when it is lost or in fault."""
    rows: list[tuple[float, Array, HandState]] = []
    rng = np.random.default_rng(0)
    begin = clock()
    while (goal := target(clock() - begin)) is not None:
        sent = clock()
        link.write(goal)
        period = link.driver.period * (1.0 + DITHER * rng.uniform(-1.0, 1.0))
        wait(max(0.0, period - (clock() - sent)))
        state = link.read()
        if state is None or link.fault is not None or link.sent is None:
            raise HandError(f"the recording ended: {link.words}")
        rows.append((sent - begin, link.sent, state))
    times = np.array([state.time for *_, state in rows]) - begin
    columns = [np.array([getattr(s, name) for *_, s in rows])
               for name in ("position", "velocity", "effort")]  # fmt: skip
    return Recording(
        np.array([sent for sent, *_ in rows]), times, np.array([g for _, g, _ in rows]), *columns
    )


def fit(recording: Recording) -> Servos:
    """The servos that explain a recording best. Raises HandError for joints that did not move."""
    joints = recording.goal.shape[1]
    columns = [(*_fit_servo(recording, j), *_fit_body(recording, j)) for j in range(joints)]
    stiffness, damping, delay, friction, inertia = np.array(columns).T
    return Servos(stiffness, damping, friction, inertia, delay)


def _fit_servo(r: Recording, j: int) -> tuple[float, float, float]:
    """Stiffness, damping and delay of joint `j`: the delay whose regression leaves least."""
    effort = r.effort[:, j]
    use = np.abs(effort) <= SATURATED * np.abs(effort).max()
    best = (np.inf, 0.0, 0.0, 0.0)
    for delay in DELAYS:
        acting = np.searchsorted(r.sent, r.time - delay, side="right") - 1
        known = use & (acting >= 0)
        pull = r.goal[acting, j] - r.position[:, j]
        sides = np.stack([pull, -r.velocity[:, j]], axis=1)[known]
        found, *_ = np.linalg.lstsq(sides, effort[known], rcond=None)
        left = float(np.mean((sides @ found - effort[known]) ** 2))
        best = min(best, (left, *found.tolist(), float(delay)))
    return best[1], best[2], best[3]


def _fit_body(r: Recording, j: int) -> tuple[float, float]:
    """Friction and inertia of joint `j`, by momentum over windows of one direction."""
    velocity, effort = r.velocity[:, j], r.effort[:, j]
    middle = 0.5 * (effort[1:] + effort[:-1])
    impulse = np.concatenate([[0.0], np.cumsum(middle * np.diff(r.time))])
    length = max(2, round(WINDOW / float(np.median(np.diff(r.time)))))
    starts = np.arange(0, len(velocity) - length)
    windows = starts[:, None] + np.arange(length + 1)
    one_way = np.abs(np.sign(velocity[windows]).sum(axis=1)) == length + 1
    use = starts[one_way & (np.abs(velocity[windows]).min(axis=1) > MOVING)]
    if len(use) < FEWEST:
        raise HandError(f"joint {j} hardly moved: free the finger, or let it move farther")
    end = use + length
    sides = np.stack(
        [velocity[end] - velocity[use], (r.time[end] - r.time[use]) * np.sign(velocity[use])],
        axis=1,
    )
    (inertia, friction), *_ = np.linalg.lstsq(sides, impulse[end] - impulse[use], rcond=None)
    return float(friction), float(inertia)


def simulate(servos: Servos, recording: Recording, limit: Array) -> Array:
    """(n, J) positions [rad] that these servos would have had, with efforts up to `limit` (J,)."""
    r, step = recording, 0.0005
    position, velocity = r.position[0].copy(), r.velocity[0].copy()
    result, now = np.empty_like(r.position), r.time[0]
    for i, until in enumerate(r.time):
        while now < until - 1e-9:
            acting = np.searchsorted(r.sent, now - servos.delay, side="right") - 1
            goal = r.goal[np.maximum(acting, 0), np.arange(len(position))]
            torque = servos.stiffness * (goal - position) - servos.damping * velocity
            free = velocity + step * torque.clip(-limit, limit) / servos.inertia
            stopping = step * servos.friction / servos.inertia
            velocity = np.sign(free) * np.maximum(np.abs(free) - stopping, 0.0)
            position = position + step * velocity
            now += step
        result[i] = position
    return result


def actuators_yaml(servos: Servos, hand: HandModel, link_inertia: float) -> str:
    """The `actuators` of `config/hands`: armature is what the links do not explain.

    link_inertia: of what a joint carries besides its rotor, on average [kg m2].
    """
    armature = np.maximum(servos.inertia - link_inertia, 1e-5)
    figures = {
        "stiffness": servos.stiffness, "damping": servos.damping, "armature": armature,
        "friction": servos.friction,
    }  # fmt: skip
    rounded = {name: [float(f"{v:.4g}") for v in values] for name, values in figures.items()}
    head = f"# {hand.name}, by dexgrasp sysid; delay {1e3 * np.median(servos.delay):.1f} ms.\n"
    return head + yaml.safe_dump({"actuators": rounded}, default_flow_style=None, width=1000)
