"""What the stack expects of a hand's driver, whatever its bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dexgrasp.errors import BackendError
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

CLOSE = 0.05  # [rad]


class HandError(BackendError):
    """A real or emulated hand does not do what it should; the message has the remedy."""


class BusError(HandError):
    """One exchange failed: nothing came, or something damaged. The next may succeed."""


class RestartNeededError(HandError):
    """The hand no longer obeys, but nothing is broken: connecting anew mends it."""


class HandFaultError(HandError):
    """The hand shut itself down; it stays so until somebody clears the fault on purpose."""


@dataclass(frozen=True)
class HandState:
    """One reading of a hand with J joints in the canonical order.

    time: of the reading, on the driver's clock [s].  position [rad], velocity [rad/s],
    effort [Nm]: (J,).  current [A], temperature [C], voltage [V]: (J,), the newest known;
    NaN where the hand does not tell.
    """

    time: float
    position: Array
    velocity: Array
    effort: Array
    current: Array
    temperature: Array
    voltage: Array


class HandDriver(Protocol):
    """One hand on its bus. Calls come from one thread at a time.

    period: between two cycles of `write` and `read` [s].
    fault: what keeps the hand from obeying, as found by `read`; None while it obeys.
    """

    hand: HandModel
    period: float
    fault: HandError | None

    def connect(self) -> None:
        """Open the bus, check and configure the hand, and hold it where it is.

        Raises BusError when it cannot be reached, HandFaultError when it reports a fault, and
        HandError when it is not what the configuration says. The bus is closed then.
        """
        ...

    def read(self) -> HandState:
        """The newest state. Raises BusError when none came."""
        ...

    def write(self, target: Array) -> Array:
        """Drive to `target` (J,) [rad]; returns what was sent after limits and soft start.

        Raises `fault` while there is one, HandError before the first full read, after `relax`
        and for a target that is not finite, and BusError.
        """
        ...

    def relax(self) -> None:
        """Let the fingers go limp while `read` goes on; only `connect` ends it. Raises BusError."""
        ...

    def disconnect(self) -> None:
        """Make the hand limp, as far as it can be reached, and close the bus; never raises."""
        ...

    def abandon(self) -> None:
        """Let a hand that is lost hold, if it can by itself, else go limp; never raises.

        Called again and again until the hand is found: what is said now may be lost, too.
        """
        ...

    def clear_fault(self) -> None:
        """Ask the hand to forget its fault; `connect` comes next. Raises BusError."""
        ...


class SoftStart:
    """Lets targets leave `position` (J,) [rad] at `step` [rad] per call, no faster.

    It ends when it has come within `CLOSE` of a target; who commands has limits of his own then.
    begun: whether there was a target; until then the position should be that of the last reading.
    """

    def __init__(self, position: Array, step: float) -> None:
        self.begun = False
        self._last, self._step, self._over = position.copy(), step, False

    def limit(self, target: Array) -> Array:
        """What to send instead of `target` (J,) [rad]."""
        self.begun = True
        if self._over:
            return target
        move = target - self._last
        self._last = self._last + move.clip(-self._step, self._step)
        self._over = bool((abs(target - self._last) <= CLOSE).all())
        return self._last.copy()


def admitted(
    hand: HandModel, target: Array, start: SoftStart | None, fault: HandError | None
) -> Array:
    """(J,) [rad] what may be sent for `target`; raises what `HandDriver.write` does.

    start: of the first full read, None before it and while the hand is meant to be limp.
    """
    if fault is not None:
        raise fault
    if start is None:
        raise HandError("a command before the first full read, or to a limp hand, was refused")
    if not np.isfinite(target).all():
        raise HandError("a target that is not finite was refused")
    return start.limit(hand.clip(np.asarray(target, dtype=float)))
