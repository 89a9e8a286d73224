"""`dexgrasp sysid`: fits the simulated servos to those of a hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sysid(
    hand: Annotated[str, typer.Option(help="A hand of config/hardware; its fingers must be free.")],
    out: Annotated[Path, typer.Option(help="Folder for actuators.yaml and sysid.svg.")],
    port: Annotated[
        str | None, typer.Option(help="Serial port or CAN channel instead of the configured one.")
    ] = None,
) -> None:
    """Move every joint by some hundredths of a radian for 10 s, and write what the servos are."""
    # Imported here: the other commands must not wait for the hand's model.
    from dexgrasp.cli.sysid_run import run_sysid

    run_sysid(hand, port, out)
