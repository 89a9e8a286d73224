"""Step time of executor and safety limits with each controller: `python benchmarks/loop.py`.

Worlds are a simulated lift of a box, recorded once with `reactive`, and replayed to every
controller: the state is what it would be, and the simulator is not in the figures.
"""

from __future__ import annotations

import time
from dataclasses import fields, replace
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from dexgrasp.evaluation.report import machine_line
from dexgrasp.execution import ExecutionConfig, GraspExecutor
from dexgrasp.execution.control import CONTROLLERS
from dexgrasp.execution.safety import SafetyFilter, SafetyLimits
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.simulation import MujocoBackend, SimulationConfig
from dexgrasp.synthesis import GraspGeometry, make_synthesizer
from dexgrasp.types import GraspSet, ObjectPlacement, Observation

PERIOD = 0.01  # [s]
OBJECT = "sugar_box"
ONE, MANY = 1, 256
BOUND_ONE, BOUND_MANY = 1e-3, 20e-6  # [s] of a step, and of a step for each of many worlds


def run(
    hands: Annotated[str, typer.Option(help="names, with commas")] = ",".join(hand_names()),
    controllers: Annotated[str, typer.Option(help="names, with commas")] = ",".join(CONTROLLERS),
) -> None:
    """Print median and 99 % of a step at one world and at many, beside what issue 5 asks for."""
    console = Console(width=None if Console().is_terminal else 120)
    table = Table("hand", "controller", f"N = {ONE}, median", "99 %", f"N = {MANY}, each world",
                  "99 %", title=f"executor and safety, at most {1e3 * BOUND_ONE:.0f} ms and "
                  f"{1e6 * BOUND_MANY:.0f} µs")  # fmt: skip
    for name in hands.split(","):
        hand = HandModel.load(name)
        grasp, seen = recorded(hand)
        for controller in controllers.split(","):
            one = steps(hand, controller, grasp, seen, ONE)
            many = steps(hand, controller, grasp, seen[::4], MANY) / MANY
            table.add_row(
                name, controller, f"{1e3 * np.median(one):.2f} ms",
                f"{1e3 * np.quantile(one, 0.99):.2f} ms", f"{1e6 * np.median(many):.1f} µs",
                f"{1e6 * np.quantile(many, 0.99):.1f} µs",
            )  # fmt: skip
    console.print(table)
    console.print(f"machine: {machine_line()}", highlight=False, soft_wrap=True)


def recorded(hand: HandModel) -> tuple[GraspSet, list[Observation]]:
    """A grasp, a set of one, and what is observed at every step of its execution."""
    simulation = SimulationConfig.load()
    model = load_object(OBJECT)
    placement = ObjectPlacement(model, model.T_table_object)
    geometry = GraspGeometry(model, placement.T_world_object, simulation.table_height)
    grasp = make_synthesizer("optimize", check="lift").synthesize(hand, geometry, 1, 0)[0]
    backend = MujocoBackend(hand, simulation)
    backend.load([placement])
    executor = GraspExecutor(hand, ExecutionConfig.load())
    executor.start(grasp)
    seen = []
    while not executor.finished.all():
        seen.append(backend.observe())
        backend.step(executor.step(seen[-1]), PERIOD)
    backend.close()
    return grasp, seen


def steps(
    hand: HandModel, controller: str, grasp: GraspSet, seen: list[Observation], worlds: int
) -> np.ndarray:
    """(n,) [s] of every step from the first observation to the last."""
    executor = GraspExecutor(hand, ExecutionConfig.load(), worlds, controller)
    executor.start(grasp[np.zeros(worlds, dtype=int)])
    safety = SafetyFilter(hand, SafetyLimits.load(), worlds)
    took = []
    for one in seen:
        many = replace(one, **{f.name: repeated(getattr(one, f.name), worlds) for f in fields(one)})
        start = time.perf_counter()
        safety.filter(executor.step(many), many, many.time)
        took.append(time.perf_counter() - start)
    return np.array(took[5:])  # compiled code is loaded in the first steps


def repeated(value: np.ndarray, worlds: int) -> np.ndarray:
    """`value` of one world for so many."""
    return np.repeat(value, worlds, axis=0)


if __name__ == "__main__":
    typer.run(run)
