"""`dexgrasp benchmark`: pick success and latency over objects x seeds x hands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

ROS_OBJECTS = "tomato_soup_can,baseball,mug"


def benchmark(
    hands: Annotated[str, typer.Option(help="Names separated by commas.")] = "all",
    objects: Annotated[
        str, typer.Option(help="Names of the catalogue or of meshes, separated by commas.")
    ] = "all",
    seeds: Annotated[int, typer.Option(min=1, help="Trials of each object and hand.")] = 5,
    meshes: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Meshes instead of the catalogue."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1)] = len(os.sched_getaffinity(0)),
    ros: Annotated[
        str, typer.Option(help="Objects to pick through the ROS nodes too; '' for none.")
    ] = ROS_OBJECTS,
    out: Annotated[Path, typer.Option(help="Results go to OUT/<time>.")] = Path("results"),
    backend: Annotated[
        str, typer.Option(help="mujoco, or isaaclab: of the picks through the library.")
    ] = "mujoco",
) -> None:
    """Pick objects through the library at full speed and print success and latency."""
    # Imported here: the other commands must not wait for the simulator.
    from dexgrasp.cli.benchmark_run import run_benchmark

    run_benchmark(hands, objects, seeds, meshes, processes, ros, out, backend)
