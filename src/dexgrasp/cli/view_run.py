"""What `dexgrasp view` does: pick rows, then a contact sheet or a server."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import typer

from dexgrasp.datasets import GraspTable, read_grasps, stated_hand
from dexgrasp.errors import BackendError, ConfigError, GraspError
from dexgrasp.evaluation.batch.pictures import save_contact_sheet
from dexgrasp.hands import HandModel, hand_names

MOST_PICTURES = 100


def run_view(
    file: Path,
    meshes: Sequence[Path],
    hand_name: str,
    rows: str,
    png: Path | None,
    host: str,
    port: int,
) -> None:
    """See the options.

    Raises GraspError, MeshError, ConfigError, UnknownNameError, BackendError.
    """
    name = hand_name or stated_hand(file)
    if name is None:
        known = ", ".join(hand_names())
        raise GraspError(f"{file} does not say of which hand; give --hand: {known}")
    table = chosen(read_grasps(file, HandModel.load(name)), rows)
    if png is not None:
        if not png.parent.is_dir():
            raise ConfigError(f"the folder {png.parent} does not exist")
        os.environ.setdefault("MUJOCO_GL", "egl")
        shown = min(len(table), MOST_PICTURES)
        save_contact_sheet(table, meshes, png, shown)
        typer.echo(f"{shown} of {len(table)} grasps: {png}")
        return
    serve(table, meshes, host, port)


def chosen(table: GraspTable, rows: str) -> GraspTable:
    """The grasps at `0,4,10-20`, all for ''. Raises ConfigError."""
    if not rows:
        return table
    picked: list[int] = []
    for part in rows.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ConfigError(f"--rows is {rows!r}; give numbers and ranges, e.g. 0,4,10-20")
        picked += range(int(first), int(last or first) + 1)
    beyond = [row for row in picked if row >= len(table)]
    if beyond or not picked:
        raise ConfigError(f"--rows {rows!r}: the file holds grasps 0 to {len(table) - 1}")
    return table[picked]


def serve(table: GraspTable, meshes: Sequence[Path], host: str, port: int) -> None:
    """Serve until Ctrl-C. Raises BackendError without viser or for a port that is taken."""
    try:
        from dexgrasp.cli.viewer import Viewer
    except ModuleNotFoundError as error:
        if error.name != "viser":
            raise
        raise BackendError(
            "the viewer needs the extra 'view': pip install 'dexgrasp[view]'; or give --png FILE"
        ) from error
    with Viewer(table, meshes, host, free_port(host, port)) as viewer:
        typer.echo(f"{len(table)} grasps at http://{host}:{viewer.port} (Ctrl-C ends)")
        viewer.wait()


def free_port(host: str, port: int) -> int:
    """`port`, or any free one for 0. Raises BackendError for one that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BackendError(f"{host}:{port} cannot be served ({error}); give --port") from error
        return probe.getsockname()[1]
