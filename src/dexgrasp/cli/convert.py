"""`dexgrasp convert`: grasp files of the field into this project's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

SHOWN = 10  # rejected rows that are printed


def convert(
    source: Annotated[Path, typer.Argument(help="A file or folder of grasps.", metavar="IN")],
    out: Annotated[Path, typer.Argument(help="An .npz or .parquet to write.", metavar="OUT")],
    hand: Annotated[str, typer.Option(help="The hand that the grasps shall be of.")],
    format: Annotated[
        str | None, typer.Option(help="Its layout; without it the content decides.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="YAML of a layout that is not known."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="A PNG of the first grasps, to see that they are right.")
    ] = None,
    meshes: Annotated[
        list[Path] | None,
        typer.Option(exists=True, file_okay=False, help="Folder of meshes for the picture."),
    ] = None,
) -> None:
    """Read grasps in any known layout and write them in this project's (docs/grasp_files.md)."""
    # Imported here: the other commands must not wait for the readers.
    from dexgrasp.datasets import read_grasps, write_grasps
    from dexgrasp.hands import HandModel

    table = read_grasps(source, HandModel.load(hand), format, mapping)
    write_grasps(table, out)
    counts = table.counts
    typer.echo(f"{table.source}: {counts['read']} grasps of {hand} on {counts['objects']} objects")
    if counts["clipped"]:
        typer.echo(f"{counts['clipped']} of them had joints clipped to the hand's limits")
    if counts["rejected"]:
        typer.echo(f"{counts['rejected']} rows rejected:")
        for rejected in table.rejected[:SHOWN]:
            typer.echo(f"  {rejected.words}")
        if counts["rejected"] > SHOWN:
            typer.echo(f"  ... and {counts['rejected'] - SHOWN} more")
    typer.echo(f"written: {out}")
    if picture is not None:
        from dexgrasp.evaluation.batch.pictures import save_contact_sheet

        os.environ.setdefault("MUJOCO_GL", "egl")
        save_contact_sheet(table, meshes or (), picture)
        typer.echo(f"picture: {picture}")
