"""What a run was: the part of a report that the records do not tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dexgrasp.evaluation.simulation import TrialCriteria


@dataclass(frozen=True)
class RunInfo:
    """One run of the batch evaluator.

    source: the file and its format.  configuration: the resolved protocol and whatever else
    decided the outcome.  rerun: the shell command that repeats the run.
    wall_seconds: of the whole run [s].  rejected: (row, words) of the rows that could not be
    tried.  metrics: figures of the whole set, by name, each in the unit that its name tells.
    pictures: row to the path of its picture, relative to the report's folder.
    criteria: what the simulation asked of a trial.  created: local time, ISO 8601.
    """

    title: str
    source: str
    protocol: str
    configuration: Mapping[str, Any]
    hand: str
    rerun: str
    wall_seconds: float
    rejected: tuple[tuple[int, str], ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[int, str] = field(default_factory=dict)
    criteria: TrialCriteria = field(default_factory=TrialCriteria)
    created: str = field(default_factory=lambda: datetime.now().isoformat(timespec="seconds"))
