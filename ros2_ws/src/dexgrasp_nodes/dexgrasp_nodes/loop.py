"""Periodic work in a thread of its own, with statistics of how periodic it is."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

LONGEST_LAG = 0.05  # [s]; later than this a loop drops periods instead of catching up
SHORTEST = 0.5  # share of a period: a late command is never followed by a burst of them
STATISTICS_LENGTH = 2000
URGENT = -15  # niceness
PRIORITY = 10  # of real-time threads; the kernel's own have 50
THREAD_SWITCH = 1e-4  # [s]; how long other threads may keep an urgent loop waiting
PROFILE, REAL_TIME_PROFILE = "fastdds.xml", "fastdds_real_time.xml"  # in config/ros


def claim_urgency() -> None:
    """Put the calling thread, and those it starts, before others: root may, as may `ulimit -e`.

    Where it is refused, the niceness of the other nodes is what keeps the loop in time.
    """
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), URGENT)


def claim_real_time() -> None:
    """Put the calling thread before all that are not real-time: root may, as may `ulimit -r`.

    A kernel without preemption wakes an urgent thread at its next tick, 4 ms later at 250 Hz,
    but a real-time one at once. Only for a process without shared memory between it and others:
    Fast DDS spins for locks in there, and a real-time thread that spins for one keeps the
    ordinary thread that holds it from the core (seen: periods 80 ms late).
    """
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


def leave_shared_memory() -> None:
    """Let this process talk to others over UDP alone; call it before rclpy is initialised.

    Someone who has a Fast DDS profile of his own keeps it.
    """
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        path = Path(os.environ.get(name, ""))
        if path.name == PROFILE:
            os.environ[name] = str(path.with_name(REAL_TIME_PROFILE))


class Loop:
    """Calls `body` every `period` seconds of wall clock until stopped.

    An exception in the body goes to `on_error` and the loop goes on. A late loop catches up
    with shorter periods, never below `SHORTEST` of one, unless it is `LONGEST_LAG` late.
    urgent: before the other threads of the machine, where the system grants it.
    real_time: the same, and at once; see `claim_real_time` for who may.
    """

    def __init__(
        self,
        name: str,
        period: float,
        body: Callable[[], None],
        on_error: Callable[[Exception], None],
        urgent: bool = False,
        real_time: bool = False,
    ) -> None:
        self.period = period
        self._urgent, self._real_time = urgent or real_time, real_time
        self._body = body
        self._on_error = on_error
        self._starts: deque[float] = deque(maxlen=STATISTICS_LENGTH)
        self._work: deque[float] = deque(maxlen=STATISTICS_LENGTH)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._urgent:
            # A full collection of all that was imported holds Python's lock for 40 ms (measured).
            sys.setswitchinterval(THREAD_SWITCH)
            gc.collect()
            gc.freeze()
        self._thread.start()

    def stop(self) -> None:
        """End after the body that runs now; returns when it has."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        if self._urgent:
            claim_urgency()
        if self._real_time:
            claim_real_time()
        deadline = time.perf_counter()
        while not self._stop.is_set():
            started = time.perf_counter()
            self._starts.append(started)
            try:
                self._body()
            except Exception as error:
                self._on_error(error)
            self._work.append(time.perf_counter() - started)
            deadline += self.period
            now = time.perf_counter()
            if now - deadline > LONGEST_LAG:
                deadline = now
            wait = max(deadline, started + SHORTEST * self.period) - now
            if wait > 0.0:
                time.sleep(wait)

    def statistics(self) -> dict[str, float]:
        """`rate` [Hz]; 99th percentiles of the error of the last periods and of the work [ms]."""
        starts = np.array(self._starts)
        if len(starts) < 2:
            nan = float("nan")
            return {"rate": 0.0, "period_error_p99_ms": nan, "work_p99_ms": nan}
        periods = np.diff(starts)
        error = np.abs(periods - self.period)
        return {
            "rate": float(1.0 / periods.mean()),
            "period_error_p99_ms": float(1e3 * np.percentile(error, 99)),
            "work_p99_ms": float(1e3 * np.percentile(self._work, 99)),
        }
