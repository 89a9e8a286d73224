"""Each fault of a hand's bus or motors, in each state of the hand: what became of it.

Time is the emulator's, so that the speed of the machine decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dexgrasp.hardware import dynamixel as dxl
from dexgrasp.hardware.emulation import EmulatedAllegro, EmulatedLeap
from dexgrasp.hardware.emulation.rig import AllegroRig, LeapRig, run
from dexgrasp.types import Array

SITUATIONS = ("idle", "moving", "in contact")
SAFE_AFTER = 0.1  # [s]
WATCHED = 0.6  # [s] for which the joints are watched then
SAMPLE = 0.02  # [s]
STARTING = 1.0  # [s] of wall clock until an answer counts as lost while the hand is connected
PATIENT = 0.03  # [s] the same later
RESTING = 0.05  # [rad/s] joints may have at the end
HOLD = 0.1  # [rad] within which a joint stays that its motor holds
TICK, UNIT = 0.001, 0.001  # [rad], [Nm] of what a bus rounds
OVERLOAD, OVERHEATED = 1 << 5, 1 << 2
SILENCE, FOR_GOOD = "host silent", "BUS-OFF for good"
RESTART = 0.02  # [s], restart-ms of the adapter
LEAP_FAULTS: dict[str, tuple[Callable[[EmulatedLeap], object], str]] = {
    "power loss": (lambda hand: hand.switch_power(False), "read of address"),
    "every answer lost": (lambda hand: setattr(hand.line.faults, "lose", -1), "read of address"),
    "every answer damaged": (
        lambda hand: setattr(hand.line.faults, "damage", -1), "read of address",
    ),
    "two answers lost": (lambda hand: setattr(hand.line.faults, "lose", 2), "connected"),
    "overload of a motor": (lambda hand: hand.motors.fail(2, OVERLOAD), "overload"),
    "a motor too hot": (lambda hand: hand.motors.fail(2, OVERHEATED), "overheating"),
    "reboot of a motor": (lambda hand: hand.motors.reboot(2), "lost their torque"),
    "a motor changes its id": (lambda hand: hand.motors.set(dxl.ID, 60, 2), "read of address"),
    SILENCE: (lambda hand: None, "heard nothing"),
}  # fmt: skip
ALLEGRO_FAULTS: dict[str, tuple[Callable[[EmulatedAllegro], object], str]] = {
    "power loss": (lambda hand: hand.switch_power(False), "stopped coming"),
    "positions stop": (lambda hand: setattr(hand, "stale", True), "stopped coming"),
    "BUS-OFF, adapter restarts": (lambda hand: hand.go_bus_off(RESTART), "BUS-OFF"),
    FOR_GOOD: (lambda hand: hand.go_bus_off(), "BUS-OFF"),
    "servos off": (lambda hand: setattr(hand, "servos", False), "servos are off"),
    "hand too hot": (lambda hand: setattr(hand, "faults", 2), "too hot"),
    "internal fault": (lambda hand: setattr(hand, "faults", 4), "internal"),
}


FAULTS: Mapping[str, Mapping[str, tuple[Callable, str]]] = {
    "leap": LEAP_FAULTS,
    "allegro_v4": ALLEGRO_FAULTS,
    "allegro_v5": ALLEGRO_FAULTS,
}


@dataclass
class Outcome:
    """What a fault came to.

    safe: from `SAFE_AFTER` on every motor is limp, or its own goal stands and its joint stays
    within `HOLD` of where it was then, unless the hand obeys again; and all came to rest, unless
    it does. Motors that know only torques must be limp: a constant torque holds nothing.
    inside: at no time a command, torque or joint was beyond its limits.  told: `words`, what the
    link said after `SAFE_AFTER`, were the right ones.  ended: `obeys` again, `latched`, or
    `searching`.
    """

    hand: str
    fault: str
    situation: str
    safe: bool = False
    inside: bool = False
    told: bool = False
    ended: str = ""
    words: str = ""


def inject(hand: str, fault: str, situation: str) -> Outcome:
    """Try one of the `FAULTS` of a hand."""
    changes = {"soft_start_speed": 3.0}
    if hand == "leap":
        rig: LeapRig | AllegroRig = LeapRig(changes)
    else:
        rig = AllegroRig(int(hand[-1]), changes | {"grace": STARTING})
    break_it, words = FAULTS[hand][fault]
    try:
        rig.link.open()
        return _watch(rig, Outcome(hand, fault, situation), break_it, words)
    finally:
        rig.close()


def _watch(rig: LeapRig | AllegroRig, outcome: Outcome, break_it: Callable, words: str) -> Outcome:
    moving, touching = outcome.situation == "moving", outcome.situation == "in contact"
    rig.joints.blocked[:] = touching
    goal = rig.hand.postures["open" if outcome.situation == "idle" else "power"]
    run(rig, goal, 0.12 if moving else 0.4)
    rig.hurry(PATIENT)
    break_it(rig.emulator)
    silent = outcome.fault == SILENCE
    go_on = rig.wait if silent else lambda duration: run(rig, goal, duration)
    inside = [_inside(rig)]
    for _ in range(round(SAFE_AFTER / SAMPLE)):
        go_on(SAMPLE)
        inside.append(_inside(rig))
    told, place, held = rig.link.words, rig.joints.position.copy(), _goal(rig)
    safe = [_harmless(rig, place, held, silent)]
    for _ in range(round(WATCHED / SAMPLE)):
        go_on(SAMPLE)
        safe.append(_harmless(rig, place, held, silent))
        inside.append(_inside(rig))
    obeys = _obeys(rig) and not silent
    at_rest = obeys or bool(np.abs(rig.joints.velocity).max() < RESTING)
    if silent:  # a host that comes back is told what its silence has done
        run(rig, goal, SAFE_AFTER)
        told = rig.link.words
    outcome.ended = "latched" if rig.link.fault else "obeys" if _obeys(rig) else "searching"
    outcome.safe, outcome.inside = all(safe) and at_rest, all(inside)
    outcome.told, outcome.words = words in told, told
    return outcome


def _obeys(rig: LeapRig | AllegroRig) -> bool:
    return rig.link.connected and rig.link.fault is None and rig.driver.fault is None


def _goal(rig: LeapRig | AllegroRig) -> Array | None:
    """(J,) [rad] that motors hold by themselves; None for those that know only torques."""
    return rig.emulator.goal if isinstance(rig, LeapRig) else None


def _harmless(rig: LeapRig | AllegroRig, place: Array, held: Array | None, silent: bool) -> bool:
    """Whether the hand obeys, or each motor is limp, or keeps its joint near `place`."""
    joints = rig.joints  # brings the torques up to date, too
    fine = np.abs(rig.emulator.torque) <= joints.friction
    goal = _goal(rig)
    if goal is not None and held is not None:
        fine |= (goal == held) & (np.abs(joints.position - place) < HOLD)
    return bool(fine.all()) or (_obeys(rig) and not silent)


def _inside(rig: LeapRig | AllegroRig) -> bool:
    """Whether joints, goals and torques are within their limits."""
    position, goal = rig.joints.position, _goal(rig)
    angles = [position] if goal is None else [position, goal]
    lower, upper = rig.hand.joint_lower - TICK, rig.hand.joint_upper + TICK
    return bool(
        all(((lower <= angle) & (angle <= upper)).all() for angle in angles)
        and (np.abs(rig.emulator.torque) <= rig.strongest + UNIT).all()
    )
