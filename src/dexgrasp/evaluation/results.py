"""What one trial came to, and what many of them amount to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dexgrasp.evaluation.pick_record import PickRecord

NOT_MEASURED = math.nan
StackFigures = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Node to figure to its `min`, `median` and `max` over a run, in the figure's own unit."""
NORMAL_QUANTILE_95 = 1.959964  # two-sided 95 %


@dataclass(frozen=True)
class TrialResult:
    """One trial as tables and reports show it; figures that were not measured are NaN.

    phase: the last phase reached, or DONE.  error_code: 0 when nothing failed.
    grasp_score: [0, 1].  max_height: the largest of the centre of mass above the table [m].
    plausible: whether penetration and contacts pass; None when not judged.
    penetration_volume [m^3], contact_area [m^2], contacts: distinct fingertips.
    intended: whether each of the three scores of the intention passes; None when not judged.
    alignment, visual_consistency, task_score: those scores, in [0, 1].
    seconds: wall clock of each stage [s]; through ROS of all attempts together.
    through: `ros` when the nodes ran the trial, `library` when it ran in one process.
    picture, animation: paths relative to the report; empty when absent.
    attempts: how many it took; the other figures are those of the last one.
    """

    object: str
    hand: str
    seed: int
    success: bool
    phase: str
    error_code: int = 0
    error_msg: str = ""
    grasp_kind: str = ""
    grasp_score: float = NOT_MEASURED
    max_height: float = NOT_MEASURED
    slip: bool = False
    plausible: bool | None = None
    penetration_volume: float = NOT_MEASURED
    contact_area: float = NOT_MEASURED
    contacts: int = 0
    intended: bool | None = None
    alignment: float = NOT_MEASURED
    visual_consistency: float = NOT_MEASURED
    task_score: float = NOT_MEASURED
    seconds: dict[str, float] = field(default_factory=dict)
    through: str = "library"
    picture: str = ""
    animation: str = ""
    attempts: int = 1

    @property
    def verdict(self) -> str:
        """`picked`, or why not, in words."""
        if self.success:
            return "picked"
        if self.error_msg:
            return self.error_msg
        return "slipped" if self.slip else "not lifted high enough"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "verdict": self.verdict}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrialResult:
        """The trial of a report.json; figures that are null there were not measured."""
        known = {item.name: values[item.name] for item in fields(cls)}
        for item in fields(cls):
            if item.type == "float" and known[item.name] is None:
                known[item.name] = NOT_MEASURED
        return cls(**known)


@dataclass(frozen=True)
class Share:
    """`passed` of `total`, with the 95 % Wilson score interval of the rate."""

    passed: int
    total: int

    @property
    def rate(self) -> float:
        """Share in [0, 1]; NaN of nothing."""
        return self.passed / self.total if self.total else NOT_MEASURED

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds in [0, 1]."""
        return wilson_interval(self.passed, self.total)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "passed": self.passed,
            "total": self.total,
            "rate": self.rate,
            "interval_95": list(self.interval),
        }


@dataclass(frozen=True)
class Summary:
    """Shares over a set of trials and the latency of every stage.

    seconds: stage to (median, 95th percentile) of its wall clock [s].
    """

    picks: Share
    plausible: Share
    slips: Share
    seconds: dict[str, tuple[float, float]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "picks": self.picks.as_dict(),
            "plausible": self.plausible.as_dict(),
            "slips": self.slips.as_dict(),
            "seconds": {
                stage: {"median": median, "p95": p95}
                for stage, (median, p95) in self.seconds.items()
            },
        }


def result_of_pick(record: PickRecord) -> TrialResult:
    """The last attempt of a trial through the library, as tables and reports show it."""
    last = record.last
    figures: dict[str, Any] = {}
    if last.simulation is not None:
        figures |= {"max_height": last.simulation.max_height, "slip": last.simulation.slip}
    if last.plausibility is not None:
        figures |= {
            "plausible": last.plausibility.passed,
            "penetration_volume": last.plausibility.penetration_volume,
            "contact_area": last.plausibility.contact_area,
            "contacts": last.plausibility.contact_count,
        }
    return TrialResult(
        object=record.object,
        hand=record.hand,
        seed=record.seed,
        success=record.success,
        phase=last.phase,
        error_code=last.error_code,
        error_msg=last.error_msg,
        attempts=len(record.attempts),
        grasp_kind=last.grasp_kind,
        grasp_score=last.grasp_score if last.grasp_kind else NOT_MEASURED,
        seconds=dict(last.seconds),
        **figures,
    )


def wilson_interval(passed: int, total: int) -> tuple[float, float]:
    """95 % score interval of a binomial share (Wilson 1927), (0, 1) when nothing was tried.

    Raises ValueError unless 0 <= passed <= total.
    """
    if not 0 <= passed <= total:
        raise ValueError(f"{passed} of {total} is not a share")
    if total == 0:
        return 0.0, 1.0
    z2 = NORMAL_QUANTILE_95**2
    rate = passed / total
    centre = (rate + z2 / (2 * total)) / (1 + z2 / total)
    spread = math.sqrt(z2 * (rate * (1 - rate) / total + z2 / (4 * total**2))) / (1 + z2 / total)
    return max(0.0, centre - spread), min(1.0, centre + spread)


def summarise(trials: Sequence[TrialResult]) -> Summary:
    """Shares and latencies; plausibility counts only the trials in which it was judged."""
    judged = [t for t in trials if t.plausible is not None]
    return Summary(
        picks=Share(sum(t.success for t in trials), len(trials)),
        plausible=Share(sum(bool(t.plausible) for t in judged), len(judged)),
        slips=Share(sum(t.slip for t in trials), len(trials)),
        seconds=_latencies(trials),
    )


def group_by(trials: Iterable[TrialResult], key: str) -> dict[str, list[TrialResult]]:
    """Trials by one of their text fields (`hand`, `object`, `through`), names sorted."""
    groups: dict[str, list[TrialResult]] = {}
    for trial in trials:
        groups.setdefault(getattr(trial, key), []).append(trial)
    return dict(sorted(groups.items()))


def _latencies(trials: Iterable[TrialResult]) -> dict[str, tuple[float, float]]:
    stages: dict[str, list[float]] = {}
    for trial in trials:
        for stage, value in trial.seconds.items():
            stages.setdefault(stage, []).append(value)
    return {
        stage: (float(np.median(values)), float(np.percentile(values, 95)))
        for stage, values in stages.items()
    }
