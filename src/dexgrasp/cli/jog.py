"""`dexgrasp jog`: moves one joint of a hand at a time, by keys."""

from __future__ import annotations

from typing import Annotated

import typer

SAY_EVERY = 0.2  # [s]


def jog(
    hand: Annotated[str, typer.Option(help="A hand of config/hardware.")],
    port: Annotated[
        str | None, typer.Option(help="Serial port or CAN channel instead of the configured one.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Of the joint that moves [rad/s].")
    ] = 0.2,
    deadman: Annotated[
        float, typer.Option(min=0.05, max=1.0, help="How long a key moves the joint [s].")
    ] = 0.25,
) -> None:
    """Keep + or - pressed: a joint moves. n, p: the next, the one before. q: the hand goes limp."""
    # Imported here: the other commands must not wait for the hand's model.
    import time

    from dexgrasp.cli.keys import Keys
    from dexgrasp.hands import HandModel
    from dexgrasp.hardware import HandLink, load_hardware
    from dexgrasp.hardware.config import with_port
    from dexgrasp.hardware.jog import Jog, run_jog
    from dexgrasp.hardware.robots import make_driver

    model, config = HandModel.load(hand), with_port(load_hardware(hand), port)
    link = HandLink(make_driver(model, config), config.link)
    print("+ - move the joint while pressed, n p choose it, q ends; the hand is limp then")
    with Keys() as keys:
        said = 0.0

        def say(words: str) -> None:
            nonlocal said
            if time.monotonic() - said > SAY_EVERY:
                said = time.monotonic()
                print(words, end="    \r" if keys.terminal else "\n", flush=True)

        try:
            start = link.open()
            run_jog(link, Jog(model, start.position, speed, deadman), keys.take, say)
        finally:
            link.close()
    print()
