"""The same grasps on MuJoCo and IsaacLab: `python benchmarks/agreement.py --help`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from dexgrasp.evaluation.batch.protocol import Protocol
from dexgrasp.evaluation.batch.trials import Conditions, TrialOutcome, run_trials
from dexgrasp.evaluation.report import machine_line, write_json
from dexgrasp.execution import Fault, fault_words
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import ObjectModel, load_object
from dexgrasp.synthesis import GraspGeometry, make_synthesizer
from dexgrasp.types import GraspSet

OBJECTS = "tomato_soup_can,sugar_box,baseball,mustard_bottle,mug"
BACKENDS = ("mujoco", "isaaclab")


def run(
    hands: Annotated[str, typer.Option(help="names, with commas")] = ",".join(hand_names()),
    objects: Annotated[str, typer.Option(help="of the catalogue, with commas")] = OBJECTS,
    count: Annotated[int, typer.Option(help="grasps of each hand, over all objects")] = 50,
    worlds: Annotated[
        int, typer.Option(help="trials at once in IsaacLab; 1: MuJoCo proper steps them there")
    ] = 10,
    seed: Annotated[int, typer.Option(help="of the synthesis")] = 0,
    protocol: Annotated[
        str, typer.Option(help="survey asks of many objects just the height that it lifts them to")
    ] = "robot",
    output: Annotated[Path, typer.Option(help="file for the figures")] = Path(
        "results/agreement.json"
    ),
) -> None:
    """Success, heights and slip of the same grasps on both."""
    names, rules = objects.split(","), Protocol.load(protocol)
    rows: list[dict[str, Any]] = []
    output.parent.mkdir(parents=True, exist_ok=True)
    for hand in map(HandModel.load, hands.split(",")):
        for name in names:
            model = load_object(name)
            grasps = found(hand, model, -(-count // len(names)), seed)
            rows += compared(hand, model, grasps, rules, worlds)
            write_json(
                output,
                {"machine": machine_line(), "protocol": protocol, "worlds": worlds, "trials": rows},
            )
            print(f"{hand.name} {name}: {len(grasps)} grasps on both", flush=True)
    show(rows, worlds)


def found(hand: HandModel, model: ObjectModel, count: int, seed: int) -> GraspSet:
    """Grasps of an object that stands on its table, in its own frame."""
    T = model.T_table_object
    grasps = make_synthesizer("search").synthesize(hand, GraspGeometry(model, T, 0.0), count, seed)
    return replace(
        grasps,
        frame=model.name,
        T_frame_palm=inverse(T) @ grasps.T_frame_palm,
        approach=grasps.approach @ T[:3, :3],
    )


def compared(
    hand: HandModel, model: ObjectModel, grasps: GraspSet, protocol: Protocol, worlds: int
) -> list[dict[str, Any]]:
    """One row for each grasp, with what became of it on either backend."""
    rows = [{"hand": hand.name, "object": model.name, "grasp": i} for i in range(len(grasps))]
    for backend in BACKENDS:
        for first in range(0, len(grasps), worlds):
            chosen = np.arange(first, min(first + worlds, len(grasps)))
            nominal = Conditions.nominal(len(chosen), model, protocol, hand.joint_count)
            start = time.perf_counter()
            tried = run_trials(hand, model, grasps[chosen], nominal, protocol, backend)
            seconds = (time.perf_counter() - start) / len(chosen)
            for row, outcome in zip(chosen, tried, strict=True):
                rows[row][backend] = figures(outcome) | {"seconds": seconds}
    return rows


def figures(outcome: TrialOutcome) -> dict[str, Any]:
    """Heights and drift [m]."""
    verdict, fault = outcome.verdict, outcome.fault
    return {
        "success": bool(verdict.success),
        "height": float(verdict.max_height),
        "drift": float(outcome.drift),
        "slip": bool(verdict.slip),
        "end": outcome.phase.name + ("" if fault == Fault.NONE else f": {fault_words(fault)}"),
    }


def of(rows: Sequence[dict[str, Any]], backend: str, name: str) -> np.ndarray:
    """(n,) one figure of every row."""
    return np.array([row[backend][name] for row in rows])


def show(rows: list[dict[str, Any]], worlds: int) -> None:
    """Print a line for each hand, and one for each disagreement."""
    console = Console(width=None if Console().is_terminal else 120)
    table = Table(
        "hand", "grasps", *BACKENDS, "disagree", "height mm", "drift mm", "s per trial",
        title=f"The same grasps on both, {worlds} at once in IsaacLab; medians of differences "
        "where both hold", title_justify="left",
    )  # fmt: skip
    for hand in dict.fromkeys(row["hand"] for row in rows):
        mine = [row for row in rows if row["hand"] == hand]
        held = [of(mine, backend, "success") for backend in BACKENDS]
        both = [row for row, a, b in zip(mine, *held, strict=True) if a and b]
        gaps = {
            name: np.abs(of(both, "mujoco", name) - of(both, "isaaclab", name))
            for name in ("height", "drift")
        }
        table.add_row(
            hand, f"{len(mine)}", *(f"{won.sum()}" for won in held),
            f"{(held[0] != held[1]).sum()}",
            *(f"{1e3 * np.median(gap):.2f}" if len(gap) else "-" for gap in gaps.values()),
            " / ".join(f"{of(mine, backend, 'seconds').mean():.1f}" for backend in BACKENDS),
        )  # fmt: skip
    console.print(table)
    for row in rows:
        if row["mujoco"]["success"] != row["isaaclab"]["success"]:
            ends = (f"{b} {row[b]['end']}, {1e3 * row[b]['height']:.0f} mm" for b in BACKENDS)
            name = f"{row['hand']} {row['object']} {row['grasp']}"
            console.print(f"{name}: {'; '.join(ends)}", highlight=False)
    console.print(machine_line(), highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(run)
