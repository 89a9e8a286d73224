"""A hand's joints compared with their description, by hand; its free motion, by itself.

By hand: fingers are limp, and the operator moves one joint after the other from end to end.
Which one moves shows the order, which way it moves the sign, and the middle of its way the zero,
provided that its way is as long as its limits say.
By itself: all joints sweep to and fro at several speeds, fingers free.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.hands.calibration import REVERSAL
from dexgrasp.hardware.driver import HandError
from dexgrasp.hardware.link import HandLink
from dexgrasp.hardware.sysid import Recording
from dexgrasp.types import Array

SWEEP = 0.1  # [rad] to both sides
SWEEPS = ((0.15, 1), (0.3, 2), (0.6, 3))  # [rad/s], times to and fro
STEADY = 0.25  # of the wanted speed: a joint that is farther from it accelerates
FEWEST = 40  # steady cycles that a joint needs in each direction
LEAST_SPREAD = 1e-4  # [Nm]; an emulated hand has next to none
SLACK = 0.15  # [rad] by which the way of a joint may differ from its limits, for a zero to count
ENTER = "\n"


@dataclass(frozen=True)
class Zero:
    """zero: of one joint [rad], 0 where unknown.  way: from end to end [rad].  words: or why."""

    zero: float
    way: float
    words: str


def motion_words(hand: HandModel, joint: int, sign: float) -> str:
    """Where the tip goes when `joint` turns by a positive (`sign` 1) or negative (-1) angle."""
    q = hand.postures["open"][None]
    tips = hand.fingertips(q)
    finger = int(np.argmax(hand.finger_joint_mask[:, joint]))
    along, _, out = hand.T_palm_grasp[:3, :3].T
    first, last = hand.finger_names[0], hand.finger_names[-2]
    side = tips[0, 0] - tips[0, -2]
    way = sign * hand.contact_jacobians(q, tips)[0, finger, :, joint]
    shares = (way @ out, way @ along, way @ side / np.linalg.norm(side))
    names = (
        ("towards what the hand would hold", "back, away from what it would hold"),
        ("along the stretched fingers", "back to the wrist"),
        (f"to the {first} finger's side", f"to the {last} finger's side"),
    )
    axis = int(np.argmax(np.abs(shares)))
    return names[axis][0 if shares[axis] > 0.0 else 1]


def guide(
    link: HandLink,
    keys: Callable[[], str | None],
    say: Callable[[str], None],
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[Zero]:
    """Let the operator move the joints of a connected hand, which goes limp; its zeros in turn.

    keys: as of `run_jog`.  Raises HandError for joints in another order or of another sign.
    """
    link.driver.relax()
    hand = link.driver.hand
    for j, name in enumerate(hand.joint_names):
        finger = hand.finger_names[int(np.argmax(hand.finger_joint_mask[:, j]))]
        say(f"{name} ({finger}): move it {motion_words(hand, j, 1.0)}, to its end; then Enter")
        upper = _when_entered(link, keys, wait)
        say(f"{name}: now {motion_words(hand, j, -1.0)}, to its end; then Enter")
        yield _judge(hand, j, upper - _when_entered(link, keys, wait), upper)


def _when_entered(
    link: HandLink, keys: Callable[[], str | None], wait: Callable[[float], None]
) -> Array:
    """(J,) [rad] where the joints are when Enter comes."""
    while True:
        typed = keys()
        wait(link.driver.period)
        state = link.read()
        if state is None or link.fault is not None:
            raise HandError(f"the calibration ended: {link.words}")
        if typed is None:
            raise HandError("the calibration ended: nobody is there to press Enter")
        if ENTER in typed:
            return state.position


def _judge(hand: HandModel, j: int, way: Array, upper: Array) -> Zero:
    """What the way (J,) from the lower to the upper end of joint `j` shows."""
    name, moved = hand.joint_names[j], int(np.argmax(np.abs(way)))
    if moved != j:
        raise HandError(
            f"{hand.joint_names[moved]} moved by {abs(way[moved]):.2f} rad instead of {name}: "
            "correct the bus's joints in orders of config/hands, or the motors' ids"
        )
    if way[j] < 0.0:
        raise HandError(
            f"{name} turns the other way round: give it sign -1 in orders of config/hands"
        )
    span = hand.joint_upper[j] - hand.joint_lower[j]
    if abs(way[j] - span) > SLACK:
        words = f"went {way[j]:.2f} rad, its limits are {span:.2f} apart: zero not judged"
        return Zero(0.0, float(way[j]), words)
    middle = upper[j] - 0.5 * way[j]
    zero = middle - 0.5 * (hand.joint_upper[j] + hand.joint_lower[j])
    return Zero(float(zero), float(way[j]), f"zero {zero:+.3f} rad")


def sweep(middle: Array) -> Callable[[float], Array | None]:
    """Targets (J,) [rad] by time [s] to and fro about `middle`, at each speed of `SWEEPS`.

    Neighbours move in opposite phase, which keeps the fingers apart.
    """
    sign = np.where(np.arange(len(middle)) % 2, 1.0, -1.0)

    def target(elapsed: float) -> Array | None:
        for speed, times in SWEEPS:
            period = 4.0 * SWEEP / speed
            if elapsed < times * period:
                phase = (elapsed / period + 0.25) % 1.0
                return middle + sign * SWEEP * (4.0 * abs(phase - 0.5) - 1.0)
            elapsed -= times * period
        return None

    return target


def free_motion(recording: Recording) -> dict[str, Array]:
    """`offset`, `friction`, `drag`, `spread` of `JointCalibration`, (J,) each.

    A regression over steady motion; the spread is that of all of it, turns included, because
    contacts are told from turns as well. Raises HandError for joints that did not move.
    """
    speed = np.gradient(recording.goal, recording.sent, axis=0)
    v, effort = recording.velocity, recording.effort
    steady = np.abs(v - speed) < STEADY * np.abs(speed)
    columns = []
    for j in range(v.shape[1]):
        rows = steady[:, j]
        if min((rows & (v[:, j] > 0)).sum(), (rows & (v[:, j] < 0)).sum()) < FEWEST:
            raise HandError(f"joint {j} did not follow: free the finger, raise its current limit")
        terms = np.stack([np.ones(len(v)), np.tanh(v[:, j] / REVERSAL), v[:, j]], axis=1)
        weights, *_ = np.linalg.lstsq(terms[rows], effort[rows, j], rcond=None)
        spread = np.std(effort[:, j] - terms @ weights)
        columns.append((*weights, max(float(spread), LEAST_SPREAD)))
    names = ("offset", "friction", "drag", "spread")
    return dict(zip(names, np.array(columns).T, strict=True))
