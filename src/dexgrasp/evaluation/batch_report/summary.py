"""What the records of a run amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from dexgrasp.evaluation.batch_report.rates import Rates, rates_of, share_of
from dexgrasp.evaluation.batch_report.survey import MODALITIES
from dexgrasp.evaluation.records import NOT_MEASURED, GraspRecord, by_object
from dexgrasp.evaluation.results import Share
from dexgrasp.execution import Phase

CM2_PER_M2 = 1e4


@dataclass(frozen=True)
class Spread:
    """Of the `count` finite ones among some figures: NaN of nothing."""

    count: int
    mean: float
    median: float
    p95: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of figures of one unit; those that are not finite were not measured."""
        # Sorted: the mean's last digit must not depend on which worker came first.
        finite = np.array(sorted(value for value in values if np.isfinite(value)))
        if not len(finite):
            return cls(0, NOT_MEASURED, NOT_MEASURED, NOT_MEASURED)
        median, p95 = np.percentile(finite, (50, 95))
        return cls(len(finite), float(finite.mean()), float(median), float(p95))


@dataclass(frozen=True)
class ObjectSummary:
    """The grasps of one object. median_height [m]: of the largest heights."""

    name: str
    grasps: int
    rates: Rates
    slip: Share
    median_height: float


@dataclass(frozen=True)
class Robustness:
    """How one grasp fares when its conditions vary.

    nominal: whether its nominal trial succeeds; None without one.  share: of its randomised
    trials that succeed.
    """

    row: int
    object: str
    nominal: bool | None
    share: Share


@dataclass(frozen=True)
class RandomisedSummary:
    """Trials under randomised conditions (replicate >= 1).

    success, slip: over all trials.  grasps: by row.  mass [kg], friction: lowest and highest
    that was tried; NaN where unknown.
    """

    trials: int
    success: Share
    slip: Share
    grasps: tuple[Robustness, ...]
    mass: tuple[float, float]
    friction: tuple[float, float]


@dataclass(frozen=True)
class EvaluationSummary:
    """A whole run. All but `randomised` is over the nominal trials (replicate 0).

    grasps: nominal trials.  trials: all.  rejected: rows of the source that could not be
    tried.  faults: nominal trials that ended with an error code.
    lifted: share that met the height, whether or not the object was still held at the end:
    the survey's whole criterion.
    figures: name to spread, in the units of `GraspRecord`; `max_height_passed` is over the
    grasps that passed the simulation, `contact_area_cm2` in cm2.
    seconds: modality to spread of the wall clock per grasp [s].
    failure_phases: last phase of the failed trials to their count, in the order of the phases.
    failure_reasons: words to count, the most frequent first; details behind `;` are left out.
    Nothing depends on the order of the records.
    """

    grasps: int
    trials: int
    rejected: int
    faults: int
    rates: Rates
    lifted: Share
    slip: Share
    figures: Mapping[str, Spread]
    seconds: Mapping[str, Spread]
    objects: tuple[ObjectSummary, ...]
    failure_phases: Mapping[str, int]
    failure_reasons: Mapping[str, int]
    randomised: RandomisedSummary | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; every share has its 95 % Wilson interval."""
        return {**_plain_fields(self), "composite": self.rates.composite}


FIGURES: dict[str, Callable[[GraspRecord], float]] = {
    "max_height": lambda r: r.max_height,
    "max_height_passed": lambda r: r.max_height if r.success else NOT_MEASURED,
    "drift": lambda r: r.drift,
    "displacement": lambda r: r.displacement,
    "rotation": lambda r: r.rotation,
    "penetration_volume": lambda r: r.penetration_volume,
    "penetration_depth": lambda r: r.penetration_depth,
    "self_penetration": lambda r: r.self_penetration,
    "table_penetration": lambda r: r.table_penetration,
    "contact_area_cm2": lambda r: CM2_PER_M2 * r.contact_area,
    "contacts": lambda r: NOT_MEASURED if r.plausible is None else float(r.contacts),
    "q1": lambda r: r.q1,
    "alignment": lambda r: r.alignment,
    "visual_consistency": lambda r: r.visual_consistency,
    "task_score": lambda r: r.task_score,
}


def summarise_records(records: Sequence[GraspRecord], rejected: int = 0) -> EvaluationSummary:
    """Summarise a run, of which `rejected` rows could not be tried.

    Raises ValueError when a grasp has two trials of one number: they would count twice.
    """
    _refuse_duplicates(records)
    nominal = [r for r in records if r.replicate == 0]
    failed = [r for r in nominal if r.success is False or (r.success is None and r.error_code)]
    return EvaluationSummary(
        grasps=len(nominal),
        trials=len(records),
        rejected=rejected,
        faults=sum(r.error_code != 0 for r in nominal),
        rates=rates_of(nominal),
        lifted=share_of(r.lifted for r in nominal),
        slip=share_of(r.slip for r in nominal),
        figures={name: Spread.of(map(figure, nominal)) for name, figure in FIGURES.items()},
        seconds={m: Spread.of(getattr(r, f"{m}_seconds") for r in nominal) for m in MODALITIES},
        objects=tuple(_object(name, group) for name, group in by_object(nominal).items()),
        failure_phases=_by_phase(failed),
        failure_reasons=_by_reason(failed),
        randomised=_randomised(records, nominal),
    )


def _refuse_duplicates(records: Sequence[GraspRecord]) -> None:
    (key, count), *_ = Counter(r.key for r in records).most_common(1) or [((0, 0), 0)]
    if count > 1:
        raise ValueError(
            f"row {key[0]}, replicate {key[1]} has {count} records; give each trial once"
        )


def _object(name: str, group: Sequence[GraspRecord]) -> ObjectSummary:
    return ObjectSummary(
        name=name,
        grasps=len(group),
        rates=rates_of(group),
        slip=share_of(r.slip for r in group),
        median_height=Spread.of(r.max_height for r in group).median,
    )


def _by_phase(failed: Iterable[GraspRecord]) -> dict[str, int]:
    """Counts in the order of the phases; names that are none come last."""
    order = {phase.name: int(phase) for phase in Phase}
    counts = Counter(r.phase for r in failed)
    return dict(sorted(counts.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


def _by_reason(failed: Iterable[GraspRecord]) -> dict[str, int]:
    counts = Counter(r.verdict.partition(";")[0] for r in failed)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _randomised(
    records: Sequence[GraspRecord], nominal: Sequence[GraspRecord]
) -> RandomisedSummary | None:
    varied = sorted((r for r in records if r.replicate > 0), key=lambda r: r.key)
    if not varied:
        return None
    verdicts = {r.row: r.success for r in nominal}
    groups: dict[int, list[GraspRecord]] = {}
    for record in varied:
        groups.setdefault(record.row, []).append(record)
    return RandomisedSummary(
        trials=len(varied),
        success=share_of(r.success for r in varied),
        slip=share_of(r.slip for r in varied),
        grasps=tuple(
            Robustness(row, group[0].object, verdicts.get(row), share_of(r.success for r in group))
            for row, group in groups.items()
        ),
        mass=_range(r.mass for r in varied),
        friction=_range(r.friction for r in varied),
    )


def _range(values: Iterable[float]) -> tuple[float, float]:
    finite = [value for value in values if np.isfinite(value)]
    return (min(finite), max(finite)) if finite else (NOT_MEASURED, NOT_MEASURED)


def _plain_fields(value: Any) -> dict[str, Any]:
    return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}


def _plain(value: Any) -> Any:
    if isinstance(value, Share):
        return value.as_dict()
    if is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
