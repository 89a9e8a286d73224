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
    def asked(self) -> str:
        """The floor or ceiling in words, or nothing."""
        sign = "≤" if self.at_most else "≥"
        return "" if self.bound is None else f"{sign} {100 * self.bound:.0f} %"

    @property
    def reached(self) -> str:
        """yes, NO, or nothing where nothing is asked for or nothing was measured."""
        if self.bound is None or not self.share.total:
            return ""
        good = self.share.rate <= self.bound if self.at_most else self.share.rate >= self.bound
        return "yes" if good else "NO"


def condition(line: Line) -> str:
    """Under which a trial ran: nominal, disturbed, or untouched, that is without finger forces."""
    if not line.job["tactile"]:
        return "untouched"
    return "disturbed" if line.job["disturbed"] else "nominal"


def figures(lines: Sequence[Line], hand: str) -> list[Figure]:
    """Of the trials of one hand with one controller."""
    nominal = [line for line in lines if condition(line) == "nominal"]
    disturbed = [line for line in lines if condition(line) == "disturbed"]
    untouched = [line for line in lines if condition(line) == "untouched"]
    tries = max(line.job["attempts"] for line in lines)
    result = [
        Figure("first attempt", _first(nominal), FIRST.get(hand)),
        Figure(f"up to {tries} attempts", _picked(nominal), TRIED_AGAIN.get(hand)),
        Figure("dropped, a slip in the survey's words", _drops(nominal), SLIPS, at_most=True),
        Figure("moved > 10 mm or 10° in the hand", _slips(nominal), SLIPS, at_most=True),
        Figure("… in attempts that succeeded", _settled(nominal), SLIPS, at_most=True),
    ]
    for name, parts in CLASSES.items():
        own = [line for line in nominal if any(p in line.record["object"] for p in parts)]
        result.append(Figure(name, _picked(own), HARD))
    result.append(Figure("disturbed, first attempt", _first(disturbed)))
    result.append(Figure(f"disturbed, up to {tries}", _picked(disturbed), DISTURBED))
    result.append(Figure("without tactile sensors, first attempt", _first(untouched)))
    result.append(Figure(f"without tactile sensors, up to {tries}", _picked(untouched)))
    result.append(Figure("without tactile sensors, dropped", _drops(untouched)))
    result.append(Figure("without tactile sensors, moved", _slips(untouched)))
    return [figure for figure in result if figure.share.total]


def _first(lines: Iterable[Line]) -> Share:
    return _share([line.attempts[0]["success"] for line in lines])


def _picked(lines: Iterable[Line]) -> Share:
    return _share([line.record["success"] for line in lines])


def _drops(lines: Iterable[Line]) -> Share:
    """After the lift has begun the object falls more than 0.15 m, faster than 0.2 m/s."""
    return _share([a["simulation"]["slip"] for a in _lifted(lines)])


def _slips(lines: Iterable[Line]) -> Share:
    return _share([a["slipped"] for a in _lifted(lines)])


def _settled(lines: Iterable[Line]) -> Share:
    return _share([a["slipped"] for a in _lifted(lines) if a["success"]])


def _lifted(lines: Iterable[Line]) -> list[dict[str, Any]]:
    return [a for line in lines for a in line.attempts if a["drift"] is not None]


def _share(passed: Sequence[bool]) -> Share:
    return Share(sum(passed), len(passed))


def show(lines: Sequence[Line]) -> None:
    """Figures, objects, reasons and times of every hand and controller, and the machine."""
    console = Console(width=None if Console().is_terminal else 140)
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.job["hand"], line.job["controller"]), []).append(line)
    if len({controller for _, controller in groups}) > 1:
        console.print(comparison_table(groups))
    else:
        console.print(_figure_table(groups))
    for (hand, controller), own in groups.items():
        title = f"{hand}, {controller}"
        console.print(_object_table(own, title))
        console.print(_reason_table(own, f"{title}: why attempts ended"))
        fallbacks = Counter(a["fallback"] for x in own for a in x.attempts if a.get("fallback"))
        for words, count in fallbacks.items():
            console.print(f"{title}: {count} times the policy gave way: {words}", highlight=False)
        for stage in ("perception", "completion", "synthesis", "execution"):
            took = [a["seconds"][stage] for x in own for a in x.attempts if stage in a["seconds"]]
            if took:
                words = f"median {np.median(took):.2f} s, 95 % {np.quantile(took, 0.95):.2f} s"
                console.print(f"{title} {stage}: {words}", highlight=False)
    console.print(f"machine: {machine_line()}", highlight=False, soft_wrap=True)


def comparison_table(groups: dict[tuple[str, str], list[Line]]) -> Table:
    """Figures of each hand with the controllers side by side, and their 95 % intervals.

    groups: trials by hand and controller. A figure that one of them lacks stays empty.
    """
    controllers = list(dict.fromkeys(controller for _, controller in groups))
    table = Table("hand", "figure", *controllers, "must reach", title="controllers, same trials")
    for hand in dict.fromkeys(hand for hand, _ in groups):
        own = {
            controller: {figure.what: figure for figure in figures(groups[hand, controller], hand)}
            for controller in controllers
            if (hand, controller) in groups
        }
        for what in dict.fromkeys(what for measured in own.values() for what in measured):
            found = [own.get(controller, {}).get(what) for controller in controllers]
            cells = ["" if figure is None else _share_words(figure.share) for figure in found]
            table.add_row(hand, what, *cells, next(f for f in found if f is not None).asked)
    return table


def _share_words(share: Share) -> str:
    low, high = share.interval
    words = f"{share.passed}/{share.total} = {100 * share.rate:.0f} %"
    return f"{words} \\[{100 * low:.0f}, {100 * high:.0f}]"


def _figure_table(groups: dict[tuple[str, str], list[Line]]) -> Table:
    table = Table("hand", "figure", "trials", "measured", "95 %", "must reach",
                  "reached", title="execution")  # fmt: skip
    for (hand, _), lines in groups.items():
        for figure in figures(lines, hand):
            low, high = figure.share.interval
            table.add_row(
                hand, figure.what, f"{figure.share.passed}/{figure.share.total}",
                f"{100 * figure.share.rate:.1f} %", f"{100 * low:.0f} to {100 * high:.0f} %",
                figure.asked, figure.reached,
            )  # fmt: skip
    return table


def _object_table(lines: Sequence[Line], title: str) -> Table:
    kinds: dict[str, Callable[[Iterable[Line]], Share]] = {"first": _first, "picked": _picked}
    conditions = sorted({condition(line) for line in lines})
    names = [f"{kind}, {name}" for name in conditions for kind in kinds]
    table = Table("object", *names, title=title)
    for name in sorted({line.record["object"] for line in lines}):
        own = [line for line in lines if line.record["object"] == name]
        shares = [
            kind([line for line in own if condition(line) == wanted])
            for wanted in conditions
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
