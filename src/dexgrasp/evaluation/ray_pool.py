"""Jobs spread over a Ray cluster, as `pool` spreads them over processes."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from dexgrasp.errors import BackendError
from dexgrasp.evaluation.pool import ATTEMPTS, THREAD_LIMITS

Job = TypeVar("Job")
Result = TypeVar("Result")
LOCAL = "local"
ANSWER = 5.0  # [s]


def in_ray(
    function: Callable[[Job], Result], jobs: Sequence[Job], address: str, processes: int
) -> Iterator[tuple[int, Result]]:
    """Yield (index of the job, result) as they end; each job takes one core.

    address: of an existing cluster, `auto`, or `local` for one of `processes` workers on this
    machine. Its nodes need the same files at the same paths. Jobs of a worker that dies are run
    again, at most three times in all. Raises BackendError where Ray is not installed, the
    cluster does not answer, or a job fails for good.
    """
    ray = _connected(address, processes)
    try:
        task = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(function)
        pending = {task.remote(job): index for index, job in enumerate(jobs)}
        while pending:
            done, _ = ray.wait(list(pending))
            for reference in done:
                yield pending.pop(reference), ray.get(reference)
    except ray.exceptions.WorkerCrashedError as error:
        raise BackendError(f"a Ray worker died {ATTEMPTS} times: {error}") from error
    except ray.exceptions.RayError as error:
        raise BackendError(f"a job failed on the Ray cluster: {error}") from error
    finally:
        ray.shutdown()


def _connected(address: str, processes: int) -> Any:
    try:
        import ray
    except ImportError as error:
        raise BackendError("Ray needs the extra 'scale': pip install 'dexgrasp[scale]'") from error
    _check_it_listens(address)
    where: dict[str, Any] = {"address": address}
    if address == LOCAL:
        where = {"num_cpus": processes, "include_dashboard": False}
    environment = {"env_vars": {**dict.fromkeys(THREAD_LIMITS, "1"), "MUJOCO_GL": "egl"}}
    try:
        ray.init(
            **where,
            runtime_env=environment,
            logging_level=logging.WARNING,
            log_to_driver=False,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BackendError(f"the Ray cluster at {address!r} does not answer: {error}") from error
    return ray


def _check_it_listens(address: str) -> None:
    """Ray itself waits for minutes for a cluster that is not there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return  # `local` or `auto`
    try:
        socket.create_connection((host, int(port)), ANSWER).close()
    except (OSError, ValueError) as error:
        raise BackendError(f"the Ray cluster at {address!r} does not answer: {error}") from error
