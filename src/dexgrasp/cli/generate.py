"""`dexgrasp generate`: validated grasps of many objects, as Parquet shards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def generate(
    hand: Annotated[str, typer.Option(help="Names of hands, separated by commas, or 'all'.")],
    out: Annotated[
        Path, typer.Option(help="Folder of the shards; given again, an unfinished run goes on.")
    ],
    objects: Annotated[
        str, typer.Option(help="Names of the catalogue or of meshes, separated by commas.")
    ] = "all",
    meshes: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Meshes instead of the catalogue."),
    ] = None,
    count: Annotated[int, typer.Option(help="Grasps of each object and hand, at most.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The first seed of every shard.")] = 0,
    method: Annotated[str, typer.Option(help="Name of the generator.")] = "search",
    processes: Annotated[int, typer.Option(min=1)] = len(os.sched_getaffinity(0)),
) -> None:
    """Synthesise grasps, try each in simulation and against the mesh, and keep the verdicts."""
    # Imported here: the other commands must not wait for the simulator.
    from dexgrasp.cli.generate_run import run_generation

    run_generation(hand, objects, meshes, count, seed, method, processes, out)
