"""The Python that the environment is made from."""

from __future__ import annotations

import os
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


def python_312() -> Interpreter:
    """The first Python 3.12: on PATH, else one of pyenv's. Raises SetupError if there is none."""
    found = [candidate for candidate in _candidates() if candidate.version == (3, 12)]
    if not found:
        raise SetupError(
            "IsaacLab needs Python 3.12, and there is none: put python3.12 on PATH, "
            "or `pyenv install 3.12`"
        )
    return found[0]


def _candidates() -> Iterator[Interpreter]:
    names = (sys.executable, "/usr/bin/python3", "python3.12", "python3.11", "python3")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    # pyenv's own placeholders on PATH answer only for the version that is selected.
    for name in (*names, *(str(path) for path in sorted(pyenv.glob("3.1[12].*/bin/python")))):
        path = shutil.which(name)
        if path is None:
            continue
        probe = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False)
        # A version manager's placeholder for a Python that it has not installed fails here.
        if probe.returncode == 0:
            major, minor, executable, include = probe.stdout.splitlines()
            yield Interpreter(Path(executable).resolve(), (int(major), int(minor)), Path(include))
