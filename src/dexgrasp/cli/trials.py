"""`dexgrasp trials`: planned trials on simulators and robots, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def trials(
    plan: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A YAML file.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder; results/<plan> if none. It goes on where it ended.")
    ] = None,
) -> None:
    """Pick every object of the plan so often on every hardware; compare the success.

    Where the truth is not known, the operator is asked.
    """
    # Imported here: the other commands must not wait for the simulator.
    from dexgrasp.cli.trials_run import run_trials

    run_trials(plan, out or Path("results") / plan.stem)
