"""Periodic work in a thread of its own, with statistics of how periodic it is."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

LONGEST_LAG = 0.05  # [s]; later than this a loop drops periods instead of catching up
STATISTICS_LENGTH = 2000


class Loop:
    """Calls `body` every `period` seconds of wall clock until stopped.

    An exception in the body goes to `on_error` and the loop goes on. A late loop runs
    without sleeping until it has caught up, unless it is more than `LONGEST_LAG` late.
    """

    def __init__(
        self,
        name: str,
        period: float,
        body: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self.period = period
        self._body = body
        self._on_error = on_error
        self._starts: deque[float] = deque(maxlen=STATISTICS_LENGTH)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the body that runs now; returns when it has."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        deadline = time.perf_counter()
        while not self._stop.is_set():
            self._starts.append(time.perf_counter())
            try:
                self._body()
            except Exception as error:
                self._on_error(error)
            deadline += self.period
            now = time.perf_counter()
            if now < deadline:
                time.sleep(deadline - now)
            elif now - deadline > LONGEST_LAG:
                deadline = now

    def statistics(self) -> dict[str, float]:
        """`rate` [Hz] and the 99th percentile of the period error [ms] of the last periods."""
        starts = np.array(self._starts)
        if len(starts) < 2:
            return {"rate": 0.0, "period_error_p99_ms": float("nan")}
        periods = np.diff(starts)
        error = np.abs(periods - self.period)
        return {
            "rate": float(1.0 / periods.mean()),
            "period_error_p99_ms": float(1e3 * np.percentile(error, 99)),
        }
