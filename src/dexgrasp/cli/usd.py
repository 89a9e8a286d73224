"""`dexgrasp usd`: a hand or an object as USD with physics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def usd(
    name: Annotated[str, typer.Argument(help="a hand, an object of the catalogue, or a mesh file")],
    out: Annotated[
        Path | None, typer.Option(help="folder; by default the cache, for IsaacLab")
    ] = None,
) -> None:
    """Write a hand or an object as USD for IsaacLab, Isaac Sim or Newton, and print its file."""
    # Imported here: the other commands must not wait for these packages.
    from dexgrasp.hands import HandModel, hand_names
    from dexgrasp.objects import load_object
    from dexgrasp.simulation.usd_assets import hand_usd, object_usd

    if name in hand_names():
        print(hand_usd(HandModel.load(name), out))
    else:
        print(object_usd(load_object(name), out))
