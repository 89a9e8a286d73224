"""Figures of execution beside what issue 5 asks for, with 95 % Wilson intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dexgrasp.evaluation.report import machine_line
from dexgrasp.evaluation.results import Share

FIRST = {"allegro_right": 0.80, "leap_right": 0.75}  # floors of issue 5
TRIED_AGAIN = {"allegro_right": 0.92, "leap_right": 0.88}
SLIPS, HARD, DISTURBED = 0.03, 0.80, 0.80
# The survey's failure classes, by parts of the objects' names.
CLASSES = {
    "mugs, bowls, cups": ("mug", "bowl", "cups"),
    "hammers, drills, clamps, screwdrivers": ("hammer", "drill", "clamp", "screwdriver"),
}


@dataclass(frozen=True)
class Line:
    """A trial: its job and its `PickRecord`, as plain values."""

    job: dict[str, Any]
    record: dict[str, Any]

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """Of the trial, in their order."""
        return self.record["attempts"]


@dataclass(frozen=True)
class Figure:
    """A share beside its floor, or its ceiling; None: nothing is asked for."""

    what: str
    share: Share
    bound: float | None = None
    at_most: bool = False

    @property
    def reached(self) -> str:
        """yes, NO, or nothing where nothing is asked for or nothing was measured."""
        if self.bound is None or not self.share.total:
            return ""
        good = self.share.rate <= self.bound if self.at_most else self.share.rate >= self.bound
        return "yes" if good else "NO"


def figures(lines: Sequence[Line], hand: str) -> list[Figure]:
    """Of the trials of one hand."""
    nominal = [line for line in lines if not line.job["disturbed"]]
    disturbed = [line for line in lines if line.job["disturbed"]]
    tries = max(line.job["attempts"] for line in lines)
    result = [
        Figure("first attempt", _first(nominal), FIRST.get(hand)),
        Figure(f"up to {tries} attempts", _picked(nominal), TRIED_AGAIN.get(hand)),
        Figure("slips of what was lifted", _slips(nominal), SLIPS, at_most=True),
    ]
    for name, parts in CLASSES.items():
        own = [line for line in nominal if any(p in line.record["object"] for p in parts)]
        result.append(Figure(name, _picked(own), HARD))
    result.append(Figure("disturbed, first attempt", _first(disturbed)))
    result.append(Figure(f"disturbed, up to {tries}", _picked(disturbed), DISTURBED))
    return [figure for figure in result if figure.share.total]


def _first(lines: Iterable[Line]) -> Share:
    return _share([line.attempts[0]["success"] for line in lines])


def _picked(lines: Iterable[Line]) -> Share:
    return _share([line.record["success"] for line in lines])


def _slips(lines: Iterable[Line]) -> Share:
    lifted = [a for line in lines for a in line.attempts if a["drift"] is not None]
    return _share([a["slipped"] for a in lifted])


def _share(passed: Sequence[bool]) -> Share:
    return Share(sum(passed), len(passed))


def show(lines: Sequence[Line]) -> None:
    """Figures, objects, reasons and times of every hand and controller, and the machine."""
    console = Console(width=None if Console().is_terminal else 140)
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(f"{line.job['hand']} {line.job['controller']}", []).append(line)
    console.print(_figure_table(groups))
    for name, own in groups.items():
        console.print(_object_table(own, name))
        console.print(_reason_table(own, f"{name}: why attempts ended"))
        fallbacks = Counter(a["fallback"] for x in own for a in x.attempts if a.get("fallback"))
        for words, count in fallbacks.items():
            console.print(f"{name}: {count} times the policy gave way: {words}", highlight=False)
        for stage in ("perception", "completion", "synthesis", "execution"):
            took = [a["seconds"][stage] for x in own for a in x.attempts if stage in a["seconds"]]
            if took:
                words = f"median {np.median(took):.2f} s, 95 % {np.quantile(took, 0.95):.2f} s"
                console.print(f"{name} {stage}: {words}", highlight=False)
    console.print(f"machine: {machine_line()}", highlight=False, soft_wrap=True)


def _figure_table(groups: dict[str, list[Line]]) -> Table:
    table = Table("hand and controller", "figure", "trials", "measured", "95 %", "must reach",
                  "reached", title="execution")  # fmt: skip
    for name, lines in groups.items():
        for figure in figures(lines, lines[0].job["hand"]):
            low, high = figure.share.interval
            sign = "≤" if figure.at_most else "≥"
            asked = "" if figure.bound is None else f"{sign} {100 * figure.bound:.0f} %"
            table.add_row(
                name, figure.what, f"{figure.share.passed}/{figure.share.total}",
                f"{100 * figure.share.rate:.1f} %", f"{100 * low:.0f} to {100 * high:.0f} %",
                asked, figure.reached,
            )  # fmt: skip
    return table


def _object_table(lines: Sequence[Line], title: str) -> Table:
    kinds: dict[str, Callable[[Iterable[Line]], Share]] = {"first": _first, "picked": _picked}
    conditions = sorted({line.job["disturbed"] for line in lines})
    names = [f"{kind}{' disturbed' if d else ''}" for d in conditions for kind in kinds]
    table = Table("object", *names, title=title)
    for name in sorted({line.record["object"] for line in lines}):
        own = [line for line in lines if line.record["object"] == name]
        shares = [
            kind([line for line in own if line.job["disturbed"] == d])
            for d in conditions
            for kind in kinds.values()
        ]
        table.add_row(escape(name), *(f"{s.passed}/{s.total}" for s in shares))
    return table


def _reason_table(lines: Sequence[Line], title: str) -> Table:
    reasons = Counter(
        (a["phase"], a["error_msg"] or "not lifted high enough, or not held")
        for line in lines
        for a in line.attempts
        if not a["success"]
    )
    table = Table("phase", "reason", "attempts", title=title)
    for (phase, words), count in reasons.most_common():
        table.add_row(phase, escape(words), str(count))
    return table
