"""What the three modalities say of one grasp under one set of conditions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

NOT_MEASURED = math.nan
JUDGE_FAILED = "the judge failed: "  # how reasons begin that another run may mend


@dataclass(frozen=True)
class GraspRecord:
    """One grasp, tried and judged; figures that were not measured are NaN, verdicts None.

    row: of the grasp in its source.  replicate: 0 for the nominal trial, 1 ... for those with
    randomised conditions, which share the judgements of the static grasp with it.
    mass [kg], friction: of the object in this trial.
    Simulation: phase that was reached last, or DONE; error_code and error_msg of the executor,
    0 and empty when it had nothing to complain of; lifted, held, slip, max_height [m],
    final_height [m] as in `SimulationVerdict`; drift: how far the object moved in the hand
    since the lift began [m]; displacement [m] and rotation [rad] from its first pose.
    Plausibility of the grasp as given: volumes [m^3], depths [m], area [m^2], contacts:
    distinct fingertips; q1: radius of the largest wrench ball, torque over the mean arm.
    Intention: three scores in [0, 1], and the judge's reasons or why it could not judge.
    *_seconds: wall clock that the modality took for this grasp, its share of a batch [s].
    """

    row: int
    replicate: int
    hand: str
    object: str
    mass: float = NOT_MEASURED
    friction: float = NOT_MEASURED
    phase: str = "IDLE"
    error_code: int = 0
    error_msg: str = ""
    success: bool | None = None
    lifted: bool | None = None
    held: bool | None = None
    slip: bool | None = None
    max_height: float = NOT_MEASURED
    final_height: float = NOT_MEASURED
    drift: float = NOT_MEASURED
    displacement: float = NOT_MEASURED
    rotation: float = NOT_MEASURED
    plausible: bool | None = None
    penetration_volume: float = NOT_MEASURED
    penetration_depth: float = NOT_MEASURED
    self_penetration: float = NOT_MEASURED
    table_penetration: float = NOT_MEASURED
    contact_area: float = NOT_MEASURED
    contacts: int = 0
    q1: float = NOT_MEASURED
    intended: bool | None = None
    alignment: float = NOT_MEASURED
    visual_consistency: float = NOT_MEASURED
    task_score: float = NOT_MEASURED
    reasons: str = ""
    simulation_seconds: float = NOT_MEASURED
    plausibility_seconds: float = NOT_MEASURED
    intention_seconds: float = NOT_MEASURED

    @property
    def key(self) -> tuple[int, int]:
        """What tells this record from the others of a run: row and replicate."""
        return self.row, self.replicate

    @property
    def judge_failed(self) -> bool:
        """Whether the judge of the intention failed, which may be otherwise next time."""
        return self.intended is None and self.reasons.startswith(JUDGE_FAILED)

    @property
    def verdict(self) -> str:
        """`passed`, or why the simulation failed, in words."""
        if self.success is None:
            return self.error_msg or "not simulated"
        if self.success:
            return "passed"
        if self.error_msg:
            return self.error_msg
        return "slipped" if self.slip else "not lifted, or moved too far"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for tables and JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GraspRecord:
        """The record of a line of JSON, where NaN is null. Raises KeyError, TypeError."""
        known: dict[str, Any] = {item.name: values[item.name] for item in fields(cls)}
        for item in fields(cls):
            if item.type == "float" and known[item.name] is None:
                known[item.name] = NOT_MEASURED
        return cls(**known)


def by_object(records: Iterable[GraspRecord]) -> dict[str, list[GraspRecord]]:
    """Records of each object, names sorted."""
    groups: dict[str, list[GraspRecord]] = {}
    for record in records:
        groups.setdefault(record.object, []).append(record)
    return dict(sorted(groups.items()))
