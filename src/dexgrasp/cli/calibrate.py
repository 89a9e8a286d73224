"""`dexgrasp calibrate`: what one real hand has that its description cannot know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    hand: Annotated[str, typer.Option(help="A hand of config/hardware; its fingers must be free.")],
    out: Annotated[Path, typer.Option(help="The YAML file to write.")],
    port: Annotated[
        str | None, typer.Option(help="Serial port or CAN channel instead of the configured one.")
    ] = None,
    zero: Annotated[
        bool, typer.Option(help="Check order, sign and zero of the joints, moved by hand.")
    ] = True,
) -> None:
    """Compare joints, moved by hand, with their limits; then measure friction and effort by itself.

    The fingers are limp during the first part and sweep by 0.1 rad for 10 s in the second.
    """
    # Imported here: the other commands must not wait for the hand's model.
    from dexgrasp.cli.calibrate_run import run_calibrate

    run_calibrate(hand, port, zero, out)
