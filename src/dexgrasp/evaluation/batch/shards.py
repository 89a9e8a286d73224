"""One object's share of an evaluation: what a worker is given and what it answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np

from dexgrasp.errors import DexgraspError
from dexgrasp.evaluation import metrics
from dexgrasp.evaluation.batch.completion import complete_grasps
from dexgrasp.evaluation.batch.protocol import Protocol, Randomisation
from dexgrasp.evaluation.batch.trials import Conditions, TrialOutcome, run_trials
from dexgrasp.evaluation.intention import IntentionCase, JudgeError, make_judge
from dexgrasp.evaluation.plausibility import Plausibility, plausibilities
from dexgrasp.evaluation.records import JUDGE_FAILED, GraspRecord
from dexgrasp.execution import Fault, fault_words
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel, load_object
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.types import Array, GraspSet

Modality = Literal["simulation", "plausibility", "intention"]
MODALITIES: tuple[Modality, ...] = ("simulation", "plausibility", "intention")
MAX_FAILURES = 3  # of a judge in a row
Q1_FRICTION = 0.3  # DexGraspBench's, whose normalisation `metrics.q1` has by default


@dataclass(frozen=True)
class EvaluationSettings:
    """What decides the records of a run besides the grasps.

    randomised: how many trials with randomised conditions follow the nominal one of each
    grasp.  density [kg/m3]: of every object, instead of its own mass.
    judge: of the intention modality.  instruction: with `{object}` for the object's name.
    survivors_only: the judge is asked only about grasps that passed what came before.
    """

    protocol: Protocol
    backend: str = "mujoco"
    modalities: tuple[Modality, ...] = MODALITIES
    judge: str = "geometric"
    instruction: str = "pick up the {object}"
    survivors_only: bool = False
    density: float | None = None
    randomised: int = 0
    ranges: Randomisation = field(default_factory=Randomisation.load)
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        values = dict(vars(self))
        return {
            **values,
            "protocol": self.protocol.model_dump(),
            "ranges": self.ranges.model_dump(),
        }


@dataclass(frozen=True)
class ObjectSource:
    """A mesh file or catalogue name, a factor on its lengths, its mass [kg] or density [kg/m3].

    Without either it keeps its own mass.
    """

    name: str
    mesh: str
    scale: float = 1.0
    mass: float | None = None
    density: float | None = None


@dataclass(frozen=True)
class Shard:
    """Trials of k grasps of one object: rows (k,) of the source, replicates (k,).

    T_object_palm: (k, 4, 4).  pregrasp, grasp, squeeze: (k, J) [rad], NaN rows where absent.
    """

    hand: str
    object: ObjectSource
    rows: Array
    replicates: Array
    T_object_palm: Array
    pregrasp: Array
    grasp: Array
    squeeze: Array

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: object) -> Shard:
        """The trials at `index` (a slice, a mask or indices)."""
        arrays = ("rows", "replicates", "T_object_palm", "pregrasp", "grasp", "squeeze")
        return replace(self, **{name: getattr(self, name)[index] for name in arrays})


@dataclass(frozen=True)
class ShardResult:
    """Records of a shard, and the rows that could not be evaluated with the reason in words."""

    records: tuple[GraspRecord, ...]
    rejected: tuple[tuple[int, str], ...] = ()


def evaluate_shard(shard: Shard, settings: EvaluationSettings) -> ShardResult:
    """Judge every trial of a shard. An object that cannot be loaded rejects its grasps."""
    try:
        hand, model = _hand(shard.hand), load_source(shard.object)
    except DexgraspError as error:
        rows = sorted({int(row) for row in shard.rows})
        return ShardResult((), tuple((row, str(error)) for row in rows))
    return ShardResult(tuple(_Bench(hand, model, shard, settings).records()))


@lru_cache(maxsize=4)
def load_source(source: ObjectSource) -> ObjectModel:
    """The object that a shard names. Raises UnknownNameError, MeshError."""
    model = load_object(source.mesh, mass=source.mass, scale=source.scale)
    if source.density is not None:
        mass = source.density * float(model.mesh.volume)
        model = load_object(source.mesh, mass=mass, scale=source.scale)
    model = replace(model, name=source.name)
    # Built here and shared by all shards of the object: no modality's time holds it.
    _ = model.sdf, model.voxels, model.parts, model.T_table_object
    return model


def _warm_up(hand: HandModel, model: ObjectModel, q: Array, T_object_palm: Array) -> None:
    """Compiled code loaded and the object's points built before anything is timed."""
    plausibilities(hand, q[:1], T_object_palm[:1], model)


@cache
def _hand(name: str) -> HandModel:
    return HandModel.load(name)


@cache
def _asker(name: str) -> _Asker:
    return _Asker(name)


class _Bench:
    """The three modalities on one shard. The static ones judge each grasp once."""

    def __init__(
        self, hand: HandModel, model: ObjectModel, shard: Shard, settings: EvaluationSettings
    ) -> None:
        self.hand, self.model, self.shard, self.settings = hand, model, shard, settings
        self.unique, self.trial_of = np.unique(shard.rows, return_inverse=True)
        first = np.array([int(np.argmax(shard.rows == row)) for row in self.unique])
        self.palms, self.q = shard.T_object_palm[first], shard.grasp[first]
        joints = (shard.pregrasp[first], self.q, shard.squeeze[first])
        clearance = settings.protocol.execution_config().clearance
        start = time.perf_counter()
        self.grasps = complete_grasps(
            hand, model, self.palms, joints, clearance, SynthesisConfig.load()
        )
        self.completion_seconds = (time.perf_counter() - start) / len(self.unique)

    def records(self) -> list[GraspRecord]:
        """One for each trial of the shard, in its order."""
        asked = self.settings.modalities
        conditions = self._conditions()
        static = self._static() if "plausibility" in asked else [{} for _ in self.unique]
        simulated = [{} for _ in self.trial_of]
        if "simulation" in asked:
            simulated = self._simulated(conditions)
        intended = [{} for _ in self.unique]
        if "intention" in asked:
            intended = self._intended(static, simulated)
        return [
            GraspRecord(
                row=int(self.shard.rows[i]),
                replicate=int(self.shard.replicates[i]),
                hand=self.hand.name,
                object=self.model.name,
                mass=float(conditions.mass[i]),
                friction=float(conditions.friction[i]),
                **simulated[i],
                **static[grasp],
                **intended[grasp],
            )
            for i, grasp in enumerate(self.trial_of)
        ]

    def _conditions(self) -> Conditions:
        settings, shard = self.settings, self.shard
        joints = self.hand.joint_count
        nominal = Conditions.nominal(len(shard), self.model, settings.protocol, joints)
        generators = [
            np.random.default_rng([settings.seed, int(row), int(replicate)])
            for row, replicate in zip(shard.rows, shard.replicates, strict=True)
        ]
        varied = nominal.randomised(settings.ranges, generators)
        return nominal.where(shard.replicates > 0, varied)

    def _simulated(self, conditions: Conditions) -> list[dict[str, Any]]:
        fit = self._fit()
        start = time.perf_counter()
        outcomes: list[TrialOutcome | None] = [None] * len(fit)
        rows = np.flatnonzero(fit)
        if len(rows):
            grasps = self.grasps[self.trial_of[rows]]
            protocol, backend = self.settings.protocol, self.settings.backend
            tried = run_trials(self.hand, self.model, grasps, conditions[rows], protocol, backend)
            for row, outcome in zip(rows, tried, strict=True):
                outcomes[row] = outcome
        seconds = (time.perf_counter() - start) / len(fit) + self.completion_seconds
        limit = self.settings.protocol.max_penetration
        return [_simulation_figures(outcome, seconds, limit) for outcome in outcomes]

    def _fit(self) -> Array:
        """(k,) bool: the pregrasp penetrates no deeper than the protocol allows."""
        limit = self.settings.protocol.max_penetration
        if limit is None:
            return np.ones(len(self.shard), dtype=bool)
        judged = plausibilities(self.hand, self.grasps.pregrasp, self.palms, self.model)
        deep = [max(p.penetration_depth, p.self_penetration) > limit for p in judged]
        return ~np.array(deep)[self.trial_of]

    def _static(self) -> list[dict[str, Any]]:
        up, height = self.model.T_table_object[2, :3], self.model.T_table_object[2, 3]
        _warm_up(self.hand, self.model, self.q, self.palms)
        start = time.perf_counter()
        judged = plausibilities(self.hand, self.q, self.palms, self.model, np.append(up, height))
        seconds = (time.perf_counter() - start) / len(judged)
        return [
            _plausibility_figures(p, seconds) | {"q1": grasp_q1(self.grasps[i], self.model)}
            for i, p in enumerate(judged)
        ]

    def _intended(
        self, static: Sequence[dict[str, Any]], simulated: Sequence[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        asker = _asker(self.settings.judge)
        instruction = self.settings.instruction.format(object=self.model.name.replace("_", " "))
        passed = np.zeros(len(self.unique), dtype=bool)
        for figures, grasp in zip(simulated, self.trial_of, strict=True):
            passed[grasp] |= figures.get("success", True)
        passed &= [figures.get("plausible", True) for figures in static]
        answers: list[dict[str, Any]] = []
        for i in range(len(self.unique)):
            if self.settings.survivors_only and not passed[i]:
                answers.append({"reasons": "not asked: it failed before"})
                continue
            case = IntentionCase(self.hand, self.q[i], self.palms[i], self.model, instruction)
            answers.append(asker.figures(case))
        return answers


def _simulation_figures(
    outcome: TrialOutcome | None, seconds: float, limit: float | None
) -> dict[str, Any]:
    if outcome is None:
        words = f"the pregrasp penetrates by more than {limit} m: not tried"
        return {"success": False, "error_msg": words, "simulation_seconds": seconds}
    verdict = outcome.verdict
    return {
        "phase": outcome.phase.name,
        "error_code": int(outcome.fault),
        "error_msg": "" if outcome.fault == Fault.NONE else fault_words(outcome.fault),
        "success": verdict.success,
        "lifted": verdict.lifted,
        "held": verdict.held,
        "slip": verdict.slip,
        "max_height": verdict.max_height,
        "final_height": verdict.final_height,
        "drift": outcome.drift,
        "displacement": verdict.displacement,
        "rotation": verdict.rotation,
        "simulation_seconds": seconds,
    }


def _plausibility_figures(p: Plausibility, seconds: float) -> dict[str, Any]:
    return {
        "plausible": p.passed,
        "penetration_volume": p.penetration_volume,
        "penetration_depth": p.penetration_depth,
        "self_penetration": p.self_penetration,
        "table_penetration": p.table_penetration,
        "contact_area": p.contact_area,
        "contacts": p.contact_count,
        "plausibility_seconds": seconds,
    }


class _Asker:
    """Asks the judge, and stops when it keeps failing: a dead server costs seconds a grasp."""

    def __init__(self, name: str) -> None:
        self.judge = make_judge(name)
        self.failures = 0

    def figures(self, case: IntentionCase) -> dict[str, Any]:
        """What goes into the record of one grasp."""
        if self.failures >= MAX_FAILURES:
            return {"reasons": f"{JUDGE_FAILED}it was not asked again after {MAX_FAILURES} times"}
        try:
            scores = self.judge.judge(case)
        except JudgeError as error:
            self.failures += 1
            return {"reasons": f"{JUDGE_FAILED}{error}"}
        except DexgraspError as error:
            return {"reasons": f"not judged: {error}"}
        self.failures = 0
        return {
            "intended": scores.passed,
            "alignment": scores.alignment,
            "visual_consistency": scores.visual_consistency,
            "task_score": scores.task_score,
            "reasons": scores.reasons,
            "intention_seconds": scores.seconds,
        }


def grasp_q1(grasp: GraspSet, model: ObjectModel) -> float:
    """DexGraspBench's Q1 of one grasp: its finger contacts, friction 0.3, 8 edges."""
    points, normals = grasp.contact_points[0], grasp.contact_normals[0]
    touching = np.isfinite(points[:, 0])
    center = np.asarray(model.com)
    return metrics.q1(points[touching], normals[touching], center, Q1_FRICTION)
