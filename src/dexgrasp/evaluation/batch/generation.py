"""Validated grasps of one object and hand, as a Parquet shard: synthesised, tried, measured."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dexgrasp.datasets.stream import grasp_stream, grasp_table
from dexgrasp.errors import DexgraspError
from dexgrasp.evaluation.batch.protocol import Protocol
from dexgrasp.evaluation.batch.shards import ObjectSource, grasp_q1, load_source
from dexgrasp.evaluation.batch.trials import Conditions, run_trials
from dexgrasp.evaluation.plausibility import plausibilities
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel
from dexgrasp.synthesis import Condition, make_synthesizer
from dexgrasp.synthesis.batches import batches
from dexgrasp.synthesis.source import mesh_target
from dexgrasp.types import Array, GraspSet

PROTOCOL = "six_directions"
FRICTIONS = {"valid_06": 0.6, "valid_03": 0.3}  # the survey's grade and Dexonomy's harder one
TRIED_AT_ONCE = 48  # grasps of six worlds each: bounds the memory of a process


@dataclass(frozen=True)
class GenerationJob:
    """A shard: `count` grasps at most of a hand on an object, into the Parquet file `out`."""

    hand: str
    object: ObjectSource
    count: int
    seed: int
    method: str
    out: Path


@dataclass(frozen=True)
class ShardCounts:
    """What a shard holds.

    valid: those that hold at friction 0.6, enter the object by 1 mm at most and have three
    fingers on it (facts/grasping.md).  valid_06, valid_03: those that hold.  words: why there
    are none.  prepare_seconds, synthesis_seconds, validation_seconds: wall clock [s].
    """

    grasps: int = 0
    valid: int = 0
    valid_06: int = 0
    valid_03: int = 0
    prepare_seconds: float = 0.0
    synthesis_seconds: float = 0.0
    validation_seconds: float = 0.0
    words: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def generate_shard(job: GenerationJob) -> ShardCounts:
    """Write the shard of a job; an object that cannot be grasped gives counts with the reason.

    The grasps have held when they were shaken; each is kept with its verdicts under the
    protocol, those that fail it too.
    """
    clock = [time.perf_counter()]
    try:
        hand, model = HandModel.load(job.hand), load_source(job.object)
        target = mesh_target(job.object.mesh, model, job.object.scale)
        _ = target.geometry.model.sdf
        clock.append(time.perf_counter())
        synthesizer = make_synthesizer(job.method, check="shake")
        found = batches(synthesizer, hand, target.geometry, job.count, job.seed, Condition())
        sets = [target.in_file(grasps) for grasps in found]
    except DexgraspError as error:
        return ShardCounts(words=str(error))
    clock.append(time.perf_counter())
    verdicts = [verdict_columns(hand, model, grasps) for grasps in sets]
    clock.append(time.perf_counter())
    with grasp_stream(job.out) as write:
        for grasps, columns in zip(sets, verdicts, strict=True):
            write(grasp_table(grasps, job.object.name, job.object.scale), columns)

    def total(name: str) -> int:
        return int(sum(columns[name].sum() for columns in verdicts))

    prepare, synthesis, validation = np.diff(clock)
    return ShardCounts(
        grasps=sum(map(len, sets)),
        valid=total("valid"),
        valid_06=total("valid_06"),
        valid_03=total("valid_03"),
        prepare_seconds=float(prepare),
        synthesis_seconds=float(synthesis),
        validation_seconds=float(validation),
    )


def verdict_columns(hand: HandModel, model: ObjectModel, grasps: GraspSet) -> dict[str, Array]:
    """Columns (n,) beside the native ones, of grasps in the object's frame.

    kind; valid_06, valid_03: held 1 N along six directions at that friction; depth [m] of the
    hand in the object, self_depth [m] of the hand in itself; contacts: distinct fingertips;
    q1: of the contacts (`shards.grasp_q1`); valid: see `ShardCounts`.
    """
    judged = plausibilities(hand, grasps.grasp, grasps.T_frame_palm, model)
    depth = np.array([p.penetration_depth for p in judged])
    contacts = np.array([p.contact_count for p in judged])
    held = {name: holds(hand, model, grasps, mu) for name, mu in FRICTIONS.items()}
    return {
        "kind": np.array(grasps.kind, dtype=np.str_),
        **held,
        "depth": depth,
        "self_depth": np.array([p.self_penetration for p in judged]),
        "contacts": contacts,
        "q1": np.array([grasp_q1(grasps[i], model) for i in range(len(grasps))]),
        "valid": held["valid_06"] & (depth <= 1e-3) & (contacts >= 3),
    }


def holds(hand: HandModel, model: ObjectModel, grasps: GraspSet, friction: float) -> Array:
    """(n,) bool: grasps in the object's frame that pass the six directions at a friction."""
    protocol = Protocol.load(PROTOCOL).changed({"friction": friction})
    held: list[bool] = []
    for start in range(0, len(grasps), TRIED_AT_ONCE):
        part = grasps[start : start + TRIED_AT_ONCE]
        nominal = Conditions.nominal(len(part), model, protocol, hand.joint_count)
        outcomes = run_trials(hand, model, part, nominal, protocol)
        held += [outcome.verdict.success for outcome in outcomes]
    return np.array(held, dtype=bool)
