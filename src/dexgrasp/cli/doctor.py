"""`dexgrasp doctor`: looks a hand over without moving it."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    hand: Annotated[str, typer.Option(help="A hand of config/hardware.")],
    port: Annotated[
        str | None, typer.Option(help="Serial port or CAN channel instead of the configured one.")
    ] = None,
) -> None:
    """Find the hand, check ids, baud rate, latency, limits and faults; ends with 1 for a fault."""
    # Imported here: the other commands must not wait for the hand's model.
    from dexgrasp.hands import HandModel
    from dexgrasp.hardware.config import load_hardware, with_port
    from dexgrasp.hardware.doctor import FAULT, examine

    config = with_port(load_hardware(hand), port)
    bad = False
    for finding in examine(HandModel.load(hand), config):
        bad |= finding.level == FAULT
        print(f"{finding.level:8} {finding.words}", flush=True)
    if bad:
        raise typer.Exit(1)
