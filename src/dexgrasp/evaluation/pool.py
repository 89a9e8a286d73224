"""Jobs spread over processes of one thread each, robust against a process that dies."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from dexgrasp.errors import BackendError

Job = TypeVar("Job")
Result = TypeVar("Result")
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
ATTEMPTS = 3


def in_processes(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    processes: int,
    warm_up: tuple[Job, ...] = (),
) -> Iterator[tuple[int, Result]]:
    """Yield (index of the job, result) as they end.

    warm_up: jobs that every process runs once before it begins. Jobs that were lost with a
    process are run again; a pool that dies three times raises BackendError.
    """
    remaining = dict(enumerate(jobs))
    for attempt in range(ATTEMPTS):
        try:
            for index, result in _run(function, remaining, processes, warm_up):
                del remaining[index]
                yield index, result
            return
        except BrokenProcessPool as error:
            if attempt + 1 == ATTEMPTS:
                raise BackendError(
                    f"worker processes died {ATTEMPTS} times; {len(remaining)} of {len(jobs)} "
                    "jobs are left: out of memory, or a crash in native code"
                ) from error


def _run(
    function: Callable[[Job], Result],
    jobs: dict[int, Job],
    processes: int,
    warm_up: tuple[Job, ...],
) -> Iterator[tuple[int, Result]]:
    context = multiprocessing.get_context("spawn")
    with (
        _one_thread_each(),
        ProcessPoolExecutor(processes, context, _each, (function, warm_up)) as pool,
    ):
        futures = {pool.submit(function, job): index for index, job in jobs.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _each(function: Callable[[Job], object], jobs: tuple[Job, ...]) -> None:
    for job in jobs:
        function(job)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started inside use one thread each: they already share the cores."""
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
