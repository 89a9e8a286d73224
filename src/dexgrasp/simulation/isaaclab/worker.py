"""The process that holds IsaacLab: `python -m dexgrasp.simulation.isaaclab.worker FD`.

It reads calls from the socket with that number and answers each: ("ok", value) or
("error", words). It ends when the other side closes the socket.
"""

from __future__ import annotations

import importlib.metadata
import os
import signal
import socket
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from dexgrasp.errors import BackendError
from dexgrasp.simulation.isaaclab.base import BaseWorlds
from dexgrasp.simulation.isaaclab.wire import Recipe

OLD, NEW = "2.3.", "3."  # versions of IsaacLab, whose names and quaternions differ


def check_environment() -> None:
    """Raises BackendError where IsaacLab cannot run here, with the remedy."""
    version = installed()
    if not version.startswith((OLD, NEW)):
        raise BackendError(
            f"isaaclab {version} is installed and {OLD}x or {NEW}x is needed: run `make isaaclab`"
        )
    folder = kernel_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise BackendError(
            f"the kernel cache {folder} cannot be written: set WARP_CACHE_PATH to a folder that can"
        )


def installed() -> str:
    """IsaacLab's version. Raises BackendError where there is none."""
    try:
        return importlib.metadata.version("isaaclab")
    except importlib.metadata.PackageNotFoundError:
        raise BackendError("isaaclab is missing in its environment: run `make isaaclab`") from None


def make_worlds(recipe: Recipe) -> BaseWorlds:
    """The worlds of a recipe in the IsaacLab that is installed."""
    if installed().startswith(OLD):
        from dexgrasp.simulation.isaaclab.kit import launch

        launch()
        from dexgrasp.simulation.isaaclab.worlds23 import Worlds
    else:
        from dexgrasp.simulation.isaaclab.worlds import Worlds
    return Worlds(recipe)


def kernel_cache() -> Path:
    """Where warp keeps what it compiled: minutes of work."""
    return Path(os.environ.get("WARP_CACHE_PATH") or Path.home() / ".cache" / "warp")


def serve(wire: Connection) -> None:
    """Answer until the other side is gone. `build` makes new worlds, all else is asked of them."""
    worlds = None
    while True:
        try:
            name, arguments = wire.recv()
        except EOFError:
            return
        try:
            if name == "build":
                worlds = make_worlds(*arguments)
                answer = worlds.seen
            else:
                answer = getattr(worlds, name)(*arguments)
            wire.send(("ok", answer))
        except Exception as error:
            traceback.print_exc()
            wire.send(("error", f"{type(error).__name__}: {error}".strip()))


def main() -> None:
    """Greet with ("ok", None), or with the reason why not.

    An interrupt goes to the whole group of processes that a launch ends; the other side has
    things to finish then, and closes the socket.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wire = Connection(socket.socket(fileno=int(sys.argv[1])).detach())
    try:
        check_environment()
    except BackendError as error:
        wire.send(("error", str(error)))
        return
    wire.send(("ok", None))
    serve(wire)


if __name__ == "__main__":
    main()
