"""`dexgrasp synthesize`: grasps for an object of the catalogue, a mesh or a cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def synthesize(
    source: Annotated[
        str,
        typer.Argument(
            help="Catalogue name, mesh file, or cloud (.npy, .pcd, .ply): docs/synthesis.md.",
            metavar="OBJECT",
        ),
    ],
    hand: Annotated[str, typer.Option(help="Name of the hand.")],
    out: Annotated[Path, typer.Option(help="An .npz or .parquet to write.")],
    count: Annotated[int, typer.Option(help="How many grasps, at most.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal grasps.")] = 0,
    method: Annotated[str, typer.Option(help="Name of the generator.")] = "search",
    region: Annotated[
        str, typer.Option(help="Part of the object where the fingers shall touch.")
    ] = "",
    region_mask: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help=".json of faces or .npy of points [m]."),
    ] = None,
    region_radius: Annotated[float, typer.Option(help="Around the points of a mask [m].")] = 0.01,
    grasp_types: Annotated[
        str, typer.Option("--type", help="Grasp types of the hand, separated by commas.")
    ] = "",
    touch: Annotated[
        str, typer.Option(help="Fingers that shall touch, !finger for those that must not.")
    ] = "",
    contact_map: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="An .npz of contacts to touch at."),
    ] = None,
    contacts: Annotated[
        Path | None, typer.Option(help="An .npz to write: where the grasps touch.")
    ] = None,
    approach: Annotated[
        str, typer.Option(help="x,y,z along which the palm comes, in the file's frame.")
    ] = "",
    scale: Annotated[float, typer.Option(help="Factor on the lengths of a file.")] = 1.0,
    mass: Annotated[float, typer.Option(min=0.0, help="Of the object [kg]; 0: its own.")] = 0.0,
    view_point: Annotated[
        str, typer.Option(help="x,y,z of the camera in a cloud's frame, z up [m].")
    ] = "",
    table: Annotated[
        float | None,
        typer.Option(help="Height of the table in a cloud [m]; else its lowest point."),
    ] = None,
    floating: Annotated[
        bool, typer.Option("--floating", help="Without a table below the object.")
    ] = False,
    pictures: Annotated[Path | None, typer.Option(help="A PNG of the first grasps.")] = None,
) -> None:
    """Synthesise grasps, write them in this project's layout and print what was found."""
    # Imported here: the other commands must not wait for the simulator.
    from dexgrasp.cli.synthesize_run import Request, run_synthesis

    run_synthesis(
        Request(
            source=source,
            hand=hand,
            out=out,
            count=count,
            seed=seed,
            method=method,
            region=region,
            region_mask=region_mask,
            region_radius=region_radius,
            grasp_types=grasp_types,
            touch=touch,
            contact_map=contact_map,
            contacts=contacts,
            approach=approach,
            scale=scale,
            mass=mass,
            view_point=view_point,
            table=table,
            floating=floating,
            pictures=pictures,
        )
    )
