"""The near end of a worker: starts it, calls it, keeps it for the next backend."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dexgrasp.config import resource_root
from dexgrasp.errors import BackendError

# Set by setup.bash and by launches for another Python, whose packages IsaacLab must not see.
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
PATIENCE = 10.0  # [s] that a worker has to end by itself
LINES = 3  # of its log that an error repeats

_idle: list[Worker] = []


def isaaclab_python() -> Path:
    """IsaacLab's interpreter: DEXGRASP_ISAACLAB_PYTHON, else that of `make isaaclab`.

    Raises BackendError when there is none.
    """
    given = os.environ.get("DEXGRASP_ISAACLAB_PYTHON")
    python = Path(given) if given else resource_root() / ".venv-isaaclab" / "bin" / "python"
    if not python.exists():
        raise BackendError(
            f"IsaacLab is not installed ({python} is missing): run `make isaaclab`, "
            "or set DEXGRASP_ISAACLAB_PYTHON"
        )
    return python


class FairLock:
    """Served in order of arrival: a loop that steps all the time would else let no camera in."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._next = self._served = 0

    def __enter__(self) -> None:
        with self._turn:
            mine, self._next = self._next, self._next + 1
            self._turn.wait_for(lambda: self._served == mine)

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._served += 1
            self._turn.notify_all()


class Worker:
    """A process in IsaacLab's environment. Calls do not interleave."""

    def __init__(self, python: Path) -> None:
        """Raises BackendError with the reason when it cannot start."""
        near, far = socket.socketpair()
        number, name = tempfile.mkstemp(prefix="dexgrasp-isaaclab-", suffix=".log")
        self.log = Path(name)
        environment = {k: v for k, v in os.environ.items() if k not in FOREIGN}
        command = [python, "-m", f"{__package__}.worker", str(far.fileno())]
        with far, os.fdopen(number, "w") as log:
            self._process = subprocess.Popen(
                command, pass_fds=[far.fileno()], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=environment, cwd=self.log.parent,
            )  # fmt: skip
        self._wire = Connection(near.detach())
        self._lock = FairLock()
        self._answer()

    def call(self, name: str, *arguments: Any) -> Any:
        """What the method of `Worlds` returns, or of `build`. Raises BackendError."""
        with self._lock:
            try:
                self._wire.send((name, arguments))
            except OSError:
                raise self._died() from None
            return self._answer()

    def _answer(self) -> Any:
        try:
            kind, value = self._wire.recv()
        except (EOFError, OSError):
            raise self._died() from None
        if kind == "error":
            raise BackendError(f"IsaacLab: {value} (log: {self.log})")
        return value

    def _died(self) -> BackendError:
        last = " | ".join(self.log.read_text(errors="replace").splitlines()[-LINES:])
        return BackendError(f"IsaacLab's process ended: {last} (log: {self.log})")

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        self._wire.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.log.unlink(missing_ok=True)


def borrow() -> Worker:
    """A worker that nobody uses, else a new one: it takes seconds to start."""
    while _idle:
        worker = _idle.pop()
        if worker.alive:
            return worker
    python = isaaclab_python()
    print("IsaacLab starts; its first start compiles kernels for minutes", file=sys.stderr)
    return Worker(python)


def give_back(worker: Worker) -> None:
    """Keep a worker for the next one who borrows."""
    _idle.append(worker)


@atexit.register
def _end() -> None:
    while _idle:
        _idle.pop().close()
