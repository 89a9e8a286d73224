"""`dexgrasp emulate`: a hand without hardware, for drivers and tools to talk to."""

from __future__ import annotations

from typing import Annotated

import typer


def emulate(
    hand: Annotated[str, typer.Option(help="A hand of config/hardware on a serial port.")],
) -> None:
    """Emulate a hand at its bus until Ctrl-C; the first line printed ends with its port."""
    # Imported here: the other commands must not wait for the hand's model.
    import signal

    from dexgrasp.hands import HandModel
    from dexgrasp.hardware.config import load_leap
    from dexgrasp.hardware.emulation import EmulatedLeap, FreeJoints

    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # of the emulator's thread, too
    model, config = HandModel.load(hand), load_leap(hand)
    emulator = EmulatedLeap(model, config, FreeJoints(model))
    print(f"{hand} answers on {emulator.port}", flush=True)
    signal.sigwait(ends)
    emulator.close()
