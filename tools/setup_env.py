#!/usr/bin/env python3
"""Make the environment that runs dexgrasp: `make setup`.

Creates .venv with the pinned library and ROS 2 (from PyPI, unless one is sourced), builds the
ROS packages and writes setup.bash. Every step runs only when what it depends on has changed.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from pathlib import Path

from environment import ros_wheels
from environment.interpreter import Interpreter, choose_interpreter
from environment.layout import DISTRIBUTIONS, Layout, SetupError, choose_layout
from environment.shell import activation
from environment.steps import Steps, content_key, folder_key, run
from environment.system_packages import ensure_packages
from environment.workspaces import build, is_built_in, underlay_packages

ROOT = Path(__file__).resolve().parent.parent


def make_venv(layout: Layout, python: Interpreter, log: Path) -> None:
    """An empty virtual environment; sees the system's packages when ROS 2 is the system's."""
    ensure_packages(python, log)
    options = ["--system-site-packages"] if layout.sourced else []
    run([python.executable, "-m", "venv", "--clear", *options, layout.venv], log)


def install(layout: Layout, log: Path) -> None:
    """The library as editable, its development tools and, unless sourced, ROS 2."""
    pip = [layout.python, "-m", "pip", "install", "--disable-pip-version-check"]
    wheels = () if layout.sourced else ros_wheels.WHEELS[layout.distribution]
    run(
        [
            *pip,
            "-e",
            f"{layout.root}[dev,gpu,scale,train,usd,view]",
            *ros_wheels.BUILD_TOOLS,
            *wheels,
        ],
        log,
    )
    if not layout.sourced:
        ros_wheels.mend(layout)


def build_workspaces(layout: Layout, steps: Steps, key: str) -> None:
    """The underlay, then ros2_ws on top of it."""
    workspace = layout.root / "ros2_ws"
    packages = underlay_packages(layout)
    below = layout.overlays[:1]
    key = content_key(key, *packages, folder_key(workspace / "underlay"))
    if packages:
        steps.once(
            "underlay",
            f"underlay ({', '.join(packages)})",
            key,
            lambda log: build(layout, "underlay", workspace / "underlay", packages, (), log),
        )
    installed = [folder_key(layout.root / f, lambda _: False) for f in ("config", "launch", "urdf")]
    steps.once(
        "ros2_ws",
        "ros2_ws",
        content_key(key, folder_key(workspace / "src", is_built_in), *installed),
        lambda log: build(layout, "ros2_ws", workspace / "src", [], below, log),
    )


def compile_kernels(layout: Layout, log: Path) -> None:
    """Fill numba's cache: without it the first grasp would wait for a compiler."""
    settings = {"MUJOCO_GL": os.environ.get("MUJOCO_GL", "egl")}
    run([layout.venv / "bin" / "dexgrasp", "prepare"], log, {**os.environ, **settings})


def set_up(layout: Layout) -> None:
    """Bring the environment up to date. Raises SetupError."""
    python = choose_interpreter(layout)
    steps = Steps(layout.venv / "stamps", layout.logs)
    ros_key = content_key(layout, python, Path(ros_wheels.__file__).read_text())
    steps.once(
        "venv",
        layout.venv.name,
        content_key(layout, python),
        lambda log: make_venv(layout, python, log),
    )
    # The settings of the linters come last in pyproject.toml and change no package.
    project = (ROOT / "pyproject.toml").read_text().split("[tool.ruff]")[0]
    label = "library" if layout.sourced else f"library and ROS 2 {layout.distribution.title()}"
    steps.once("packages", label, content_key(ros_key, project), lambda log: install(layout, log))
    build_workspaces(layout, steps, ros_key)
    compiled = [path.read_text() for path in sorted((layout.root / "src").rglob("*.py"))]
    compiled = [text for text in compiled if "from numba" in text]
    steps.once(
        "kernels",
        "numerical kernels",
        content_key(project, *compiled),
        lambda log: compile_kernels(layout, log),
    )
    layout.setup_file.write_text(activation(layout, layout.overlays))


def main() -> int:
    """Parse the command line and set up, one process at a time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--ros-wheels",
        choices=DISTRIBUTIONS,
        default=os.environ.get("ROS_WHEELS") or None,
        help="take this ROS 2 from PyPI even where one is sourced (also: ROS_WHEELS)",
    )
    started = time.monotonic()
    try:
        layout = choose_layout(ROOT, parser.parse_args().ros_wheels, os.environ)
        layout.logs.mkdir(parents=True, exist_ok=True)
        with (layout.logs / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            set_up(layout)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    print(f"{layout.setup_file.name} is ready ({time.monotonic() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
