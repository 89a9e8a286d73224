"""Grasps for whole meshes: cost, validity, kinds: `python benchmarks/synthesis.py --help`."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from dexgrasp.errors import ConfigError, NoGraspError
from dexgrasp.evaluation import metrics
from dexgrasp.evaluation.batch.protocol import Protocol
from dexgrasp.evaluation.batch.trials import Conditions, run_trials
from dexgrasp.evaluation.plausibility import MIN_CONTACTS, plausibilities
from dexgrasp.evaluation.report import machine_line, write_json
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import ObjectModel, load_object
from dexgrasp.synthesis import GraspGeometry, make_synthesizer
from dexgrasp.types import GraspSet

SHARED = Path(os.environ.get("DEXGRASP_SHARED", Path(__file__).parents[2] / "shared")) / "data"
MAX_DEPTH = 1e-3  # [m] of penetration into the true mesh that a valid grasp may have (issue 4)
SLIPPERY = 0.3


def run(
    hands: Annotated[str, typer.Option(help="names, with commas")] = ",".join(hand_names()),
    meshes: Annotated[Path, typer.Option(help="folder of meshes with index.json")] = SHARED
    / "ycb_meshes",
    half: Annotated[str, typer.Option(help="develop, report (odd ones) or all")] = "report",
    count: Annotated[int, typer.Option(help="grasps asked for on each object")] = 40,
    method: Annotated[str, typer.Option(help="generator")] = "search",
    seed: Annotated[int, typer.Option()] = 1,
    output: Annotated[Path, typer.Option(help="file for the figures")] = Path(
        "results/synthesis.json"
    ),
) -> None:
    """CPU time per valid grasp and what becomes of them under the six-direction protocol."""
    index = meshes / "index.json"
    if not index.exists():
        raise ConfigError(f"no {index}; give --meshes, or DEXGRASP_SHARED")
    facts = json.loads(index.read_text())
    names = {"develop": sorted(facts)[::2], "report": sorted(facts)[1::2], "all": sorted(facts)}
    if half not in names:
        raise ConfigError(f"half is {half!r}; known: {', '.join(names)}")
    rows = []
    for hand in hands.split(","):
        warm_up(HandModel.load(hand), method)
        for name in names[half]:
            model = load_object(str(meshes / f"{name}.obj"), mass=facts[name]["published_mass_kg"])
            rows.append({"hand": hand, "object": name, **measure(hand, model, method, count, seed)})
            print(f"{hand} {name}: {rows[-1]}", flush=True)
    report = {"machine": machine_line(), "half": half, "method": method, "seed": seed, "rows": rows}
    write_json(output, report)
    show(report)


def warm_up(hand: HandModel, method: str) -> None:
    """Compile and load what every object shares."""
    can = load_object("tomato_soup_can")
    make_synthesizer(method, check="shake").synthesize(hand, GraspGeometry(can, np.eye(4), 0.0), 2)


def measure(name: str, model: ObjectModel, method: str, count: int, seed: int) -> dict[str, Any]:
    """One object: it stands on the table, so that the hand may not come from below."""
    hand = HandModel.load(name)
    start = time.process_time()
    _ = model.sdf, model.voxels, model.parts, model.T_table_object
    prepared = time.process_time() - start
    geometry = GraspGeometry(model, model.T_table_object, 0.0)
    synthesizer = make_synthesizer(method, check="shake")
    start, wall = time.process_time(), time.perf_counter()
    try:
        first = synthesizer.synthesize(hand, geometry, 1, seed)
        first_wall = time.perf_counter() - wall
        start = time.process_time()
        grasps = synthesizer.synthesize(hand, geometry, count, seed)
    except NoGraspError as error:
        cpu = time.process_time() - start
        return {"grasps": 0, "valid": 0, "cpu": cpu, "prepared": prepared, "words": str(error)}
    cpu = time.process_time() - start
    assert len(first)
    return {"cpu": cpu, "prepared": prepared, "first_wall": first_wall} | judge(hand, model, grasps)


def judge(hand: HandModel, model: ObjectModel, grasps: GraspSet) -> dict[str, Any]:
    """Six directions at two frictions, penetration and contacts on the true mesh, diversity."""
    T_object_world = inverse(model.T_table_object)
    grasps = replace(
        grasps,
        frame=model.name,
        T_frame_palm=T_object_world @ grasps.T_frame_palm,
        approach=grasps.approach @ T_object_world[:3, :3].T,
    )
    protocol = Protocol.load("six_directions")
    held = [
        holds(hand, model, grasps, asked)
        for asked in (protocol, protocol.changed({"friction": SLIPPERY}))
    ]
    judged = plausibilities(hand, grasps.grasp, grasps.T_frame_palm, model)
    depth = np.array([p.penetration_depth for p in judged])
    touching = np.array([p.contact_count >= MIN_CONTACTS for p in judged])
    valid = held[0] & (depth <= MAX_DEPTH) & touching
    spread = metrics.diversity(grasps.T_frame_palm, grasps.grasp)
    return {
        "grasps": len(grasps),
        "valid": int(valid.sum()),
        "held": int(held[0].sum()),
        "held_slippery": int(held[1].sum()),
        "depth_p95_mm": 1e3 * float(np.percentile(depth, 95)),
        "kinds": {kind: grasps.kind.count(kind) for kind in sorted(set(grasps.kind))},
        "translation_std_m": spread.translation,
        "rotation_std_rad": spread.rotation,
        "joint_std_rad": spread.joints,
    }


def holds(hand: HandModel, model: ObjectModel, grasps: GraspSet, protocol: Protocol) -> np.ndarray:
    """(n,) bool: which pass the protocol."""
    conditions = Conditions.nominal(len(grasps), model, protocol, hand.joint_count)
    outcomes = run_trials(hand, model, grasps, conditions, protocol)
    return np.array([outcome.verdict.success for outcome in outcomes])


def show(report: dict[str, Any]) -> None:
    """A row for each object and hand, and totals by hand."""
    console = Console(width=None if Console().is_terminal else 120)
    table = Table(
        "hand", "object", "returned", "valid", f"held at {SLIPPERY}", "CPU-s a valid one",
        "first [s]", "prepared [CPU-s]", "kinds",
    )  # fmt: skip
    for row in report["rows"]:
        cost = f"{row['cpu'] / row['valid']:.3f}" if row["valid"] else row.get("words", "-")
        table.add_row(
            row["hand"], row["object"], str(row["grasps"]), str(row["valid"]),
            str(row.get("held_slippery", "-")), cost, f"{row.get('first_wall', np.nan):.2f}",
            f"{row['prepared']:.2f}",
            ", ".join(f"{k} {n}" for k, n in row.get("kinds", {}).items()),
        )  # fmt: skip
    console.print(table)
    for hand in dict.fromkeys(row["hand"] for row in report["rows"]):
        own = [row for row in report["rows"] if row["hand"] == hand]
        total = {
            key: sum(row.get(key, 0) for row in own)
            for key in ("grasps", "valid", "held_slippery", "cpu")
        }
        console.print(
            f"{hand}: {total['valid']} of {total['grasps']} valid, {total['held_slippery']} held "
            f"at friction {SLIPPERY}; {total['cpu'] / max(total['valid'], 1):.3f} CPU-s per valid "
            "grasp, failed objects included (must reach 0.2; Dexonomy 0.8 to 0.9)",
            highlight=False,
        )
    console.print(f"machine: {report['machine']}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(run)
