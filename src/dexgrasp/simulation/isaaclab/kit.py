"""Isaac Sim, which IsaacLab 2.3 runs in. Imported in that environment alone."""

import sys

from isaaclab.app import AppLauncher

_running: list[AppLauncher] = []


def launch() -> None:
    """Start Isaac Sim without windows, once a process: before IsaacLab is imported."""
    if not _running:
        del sys.argv[1:]  # Kit would take them for its own
        _running.append(AppLauncher(headless=True, enable_cameras=True))
