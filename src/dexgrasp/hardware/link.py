"""A driver that is kept connected: lost packets are borne, a lost hand is found again."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from dexgrasp.hardware.config import LinkConfig
from dexgrasp.hardware.driver import (
    BusError,
    HandDriver,
    HandError,
    HandFaultError,
    HandState,
    RestartNeededError,
)
from dexgrasp.types import Array

STATISTICS_LENGTH = 2000


class HandLink:
    """One cycle is `write`, then `read`. Neither raises: `words` and `fault` say what is wrong.

    recoveries: how often a lost hand was found again.
    fault: latched until `clear`; commands are refused meanwhile and the hand holds.
    clock: of the driver's states [s].
    """

    def __init__(
        self,
        driver: HandDriver,
        config: LinkConfig,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.driver, self.config = driver, config
        self.fault: HandFaultError | None = None
        self.words = "not connected"
        self.sent: Array | None = None
        self.lost_reads = self.lost_commands = self.recoveries = 0
        self._clock = clock
        self._state: HandState | None = None
        self._blind = False
        self._retry_at, self._wait = -np.inf, config.back_off[0]
        self._connecting: threading.Thread | None = None
        self._times: deque[float] = deque(maxlen=STATISTICS_LENGTH)

    @property
    def state(self) -> HandState | None:
        """The newest state; None while the hand is lost."""
        return self._state

    @property
    def connected(self) -> bool:
        """Whether states come."""
        return self._state is not None

    def open(self) -> HandState:
        """Connect now. Raises what `HandDriver.connect` and `read` raise."""
        self.driver.connect()
        return self._welcome()

    def _welcome(self) -> HandState:
        state = self.driver.read()
        self._state, self._blind, self._wait = state, False, self.config.back_off[0]
        self.words = "connected"
        return state

    def write(self, target: Array) -> None:
        """Send `target` (J,) [rad], if the hand can be commanded; `sent` is what went out.

        After a reading that failed nothing new is sent: the hand holds until it is seen again.
        """
        if not self.connected or self.fault is not None or self._blind:
            return
        try:
            self.sent = self.driver.write(target)
        except HandFaultError as error:
            self._latch(error)
        except RestartNeededError as error:
            self._lose(error)
        except HandError as error:
            self.lost_commands += 1
            self.words = str(error)

    def read(self) -> HandState | None:
        """The newest state; None while the hand is lost. A lost one is searched in a thread."""
        if self._state is None:
            self._search()
            return None
        try:
            state = self._state = self.driver.read()
        except BusError as error:
            self.lost_reads += 1
            self._blind = True
            found = self.driver.fault
            if found is not None or self._clock() - self._state.time > self.config.patience:
                self._lose(found or error)
            return self._state
        self._blind = False
        self._times.append(time.perf_counter())
        fault = self.driver.fault
        if isinstance(fault, HandFaultError):
            self._latch(fault)
        elif fault is not None:
            self._lose(fault)
            return None
        elif self.fault is None:
            self.words = "connected"
        return state

    def clear(self) -> None:
        """Forget a latched fault and start the hand anew. Raises BusError."""
        if self.fault is None:
            return
        self.driver.disconnect()
        self.driver.clear_fault()
        self.fault, self._state, self._retry_at = None, None, -np.inf
        self.words = "starting anew"

    def close(self) -> None:
        """Make the hand limp and let go of it."""
        if self._connecting is not None:
            self._connecting.join()
        self.driver.disconnect()
        self._state = None

    def _latch(self, error: HandFaultError) -> None:
        """Keep the first fault: the same one is found again and again until it is cleared."""
        if self.fault is None:
            self.fault, self.words = error, str(error)

    def _lose(self, error: HandError) -> None:
        self.driver.abandon()
        self._state = None
        self._put_off(error)

    def _put_off(self, error: HandError) -> None:
        self.words = str(error)
        self._retry_at = self._clock() + self._wait
        self._wait = min(2.0 * self._wait, self.config.back_off[1])

    def _search(self) -> None:
        if self._connecting is not None and self._connecting.is_alive():
            return
        self.driver.abandon()
        if self.fault is not None or self._clock() < self._retry_at:
            return
        self._connecting = threading.Thread(target=self._connect, name="hand", daemon=True)
        self._connecting.start()

    def _connect(self) -> None:
        try:
            self.driver.connect()
            self._welcome()
            self.recoveries += 1
        except HandFaultError as error:
            self._latch(error)
        except HandError as error:
            self.driver.abandon()
            self._put_off(error)

    def figures(self) -> dict[str, float]:
        """Figures for diagnostics: rates [Hz], period error [ms], losses, motors."""
        figures: dict[str, float] = {
            "recoveries": self.recoveries,
            "lost_reads": self.lost_reads,
            "lost_commands": self.lost_commands,
        }
        periods = np.diff(np.array(self._times))
        if len(periods):
            error = np.abs(periods - self.driver.period)
            figures["read_rate"] = float(1.0 / periods.mean())
            figures["read_period_error_p99_ms"] = float(1e3 * np.percentile(error, 99))
        if self._state is not None:
            figures["hottest_motor_c"] = float(np.max(self._state.temperature))
            figures["strongest_current_a"] = float(np.max(self._state.current))
            figures["lowest_voltage_v"] = float(np.min(self._state.voltage))
        return figures
