"""One joint of a hand at a time, and only while somebody keeps asking for it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.hardware.driver import HandError, HandState
from dexgrasp.hardware.link import HandLink
from dexgrasp.types import Array

SELECT = {"n": 1, "p": -1}
MOVE = {"+": 1.0, "=": 1.0, "-": -1.0}  # "=" is "+" without the shift key
END = "q"
LEAD = 0.1  # [rad] a target may be ahead of its joint: one that is blocked is not pressed harder


class Jog:
    """Targets of a hand; one joint moves while its key keeps coming, and all others hold.

    position: (J,) [rad] where the hand is found.  speed [rad/s].  deadman: how long a key
    lasts [s].  joint: index of the one that moves.
    """

    def __init__(self, hand: HandModel, position: Array, speed: float, deadman: float) -> None:
        self.hand, self.joint = hand, 0
        self._speed, self._deadman = speed, deadman
        self._target = hand.clip(position)
        self._way, self._until = 0.0, -np.inf
        self._time: float | None = None

    def press(self, key: str, now: float) -> None:
        """Take a key at `now` [s]. One that means nothing holds the hand, as a new joint does."""
        self._way, self._until = MOVE.get(key, 0.0), now + self._deadman
        self.joint = (self.joint + SELECT.get(key, 0)) % self.hand.joint_count

    def target(self, now: float, position: Array) -> Array:
        """(J,) [rad] to send at `now` [s] to a hand at `position` (J,) [rad]."""
        began, self._time, j = self._time, now, self.joint
        lasted = 0.0 if began is None else max(0.0, min(now, self._until) - began)
        wanted = self._target.copy()
        if self._way and lasted:
            wanted[j] += self._way * self._speed * lasted
            wanted[j] = np.clip(wanted[j], position[j] - LEAD, position[j] + LEAD)
        self._target = self.hand.clip(wanted)
        return self._target

    def words(self, state: HandState) -> str:
        """The joint in question, for the operator."""
        j, hand = self.joint, self.hand
        low, high = hand.joint_lower[j], hand.joint_upper[j]
        end = "  at its limit" if self._way and self._target[j] in (low, high) else ""
        return (
            f"{hand.joint_names[j]:10} {state.position[j]:+.3f} rad of {low:+.2f} to {high:+.2f}  "
            f"target {self._target[j]:+.3f}  {state.effort[j]:+.3f} Nm{end}"
        )


def run_jog(
    link: HandLink,
    jog: Jog,
    keys: Callable[[], str | None],
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Jog a connected hand until `END`, or until there is nobody who could press a key.

    keys: those that came since the last call, None at the end.  say: called once a cycle.
    Raises HandError when the hand is lost or in fault.
    """
    state = link.state
    while state is not None and link.fault is None:
        began, pressed = clock(), keys()
        if pressed is None or END in pressed:
            return
        for key in pressed:
            jog.press(key, began)
        link.write(jog.target(began, state.position))
        wait(max(0.0, link.driver.period - (clock() - began)))
        state = link.read()
        if state is not None:
            say(jog.words(state))
    raise HandError(f"jogging ended: {link.words}")
