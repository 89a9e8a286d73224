"""Faults injected at every phase of a grasp: `python benchmarks/faults.py --help`."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dexgrasp.evaluation.faults import FAULTS, PHASES, FaultRig, rows, safe
from dexgrasp.evaluation.pick import random_placement
from dexgrasp.execution import ExecutionConfig
from dexgrasp.execution.safety import SafetyLimits
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.simulation import SimulationConfig, make_backend
from dexgrasp.synthesis import GraspGeometry, make_synthesizer


def run(
    hands: Annotated[str, typer.Option(help="names, with commas")] = ",".join(hand_names()),
    item: Annotated[str, typer.Option("--object", help="that is grasped")] = "tomato_soup_can",
) -> None:
    """One table for each hand; ends with 1 when a hand was not still or a next goal failed."""
    bad = 0
    for name in hands.split(","):
        hand, config = HandModel.load(name), SimulationConfig.load()
        placement = random_placement(load_object(item), config.table_height, seed=1)
        geometry = GraspGeometry(placement.model, placement.T_world_object, config.table_height)
        grasp = make_synthesizer("optimize").synthesize(hand, geometry, 8, 0)[0]
        backend = make_backend("mujoco", hand, config, worlds=len(PHASES) * len(FAULTS) + 1)
        backend.load([placement])
        start = time.perf_counter()
        cells = FaultRig(backend, grasp, ExecutionConfig.load(), SafetyLimits.load()).run()
        backend.close()
        table = Table("fault", *(phase.name for phase in PHASES), title=f"{name}, {item}")
        for row in rows(cells):
            table.add_row(*row)
        Console(width=200).print(table)
        print(f"{len(cells)} faults in {time.perf_counter() - start:.0f} s")
        bad += sum(not (safe(cell) and cell.next_held) for cell in cells)
    if bad:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(run)
