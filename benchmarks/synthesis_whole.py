"""Whole meshes: cost and validity of many grasps, and the first one of a cold object."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import numpy as np
from synthesis_judge import (
    SLIPPERY,
    Job,
    Setup,
    Thing,
    loaded_hand,
    spread,
    tell,
    timed,
    timed_sets,
    verdicts,
    warm_up,
)
from synthesis_report import Figure, Section, quantile, share, total

from dexgrasp.hands import HandModel
from dexgrasp.synthesis.source import floating, mesh_target
from dexgrasp.types import GraspSet, concatenated

FEWEST = 20  # valid grasps of every object (issue 4)
COST = 0.2  # [CPU-s] for a valid grasp (issue 4); Dexonomy 0.8 to 0.9
VALID = {"allegro_right": 0.95, "leap_right": 0.99}  # share at 0.6 (issue 4)
VALID_SLIPPERY = 0.75  # share at 0.3 (issue 4); Dexonomy 0.58
FIRST = 1.0  # [s] (issue 4)
FLOATING = " without table"  # objects with too few grasps on the table are tried so, too
NOTE = (
    "valid: returned grasps times the valid share of the judged ones, spread over the list; cost "
    "and shares are of objects on the table"
)
TRIES = 4  # best grasps of each set among which a valid one is looked for


def whole(setup: Setup) -> Section:
    """Cost of a valid grasp, failed objects included, and what the judge says of a sample."""
    rows: list[dict[str, Any]] = []
    jobs: list[Job] = []
    judged: list[dict[str, Any]] = []
    for name in setup.hands:
        hand = loaded_hand(name)
        warm_up(setup, hand)
        for thing in setup.things:
            for table in (True, False):
                row, grasps = _many(setup, hand, thing, table)
                rows.append(row)
                tell(
                    f"whole: {name} {row['object']}: {row['returned']} in {row['cpu_s']:.2f} CPU-s"
                )
                if grasps is not None:
                    sample = grasps[spread(len(grasps), setup.judged)]
                    jobs.append(Job(name, thing, sample, slippery=True))
                    judged.append(row)
                if row["returned"] >= FEWEST:
                    break
    for row, verdict in zip(judged, verdicts(jobs, "whole"), strict=True):
        assert verdict.held_slippery is not None
        row["judged"] = len(verdict.held)
        row["valid_share"] = float(verdict.valid.mean())
        row["valid"] = row["returned"] * row["valid_share"]
        row["cost"] = share(row["cpu_s"], row["valid"])
        row["held"] = int(verdict.held.sum())
        row["held_slippery"] = int(verdict.held_slippery.sum())
        row["judged_valid"] = int(verdict.valid.sum())
        row["depth_p95_mm"] = 1e3 * float(np.percentile(verdict.depth, 95))
    columns = (
        "hand", "object", "returned", "judged", "judged_valid", "held", "held_slippery", "valid",
        "cpu_s", "cost", "prepared_cpu_s", "depth_p95_mm", "kinds", "words",
    )  # fmt: skip
    return Section(rows, _whole_figures(setup, rows), columns, [NOTE, *_scarce(rows)])


def _many(
    setup: Setup, hand: HandModel, thing: Thing, table: bool
) -> tuple[dict[str, Any], GraspSet | None]:
    start = time.process_time()
    target = mesh_target(thing.name, thing.load())
    target = target if table else floating(target)
    _ = target.geometry.model.sdf, target.geometry.model.pieces
    prepared = time.process_time() - start
    found = timed(setup.synthesizer(), hand, target.geometry, setup.count, setup.seed)
    name = thing.name if table else f"{thing.name}{FLOATING}"
    row = {"hand": hand.name, "object": name, "returned": 0, "cpu_s": found.cpu}
    row |= {"prepared_cpu_s": prepared, "words": found.words}
    if found.grasps is None:
        return row, None
    kinds = found.grasps.kind
    row |= {"returned": len(kinds), "kinds": {k: kinds.count(k) for k in sorted(set(kinds))}}
    return row, target.in_file(found.grasps)


def _whole_figures(setup: Setup, rows: list[dict[str, Any]]) -> list[Figure]:
    figures = []
    for hand in setup.hands:
        everything = [row for row in rows if row["hand"] == hand]
        own = [row for row in everything if not row["object"].endswith(FLOATING)]
        judged = total(own, "judged")
        valid, cpu = total(own, "valid"), total(own, "cpu_s")
        prepared = total(own, "prepared_cpu_s")
        enough = {row["object"].removesuffix(FLOATING) for row in everything
                  if row.get("valid", 0) >= FEWEST}  # fmt: skip
        poor = sum(row.get("valid", 0) < FEWEST for row in own)
        figures += [
            Figure(hand, "CPU-s a valid grasp, failed objects included",
                   share(cpu, valid) if valid else np.inf, COST, at_most=True),
            Figure(hand, "the same with object preparation",
                   share(cpu + prepared, valid) if valid else np.inf),
            Figure(hand, "object preparation [CPU-s], mean", share(prepared, len(own))),
            Figure(hand, "valid share of the judged at 0.6",
                   share(total(own, "judged_valid"), judged), VALID.get(hand)),
            Figure(hand, f"held share of the judged at {SLIPPERY}",
                   share(total(own, "held_slippery"), judged), VALID_SLIPPERY),
            Figure(hand, f"objects with less than {FEWEST} valid grasps on the table", poor),
            Figure(hand, "the same where the table may be left out", len(own) - len(enough),
                   0, at_most=True),
        ]  # fmt: skip
    return figures


def _scarce(rows: list[dict[str, Any]]) -> list[str]:
    """Which objects have few valid grasps, and the reason where none was returned."""
    return [
        f"{row['hand']} {row['object']}: about {row.get('valid', 0):.0f} valid of "
        f"{row['returned']} returned" + (f"; {row['words']}" if row["words"] else "")
        for row in rows
        if row.get("valid", 0) < FEWEST
    ]


def first(setup: Setup) -> Section:
    """Wall clock from an object's mesh file to the first set, code warm and nothing cached."""
    rows: list[dict[str, Any]] = []
    sets: list[list[tuple[float, GraspSet]]] = []
    for name in setup.hands:
        # A process for each hand: caches of a mesh would make it warm for the second one.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            for row, found in pool.submit(_cold, setup, name).result():
                rows.append(row)
                sets.append(found)
    things = {thing.name: thing for thing in setup.things}
    own = [(row, found) for row, found in zip(rows, sets, strict=True) if found]
    jobs = [Job(r["hand"], things[r["object"]], f[0][1][:1]) for r, f in own]
    again = []
    for (row, found), verdict in zip(own, verdicts(jobs, "first"), strict=True):
        row["best_valid"] = bool(verdict.valid[0])
        if row["best_valid"]:
            row["first_valid_s"] = row["first_s"]
        else:
            again.append((row, found))
    jobs = [
        Job(row["hand"], things[row["object"]], concatenated([s[:TRIES] for _, s in found]))
        for row, found in again
    ]
    for (row, found), verdict in zip(again, verdicts(jobs, "first, others"), strict=True):
        seconds = np.concatenate([np.full(len(s[:TRIES]), at) for at, s in found])
        if verdict.valid.any():
            row["first_valid_s"] = float(seconds[verdict.valid].min())
    columns = ("hand", "object", "load_s", "first_s", "best_valid", "first_valid_s", "words")
    return Section(rows, _first_figures(setup, rows), columns)


def _cold(setup: Setup, name: str) -> list[tuple[dict[str, Any], list[tuple[float, GraspSet]]]]:
    """A row and the timed sets of every object, in a process that has seen none of them."""
    hand, results = loaded_hand(name), []
    synthesizer = setup.synthesizer()
    with _empty_cache():
        warm_up(setup, hand)
        for thing in setup.things:
            start = time.perf_counter()
            model = thing.load()
            loaded = time.perf_counter() - start
            target = mesh_target(thing.name, model)
            stream = synthesizer.stream(hand, target.geometry, setup.count, setup.seed)
            sets, words = timed_sets(stream, start)
            row = {"hand": name, "object": thing.name, "load_s": loaded, "words": words}
            if sets:
                row["first_s"] = sets[0][0]
            results.append((row, [(at, target.in_file(grasps)) for at, grasps in sets]))
            tell(f"first: {name} {thing.name}: {row.get('first_s', np.nan):.2f} s {words}")
    return results


@contextmanager
def _empty_cache() -> Iterator[None]:
    """Nothing that was computed for an object before is on the disk."""
    before = os.environ.get("DEXGRASP_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DEXGRASP_CACHE"] = folder
        try:
            yield
        finally:
            del os.environ["DEXGRASP_CACHE"]
            if before is not None:
                os.environ["DEXGRASP_CACHE"] = before


def _first_figures(setup: Setup, rows: list[dict[str, Any]]) -> list[Figure]:
    figures = []
    for hand in setup.hands:
        own = [row for row in rows if row["hand"] == hand]
        best = share(sum(row.get("best_valid", False) for row in own), len(own))
        figures += [
            Figure(hand, "first valid grasp, cold object [s], median",
                   quantile(own, "first_valid_s", 0.5), FIRST, at_most=True),
            Figure(hand, "first valid grasp, cold object [s], worst",
                   quantile(own, "first_valid_s", 1.0), FIRST, at_most=True),
            Figure(hand, "first set, cold object [s], median", quantile(own, "first_s", 0.5)),
            Figure(hand, "share of first sets whose best grasp is valid", best),
        ]  # fmt: skip
    return figures
