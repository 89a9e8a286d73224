"""Each fault of a hand's bus or motors, in each state of the hand: what became of it.

Time is the emulator's, so that the speed of the machine decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dexgrasp.hardware import dynamixel as dxl
from dexgrasp.hardware.emulation import EmulatedAllegro, EmulatedLeap
from dexgrasp.hardware.emulation.rig import AllegroRig, LeapRig, run

SITUATIONS = ("idle", "moving", "in contact")
SAFE_AFTER = 0.1  # [s]
WATCHED = 0.6  # [s] for which the joints are watched then
SAMPLE = 0.02  # [s]
PATIENT = 0.03  # [s] of wall clock until an answer counts as lost
FASTER, RESTING = 0.1, 0.05  # [rad/s] joints may still become once safe, and have at the end
OVERLOAD, OVERHEATED = 1 << 5, 1 << 2
SILENCE = "host silent"
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
    "BUS-OFF": (lambda hand: hand.go_bus_off(), "BUS-OFF"),
    "hand too hot": (lambda hand: setattr(hand, "faults", 2), "too hot"),
    "internal fault": (lambda hand: setattr(hand, "faults", 4), "internal"),
}


@dataclass
class Outcome:
    """What a fault came to.

    safe: from `SAFE_AFTER` on nothing drove the joints, which came to rest, unless the hand
    obeys again; none went beyond its limits.  told: `words`, what the link said after
    `SAFE_AFTER`, were the right ones.  ended: `obeys` again, `latched`, or `searching`.
    """

    hand: str
    fault: str
    situation: str
    safe: bool = False
    told: bool = False
    ended: str = ""
    words: str = ""


def inject(hand: str, fault: str, situation: str) -> Outcome:
    """Try one fault of `LEAP_FAULTS` or `ALLEGRO_FAULTS` on `leap` or `allegro`."""
    changes = {"soft_start_speed": 3.0}
    if hand == "leap":
        rig: LeapRig | AllegroRig = LeapRig(changes | {"answer_timeout": PATIENT})
        break_it, words = LEAP_FAULTS[fault]
    else:
        rig = AllegroRig(changes=changes | {"grace": PATIENT})
        break_it, words = ALLEGRO_FAULTS[fault]
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
    break_it(rig.emulator)
    silent = outcome.fault == SILENCE
    go_on = rig.wait if silent else lambda duration: run(rig, goal, duration)
    go_on(SAFE_AFTER)
    told, speeds = rig.link.words, [_speed(rig)]
    for _ in range(round(WATCHED / SAMPLE)):
        go_on(SAMPLE)
        speeds.append(_speed(rig))
    if silent:  # a host that comes back is told what its silence has done
        run(rig, goal, SAFE_AFTER)
        told = rig.link.words
    inside = np.array_equal(rig.joints.position, rig.hand.clip(rig.joints.position))
    obeys = rig.link.connected and rig.link.fault is None
    outcome.ended = "latched" if rig.link.fault else "obeys" if obeys else "searching"
    at_rest = max(speeds) < speeds[0] + FASTER and speeds[-1] < RESTING
    outcome.safe = inside and (outcome.ended == "obeys" or at_rest)
    outcome.told, outcome.words = words in told, told
    return outcome


def _speed(rig: LeapRig | AllegroRig) -> float:
    return float(np.abs(rig.joints.velocity).max())
