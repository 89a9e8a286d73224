"""Time of the intention modality on this machine: `python benchmarks/intention.py --help`.

Grasps are random palms close to catalogue objects with the fingers in their power posture, so
that nothing has to be synthesised. Good grasps cost more: Q1 needs a hull of their contacts.
`touching` gives the times of those with at least three fingers on the object apart.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import trimesh
import typer
from perception import machine
from rich.console import Console
from rich.table import Table

from dexgrasp.evaluation.intention import (
    GeometricJudge,
    IntentionCase,
    IntentionConfig,
    render_grasp,
)
from dexgrasp.evaluation.intention.surface import touch
from dexgrasp.evaluation.plausibility import CONTACT_THRESHOLD
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import ObjectModel, load_object
from dexgrasp.types import Array

OBJECTS = "mug,power_drill,hammer,scissors,mustard_bottle,tennis_ball,cracker_box,bowl"
TARGETS_MS = {"judge_ms": 20.0, "view_ms": 100.0}  # issue 3
INSTRUCTION = "pick it up, and do not touch the blade"
VIEWS = 3
COLUMNS = ("median", "p95", "touching", "first")
FIRM = 3  # fingers on the object, from which a grasp counts as touching
GAP = 0.03  # [m] from the object's box to the grasp frame


def run(
    objects: Annotated[str, typer.Option(help="names or mesh files, with commas")] = OBJECTS,
    grasps: Annotated[int, typer.Option(help="grasps of each object and hand")] = 20,
    size: Annotated[int, typer.Option(help="pixels of a rendered view")] = 512,
    seed: Annotated[int, typer.Option()] = 0,
    output: Annotated[Path, typer.Option(help="file for the figures")] = Path(
        "results/intention.json"
    ),
) -> None:
    """The geometric judge and one rendered view, per grasp; the first of an object apart."""
    judge, rng, rows = GeometricJudge(IntentionConfig.load()), np.random.default_rng(seed), []
    for hand in map(HandModel.load, hand_names()):
        for name in objects.split(","):
            rows += measured(judge, hand, load_object(name), grasps, size, rng)
            print(f"\r{hand.name} {name:30s}", end="", flush=True)
    report = {"machine": machine(), "size": size, "summary": summary(rows), "trials": rows}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=1))
    show(report)


def measured(
    judge: GeometricJudge,
    hand: HandModel,
    model: ObjectModel,
    count: int,
    size: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Times of `count` grasps; `first` marks the one that fills the caches of the object."""
    rows = []
    for index in range(count + 1):
        case = IntentionCase(
            hand, hand.postures["power"], random_palm(hand, model, rng), model, INSTRUCTION
        )
        judged = timed(lambda case=case: judge.judge(case))
        seen = timed(
            lambda case=case: render_grasp(hand, case.q, case.T_object_palm, model, VIEWS, size)
        )
        rows.append(
            {
                "hand": hand.name,
                "object": model.name,
                "first": index == 0,
                "fingers": touching_fingers(case),
                "judge_ms": judged[0],
                "judge_cpu_ms": judged[1],
                "view_ms": seen[0] / VIEWS,
                "view_cpu_ms": seen[1] / VIEWS,
            }
        )
    return rows


def touching_fingers(case: IntentionCase) -> int:
    """How many fingers are within the contact threshold of the object."""
    T_object_link = case.T_object_palm @ case.hand.forward(case.q[None])[0]
    surface = np.asarray(trimesh.sample.sample_surface(case.model.mesh, 2000, seed=0)[0])
    fingers = touch(case.hand, T_object_link, surface, CONTACT_THRESHOLD).finger
    return int(np.isfinite(fingers).any(axis=1).sum())


def random_palm(hand: HandModel, model: ObjectModel, rng: np.random.Generator) -> Array:
    """T_object_palm (4, 4): the grasp frame faces the object from a random direction."""
    approach = rng.normal(size=3)
    approach /= np.linalg.norm(approach)
    across = np.cross(approach, rng.normal(size=3))
    across /= np.linalg.norm(across)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([across, np.cross(approach, across), approach], axis=1)
    reach = 0.5 * np.abs(approach) @ model.mesh.extents + GAP
    pose[:3, 3] = model.mesh.bounds.mean(axis=0) - reach * approach
    return pose @ inverse(hand.T_palm_grasp)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall clock and processor time of a call [ms]."""
    wall, spent = time.perf_counter(), time.process_time()
    work()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - spent)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Median and 95th percentile of all grasps but the first of an object; medians of the rest."""
    again = [row for row in rows if not row["first"]]
    firm = [row for row in again if row["fingers"] >= FIRM]
    result: dict[str, Any] = {"grasps": len(again), "touching": len(firm)}
    for key in ("judge_ms", "judge_cpu_ms", "view_ms", "view_cpu_ms"):
        result[key] = {
            "median": quantile(again, key, 0.5),
            "p95": quantile(again, key, 0.95),
            "touching": quantile(firm, key, 0.5),
            "first": quantile([row for row in rows if row["first"]], key, 0.5),
        }
    return result


def quantile(rows: list[dict[str, Any]], key: str, share: float) -> float:
    """A quantile of a figure, NaN without rows."""
    return float(np.quantile([row[key] for row in rows], share)) if rows else float("nan")


def show(report: dict[str, Any]) -> None:
    """Print the figures beside what the issue asks for."""
    table = Table("figure", "median", "p95", "touching", "first of an object", "asked for")
    for key, target in TARGETS_MS.items():
        for name in (key, key.replace("_ms", "_cpu_ms")):
            values = report["summary"][name]
            figures = [f"{values[column]:.1f}" for column in COLUMNS]
            table.add_row(name, *figures, f"{target:.0f}" if name == key else "")
    console = Console(width=120)
    console.print(table)
    console.print(
        f"{report['summary']['grasps']} grasps, {report['summary']['touching']} touching; "
        f"{report['machine']}"
    )


if __name__ == "__main__":
    typer.run(run)
