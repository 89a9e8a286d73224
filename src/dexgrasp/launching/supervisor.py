"""Runs the processes of a launch until one ends it, all have ended, or a signal comes."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dexgrasp.launching.output import LINE_LIMIT, ProcessOutput
from dexgrasp.launching.parameters import write_parameters
from dexgrasp.launching.reader import ProcessSpec

# ros2/launch gives 5 s to each step of its shutdown (sigterm_timeout, sigkill_timeout).
ESCALATION = ((signal.SIGINT, 5.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def supervise(processes: Sequence[ProcessSpec], logs: Path) -> int:
    """Run `processes`, each in its own process group, with one log each in folder `logs`.

    Returns the exit code of the process whose end ended the launch (its `ends_launch`), else
    the first one that was not 0; 128 + n for a process killed by signal n, and for the launch
    itself when it was told to stop by signal n.
    """
    logs.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_Supervisor(logs).run(_with_unique_names(processes)))


class _Supervisor:
    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._stop = asyncio.Event()
        self._exit_code: int | None = None
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def run(self, processes: Sequence[ProcessSpec]) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end, 128 + number)
        lives = [asyncio.create_task(self._live(p, i)) for i, p in enumerate(processes)]
        alive = asyncio.gather(*lives)
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({alive, stopped}, return_when=asyncio.FIRST_COMPLETED)
        self._stop.set()
        await self._shut_down(alive)
        codes = await alive
        if self._exit_code is not None:
            return self._exit_code
        return next((code for code in codes if code), 0)

    def _end(self, exit_code: int) -> None:
        """End the launch; the first reason gives the exit code."""
        if not self._stop.is_set():
            self._exit_code = exit_code
            self._stop.set()

    async def _live(self, spec: ProcessSpec, index: int) -> int:
        """Run one process, again and again when it is to be respawned."""
        output = ProcessOutput(spec.name, index, self._logs / f"{spec.name}.log", sys.stdout)
        try:
            while True:
                code = await self._run_once(spec, output)
                if self._stop.is_set():
                    return code
                _report(spec, code, output)
                if spec.ends_launch:
                    self._end(code)
                if spec.ends_launch or spec.respawn_delay is None:
                    return code
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), spec.respawn_delay)
                if self._stop.is_set():
                    return code
        finally:
            output.close()

    async def _run_once(self, spec: ProcessSpec, output: ProcessOutput) -> int:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(spec),
                cwd=spec.folder,
                env=self._environment(spec),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # Not a session each: Linux would schedule each as a group of its own, among
                # which niceness means nothing.
                process_group=0,
                preexec_fn=_die_with_parent,
                limit=LINE_LIMIT,
            )
        except OSError as error:
            output.last_lines.append(str(error))
            return 127
        assert process.stdout is not None
        assert process.stderr is not None
        self._running[spec.name] = process
        if self._stop.is_set():
            _signal_group(process, signal.SIGINT)
        followers = asyncio.gather(
            output.follow(process.stdout, spec.on_screen), output.follow(process.stderr, True)
        )
        code = await process.wait()
        # Grandchildren would keep the pipes open, and outlive the launch.
        _signal_group(process, signal.SIGKILL)
        await followers
        del self._running[spec.name]
        return code if code >= 0 else 128 - code

    async def _shut_down(self, alive: asyncio.Future[list[int]]) -> None:
        for number, patience in ESCALATION:
            for process in self._running.values():
                _signal_group(process, number)
            done, _ = await asyncio.wait({alive}, timeout=patience)
            if done:
                return
            names = ", ".join(self._running)
            print(f"[launch] still running {patience:.0f} s after {number.name}: {names}")

    def _command(self, spec: ProcessSpec) -> list[str]:
        if spec.ros_parameters is None:
            return list(spec.command)
        files: list[str] = []
        for i, parameters in enumerate(spec.ros_parameters):
            file = parameters
            if isinstance(parameters, dict):
                file = self._logs / f"{spec.name}.params.{i}.yaml"
                write_parameters(file, parameters)
            files += ["--params-file", str(file)]
        ros = [*spec.ros_arguments, *files]
        return [*spec.command, *(["--ros-args", *ros] if ros else [])]

    def _environment(self, spec: ProcessSpec) -> dict[str, str]:
        shown: dict[str, str] = {}
        if sys.stdout.isatty():
            # A pipe hides the terminal from the child: tell it what it looks like.
            columns = shutil.get_terminal_size().columns - len(spec.name) - 3
            shown = {
                "COLUMNS": str(columns),
                "FORCE_COLOR": "1",
                "RCUTILS_COLORIZED_OUTPUT": "1",
            }
        log = {"ROS_LOG_DIR": str(self._logs / "ros"), "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **log, **shown, **spec.environment}


def _report(spec: ProcessSpec, code: int, output: ProcessOutput) -> None:
    if code == 0:
        print(f"[launch] {spec.name} has finished", flush=True)
        return
    print(f"[launch] {spec.name} died with exit code {code}; log: {output.log}", flush=True)
    for line in output.last_lines:
        print(f"[launch]   {line}", flush=True)


def _with_unique_names(processes: Sequence[ProcessSpec]) -> list[ProcessSpec]:
    counts: Counter[str] = Counter()
    unique = []
    for process in processes:
        counts[process.name] += 1
        suffix = f"-{counts[process.name]}" if counts[process.name] > 1 else ""
        unique.append(replace(process, name=process.name + suffix))
    return unique


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _die_with_parent() -> None:
    """In the child: follow a launcher that is killed before it can stop its processes."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
