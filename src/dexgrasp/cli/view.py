"""`dexgrasp view`: grasps of a file in a browser, or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def view(
    grasps: Annotated[Path, typer.Argument(exists=True, help="A file of grasps.", metavar="FILE")],
    meshes: Annotated[
        list[Path] | None,
        typer.Option(exists=True, file_okay=False, help="Folder of meshes; may be repeated."),
    ] = None,
    hand: Annotated[str, typer.Option(help="Name of the hand; '' as the file says.")] = "",
    rows: Annotated[
        str, typer.Option(help="Which grasps, counted from 0: 0,4,10-20; '' for all.")
    ] = "",
    png: Annotated[
        Path | None, typer.Option(help="Write a contact sheet instead of a server.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to serve; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8080,
) -> None:
    """Show grasps with their object, or render them without a browser."""
    # Imported here: the other commands must not wait for the simulator.
    from dexgrasp.cli.view_run import run_view

    run_view(grasps, tuple(meshes or ()), hand, rows, png, host, port)
