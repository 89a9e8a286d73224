#!/usr/bin/env python3
"""Make .venv-isaaclab, which holds IsaacLab 3 with Newton physics and the library: `make isaaclab`.

IsaacLab pins other versions of MuJoCo, warp and torch than the library, so it has an environment
of its own. It runs without Isaac Sim, on a CPU or a GPU.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path

from environment.interpreter import python_312
from environment.layout import SetupError
from environment.steps import Steps, content_key, run

ROOT = Path(__file__).resolve().parent.parent
ISAACLAB = "isaaclab==3.0.0"  # its wheel holds the Newton backend, its pins newton and torch
TESTS = "pytest"  # what needs torch is tested there: tests/isaaclab
INSTALLED_GB, NEEDED_GB = 8, 16  # measured, and with the downloads beside it


def missing(pins: Iterable[str], installed: Iterable[str]) -> list[str]:
    """The pins whose package is not installed yet, in whatever version.

    pins: `name==version`.  installed: names.
    """
    known = {_normal(name) for name in installed}
    return [pin for pin in pins if _normal(pin.split("==")[0]) not in known]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def check_space(folder: Path) -> None:
    """Raises SetupError where the environment would fill the disk."""
    free = shutil.disk_usage(folder).free / 1e9
    if free < NEEDED_GB:
        raise SetupError(
            f"IsaacLab needs {NEEDED_GB} GB of free disk while it is installed; {folder} has "
            f"{free:.0f}: make room, or clone the repository on a larger disk"
        )


def install_isaaclab(python: Path, log: Path) -> None:
    """IsaacLab with everything that it pins."""
    run([python, "-m", "pip", "install", "--disable-pip-version-check", ISAACLAB], log)


def install_library(python: Path, project: str, log: Path) -> None:
    """The library as editable, and pytest, beside the versions that IsaacLab brought."""
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    frozen = subprocess.run(
        [*pip, "freeze"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    held = log.with_name("constraints.txt")
    held.write_text("\n".join(line for line in frozen if re.match(r"[\w.-]+==", line)))
    named = tomllib.loads(project)["project"]
    tests = [pin for pin in named["optional-dependencies"]["dev"] if pin.startswith(f"{TESTS}==")]
    pins = [*named["dependencies"], *tests]
    lacking = missing(pins, [line.split("==")[0] for line in held.read_text().split()])
    run([*pip, "install", "--constraint", held, *lacking], log)
    run([*pip, "install", "--no-deps", "-e", ROOT], log)


def set_up(venv: Path, steps: Steps) -> None:
    """Bring the environment up to date. Raises SetupError."""
    found = python_312()
    python = venv / "bin" / "python"
    project = (ROOT / "pyproject.toml").read_text().split("[tool.ruff]")[0]
    key = content_key(found, ISAACLAB)
    steps.once(
        "venv",
        venv.name,
        content_key(found),
        lambda log: run([found.executable, "-m", "venv", "--clear", venv], log),
    )
    steps.once("isaaclab", ISAACLAB, key, lambda log: install_isaaclab(python, log))
    steps.once(
        "library",
        "library",
        content_key(key, project, TESTS),
        lambda log: install_library(python, project, log),
    )


def main() -> int:
    """Set up, one process at a time."""
    started = time.monotonic()
    venv = ROOT / ".venv-isaaclab"
    logs = ROOT / "logs" / "setup" / venv.name
    try:
        if not (venv / "stamps" / "isaaclab").exists():
            check_space(ROOT)
            print(f"IsaacLab takes {INSTALLED_GB} GB of disk and 5 to 20 minutes", flush=True)
        logs.mkdir(parents=True, exist_ok=True)
        with (logs / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            set_up(venv, Steps(venv / "stamps", logs))
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    print(f"{venv.name} is ready ({time.monotonic() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
