"""The Python that the environment is made from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from environment.layout import Layout, SetupError

SUPPORTED = ((3, 11), (3, 12))
# What a candidate tells about itself: version, its own path outside any venv, header folder.
PROBE = (
    "import sys, sysconfig; print(*sys.version_info[:2], "
    "getattr(sys, '_base_executable', sys.executable), sysconfig.get_path('include'), sep='\\n')"
)


@dataclass(frozen=True)
class Interpreter:
    """A Python installation outside any virtual environment."""

    executable: Path
    version: tuple[int, int]
    include: Path

    def can_import(self, module: str) -> bool:
        """Whether `module` is installed for this Python."""
        done = subprocess.run(
            [self.executable, "-c", f"import {module}"], capture_output=True, check=False
        )
        return done.returncode == 0

    def __str__(self) -> str:
        return f"{self.executable} ({self.version[0]}.{self.version[1]})"


def choose_interpreter(layout: Layout) -> Interpreter:
    """The first suitable Python: this one, then those on PATH. Raises SetupError if none is.

    A sourced ROS 2 works only with the Python that it was built for.
    """
    seen: list[str] = []
    for candidate in _candidates():
        if candidate.version in SUPPORTED and (not layout.sourced or candidate.can_import("rclpy")):
            return candidate
        seen.append(str(candidate))
    need = "Python 3.11 or 3.12" + (" that imports the sourced rclpy" if layout.sourced else "")
    raise SetupError(f"{need} is needed; found {', '.join(dict.fromkeys(seen))}")


def _candidates() -> Iterator[Interpreter]:
    for name in (sys.executable, "/usr/bin/python3", "python3.12", "python3.11", "python3"):
        path = shutil.which(name)
        if path is None:
            continue
        probe = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False)
        # A version manager's placeholder for a Python that it has not installed fails here.
        if probe.returncode == 0:
            major, minor, executable, include = probe.stdout.splitlines()
            yield Interpreter(Path(executable).resolve(), (int(major), int(minor)), Path(include))
