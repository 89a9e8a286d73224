"""Single grasps: contact sheet, worst cases, and how they fare when conditions vary."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from dexgrasp.evaluation.batch_report.charts import Stack, histogram
from dexgrasp.evaluation.batch_report.definitions import MM_PER_M
from dexgrasp.evaluation.batch_report.sections import capped
from dexgrasp.evaluation.batch_report.summary import RandomisedSummary, Robustness
from dexgrasp.evaluation.batch_report.tables import share_text
from dexgrasp.evaluation.markup import Markup, element
from dexgrasp.evaluation.records import GraspRecord
from dexgrasp.evaluation.report_parts import (
    ABSENT,
    image,
    number,
    readable,
    row,
    section,
    table,
    tile,
)

MAX_PICTURES = 60
MAX_WORST = 6
MAX_FRAGILE = 10
MARKS = {
    True: ("good", "✓", "passed"),
    False: ("bad", "✗", "failed"),
    None: ("none", ABSENT, "not judged"),
}
MARKS_WORDS = "Marks: simulation, mesh plausibility, intention."


def marks(record: GraspRecord, named: bool = True) -> Markup:
    """A small coloured mark for each modality, with its name or only told by the pointer."""
    verdicts = (("sim", record.success), ("mesh", record.plausible), ("intent", record.intended))
    return element("div", *(_mark(*verdict, named) for verdict in verdicts), class_="marks")


def _mark(name: str, verdict: bool | None, named: bool) -> Markup:
    tone, sign, words = MARKS[verdict]
    text = f"{name} {sign}" if named else sign
    return element("span", text, class_=f"mark {tone}", title=f"{name}: {words}")


def contact_sheet(nominal: Sequence[GraspRecord], pictures: Mapping[int, str]) -> Markup | None:
    """Pictures of grasps with their verdicts; a large set is shown at even distances."""
    pictured = [r for r in nominal if pictures.get(r.row)]
    if not pictured:
        return None
    step = max(1.0, len(pictured) / MAX_PICTURES)
    shown = [pictured[int(i * step)] for i in range(min(len(pictured), MAX_PICTURES))]
    return section(
        "Grasps",
        element("p", MARKS_WORDS + capped(len(pictured), MAX_PICTURES), class_="quiet"),
        element("div", *(_card(r, pictures[r.row]) for r in shown), class_="sheet"),
    )


def _card(record: GraspRecord, picture: str) -> Markup:
    name = readable(record.object)
    return element(
        "article",
        image(picture, f"{name}, row {record.row}", lazy=True),
        element("b", name),
        element("span", f"row {record.row}", class_="quiet"),
        marks(record),
        class_="grasp",
    )


def lowest_score(record: GraspRecord) -> float:
    """The lowest of the three intention scores, which decides; NaN unless all were given."""
    scores = (record.alignment, record.visual_consistency, record.task_score)
    return math.nan if any(map(math.isnan, scores)) else min(scores)


def worst_cases(nominal: Sequence[GraspRecord]) -> Markup | None:
    """The deepest penetration, the largest drift and the lowest intention."""
    lists = (
        _worst(
            "Deepest penetration",
            nominal,
            lambda r: -r.penetration_depth,
            lambda r: number(MM_PER_M * r.penetration_depth, 1, " mm"),
        ),
        _worst(
            "Largest drift",
            nominal,
            lambda r: -r.drift,
            lambda r: number(MM_PER_M * r.drift, 1, " mm"),
        ),
        _worst(
            "Lowest intention score", nominal, lowest_score, lambda r: number(lowest_score(r), 2)
        ),
    )
    shown = [item for item in lists if item is not None]
    if not shown:
        return None
    return section(
        "Worst cases",
        element("p", MARKS_WORDS, class_="quiet"),
        element("div", *shown, class_="columns"),
    )


def _worst(
    title: str,
    nominal: Sequence[GraspRecord],
    order: Callable[[GraspRecord], float],
    figure: Callable[[GraspRecord], str],
) -> Markup | None:
    """The records of lowest `order`; None when it is known of none."""
    known = sorted((r for r in nominal if math.isfinite(order(r))), key=order)
    if not known:
        return None
    rows = (
        row(readable(r.object), str(r.row), figure(r), marks(r, named=False))
        for r in known[:MAX_WORST]
    )
    titles = ("Object", "Row", "Figure", "Verdicts")
    return element("div", element("h3", title), table(titles, rows), class_="panel")


def randomised(summary: RandomisedSummary | None) -> Markup | None:
    """Trials under randomised conditions, and the grasps that only pass the nominal ones."""
    if summary is None:
        return None
    shares = [g.share.rate for g in summary.grasps if g.share.total]
    chart = histogram(
        "Share of its randomised trials that a grasp passes", "share", (Stack("grasps", shares),)
    )
    words = (
        f"{summary.trials} trials of {len(summary.grasps)} grasps"
        f"{_span('mass', summary.mass, ' kg')}{_span('friction', summary.friction, '')}. "
        "The interval counts the trials as independent; those of one grasp are alike, so the "
        "true one is wider."
    )
    return section(
        "Randomised conditions",
        element("p", words, class_="quiet"),
        element(
            "div",
            tile("Success", summary.success, None),
            tile("Slips", summary.slip, None),
            class_="tiles",
        ),
        element(
            "div",
            element("div", chart, class_="panel"),
            _fragile(summary.grasps),
            class_="columns",
        ),
    )


def _span(name: str, limits: tuple[float, float], unit: str) -> str:
    low, high = limits
    return f", {name} {low:.3g} to {high:.3g}{unit}" if math.isfinite(low) else ""


def _fragile(grasps: Sequence[Robustness]) -> Markup | None:
    """Grasps whose nominal trial passes, the least robust first."""
    fragile = [g for g in grasps if g.nominal and 0 < g.share.total > g.share.passed]
    fragile.sort(key=lambda g: (g.share.rate, g.row))
    if not fragile:
        return None
    rows = (row(readable(g.object), str(g.row), share_text(g.share)) for g in fragile[:MAX_FRAGILE])
    title = element("h3", "Fragile: nominal passes, randomised does not always")
    return element(
        "div",
        title,
        element("p", capped(len(fragile), MAX_FRAGILE).strip(), class_="quiet"),
        table(("Object", "Row", "Randomised success"), rows),
        class_="panel",
    )
