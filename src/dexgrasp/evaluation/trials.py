"""Planned trials of objects on robots and simulators: what was asked for, and what came of it.

A folder holds `plan.yaml`, `trials.jsonl` with one line per finished trial, and the report,
pictures and recording of each sitting. Whoever opens it again goes on where it ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table

from dexgrasp.config import load_config
from dexgrasp.errors import ConfigError, UnknownNameError
from dexgrasp.evaluation.report import plain
from dexgrasp.evaluation.results import Share, TrialResult
from dexgrasp.hands import hand_names
from dexgrasp.hardware.robots import HARDWARE_TYPES, SIMULATED
from dexgrasp.objects import object_names

PLAN_FILE, LOG_FILE = "plan.yaml", "trials.jsonl"
TRUTH, OPERATOR = "truth", "operator"
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class TrialsPlan(BaseModel):
    """What to try: every object so often on every kind of hardware.

    hardware: names of `ros2_control_hardware_type`, one after the other.  objects: catalogue
    names; without a simulated world also any other words that tell the operator what to place.
    seed: of the first repetition; the next has one more.  photo_topic: an `rgb8` or `bgr8` image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hand: str
    hardware: Names
    objects: Names
    repetitions: Annotated[int, Field(ge=1)]
    seed: int = 0
    photo_topic: str = "overview/image"

    @classmethod
    def load(cls, path: Path) -> TrialsPlan:
        """A plan whose names are known. Raises ConfigError, UnknownNameError."""
        plan = load_config(path, cls)
        if plan.hand not in hand_names():
            raise UnknownNameError("hand", plan.hand, hand_names())
        for kind in plan.hardware:
            if kind not in HARDWARE_TYPES:
                raise UnknownNameError("hardware type", kind, HARDWARE_TYPES)
        for name in plan.objects if set(plan.hardware) & set(SIMULATED) else ():
            if name not in object_names():
                raise UnknownNameError("object", name, object_names())
        return plan


@dataclass(frozen=True)
class Planned:
    """One trial that is to be."""

    hardware: str
    object: str
    seed: int


@dataclass(frozen=True)
class Entry:
    """One finished trial. judge: `truth` or `operator`.  suggested: what the stack thought."""

    hardware: str
    judge: str
    suggested: bool
    trial: TrialResult

    @property
    def planned(self) -> Planned:
        """What it was of the plan."""
        return Planned(self.hardware, self.trial.object, self.trial.seed)


class TrialLog:
    """The finished trials of `plan` in `folder`, old ones included.

    Raises ConfigError when the folder holds another plan's trials.
    """

    def __init__(self, folder: Path, plan: TrialsPlan) -> None:
        self.folder, self.plan = folder, plan
        self._file = folder / LOG_FILE
        kept = folder / PLAN_FILE
        if kept.exists() and load_config(kept, TrialsPlan) != plan:
            raise ConfigError(f"{folder} holds trials of another plan: choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False))
        self.entries = self._read()

    def _read(self) -> list[Entry]:
        """What is in the file, less a last line that an interruption cut off."""
        if not self._file.exists():
            return []
        text = self._file.read_text()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self._file.write_text(whole)
        lines = (json.loads(line) for line in whole.splitlines())
        return [Entry(**{**line, "trial": TrialResult.from_dict(line["trial"])}) for line in lines]

    def add(self, entry: Entry) -> None:
        """Keep a finished trial."""
        self.entries.append(entry)
        line = json.dumps(plain({**vars(entry), "trial": entry.trial.as_dict()}))
        with self._file.open("a") as file:
            file.write(f"{line}\n")

    def remaining(self, hardware: str) -> list[Planned]:
        """Trials on `hardware` that are not finished, all objects once before any comes again."""
        done = {entry.planned for entry in self.entries}
        plan = self.plan
        every = (
            Planned(hardware, name, plan.seed + repetition)
            for repetition in range(plan.repetitions)
            for name in plan.objects
        )
        return [planned for planned in every if planned not in done]


def side_by_side(plan: TrialsPlan, entries: Sequence[Entry]) -> Table:
    """Success with its 95 % Wilson interval: a row per object, a column per hardware."""
    table = Table("object", *plan.hardware, title=f"{plan.hand}: picks, with 95 % intervals")
    for name in plan.objects:
        table.add_row(name, *_shares(plan, [e for e in entries if e.trial.object == name]))
    table.add_row("all", *_shares(plan, entries), style="bold")
    return table


def _shares(plan: TrialsPlan, entries: Iterable[Entry]) -> list[str]:
    known = list(entries)
    return [_words([e for e in known if e.hardware == kind]) for kind in plan.hardware]


def _words(entries: Sequence[Entry]) -> str:
    share = Share(sum(entry.trial.success for entry in entries), len(entries))
    if not share.total:
        return "not tried"
    low, high = share.interval
    return f"{share.passed} of {share.total}  ({100 * low:.0f} to {100 * high:.0f} %)"
