"""`dexgrasp evaluate`: a file of grasps through simulation, plausibility and intention."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    grasps: Annotated[
        Path, typer.Argument(exists=True, help="File or folder of grasps: docs/grasp_files.md.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the results; given again, an unfinished run goes on.")
    ],
    meshes: Annotated[
        list[Path] | None,
        typer.Option(exists=True, file_okay=False, help="Folder of meshes; may be repeated."),
    ] = None,
    hand: Annotated[str, typer.Option(help="Name of the hand; '' as the file says.")] = "",
    grasp_format: Annotated[
        str, typer.Option("--format", help="Layout of the file; '' looks for itself.")
    ] = "",
    mapping: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Says where an unknown layout has what."),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="survey, robot or six_directions (config/evaluation/protocols).")
    ] = "survey",
    backend: Annotated[
        str, typer.Option(help="mujoco, mujoco_warp (GPU), or isaaclab (`make isaaclab`).")
    ] = "mujoco",
    wrist: Annotated[
        str, typer.Option(help="force_limited or kinematic; '' as the protocol says.")
    ] = "",
    mass: Annotated[float, typer.Option(help="Of every object [kg]; 0: its own.")] = 0.0,
    density: Annotated[
        float, typer.Option(help="Of every object [kg/m3], instead of known masses; 0: no.")
    ] = 0.0,
    friction: Annotated[float, typer.Option(help="Of every object; 0: its own.")] = 0.0,
    modalities: Annotated[
        str, typer.Option(help="Which of them, separated by commas.")
    ] = "simulation,plausibility,intention",
    judge: Annotated[str, typer.Option(help="Of the intention: geometric or vlm.")] = "geometric",
    instruction: Annotated[
        str, typer.Option(help="What the grasp is for; {object} stands for the object's name.")
    ] = "pick up the {object}",
    randomised: Annotated[
        int, typer.Option(min=0, help="Trials of each grasp under randomised conditions.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the randomised conditions.")] = 0,
    limit: Annotated[int, typer.Option(min=0, help="Only the first grasps; 0: all.")] = 0,
    pictures: Annotated[int, typer.Option(min=0, help="How many grasps to picture.")] = 24,
    processes: Annotated[int, typer.Option(min=1)] = len(os.sched_getaffinity(0)),
    ray: Annotated[
        str, typer.Option(help="Address of a Ray cluster, or 'local'; '' for processes.")
    ] = "",
) -> None:
    """Try and judge every grasp of a file; figures, tables and pictures go into OUT."""
    # Imported here: the other commands must not wait for the simulator.
    from dexgrasp.cli.evaluate_run import Request, run_evaluation

    run_evaluation(
        Request(
            grasps=grasps,
            out=out,
            meshes=tuple(meshes or ()),
            hand=hand,
            grasp_format=grasp_format or None,
            mapping=mapping,
            protocol=protocol,
            backend=backend,
            wrist=wrist,
            mass=mass,
            density=density,
            friction=friction,
            modalities=modalities,
            judge=judge,
            instruction=instruction,
            randomised=randomised,
            seed=seed,
            limit=limit,
            pictures=pictures,
            processes=processes,
            ray=ray,
        )
    )
