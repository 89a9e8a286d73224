"""Success by object, failures, distributions, rejected rows and figures of the whole set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from dexgrasp.evaluation.batch_report.charts import Stack, count_bars, histogram
from dexgrasp.evaluation.batch_report.definitions import MM_PER_M
from dexgrasp.evaluation.batch_report.run_info import RunInfo
from dexgrasp.evaluation.batch_report.summary import EvaluationSummary, ObjectSummary
from dexgrasp.evaluation.batch_report.tables import share_text
from dexgrasp.evaluation.markup import Markup, element
from dexgrasp.evaluation.records import GraspRecord
from dexgrasp.evaluation.report_parts import ABSENT, bar, number, readable, row, section, table

MAX_OBJECTS = 60
MAX_REASONS = 12
MAX_REJECTED = 50


def by_success(objects: Sequence[ObjectSummary]) -> list[ObjectSummary]:
    """Objects that were simulated, the lowest success first; those of equal success by name."""
    simulated = [o for o in objects if o.rates.simulation.total]
    return sorted(simulated, key=lambda o: (o.rates.simulation.rate, o.name))


def success_by_object(summary: EvaluationSummary) -> Markup | None:
    """A bar with its Wilson interval per object."""
    objects = by_success(summary.objects)
    if not objects:
        return None
    words = "Simulation, lowest first, with 95% Wilson interval and median of the largest heights."
    return section(
        "Success by object",
        element("p", words + capped(len(objects), MAX_OBJECTS), class_="quiet"),
        element("div", *map(_object_line, objects[:MAX_OBJECTS]), class_="panel objects"),
    )


def _object_line(item: ObjectSummary) -> Markup:
    share = item.rates.simulation
    return element(
        "div",
        element("span", readable(item.name)),
        bar(share, None),
        element("span", share_text(share), class_="number"),
        element("span", number(item.median_height, 2, " m"), class_="number quiet"),
        class_="object",
    )


def failures(summary: EvaluationSummary) -> Markup | None:
    """The last phase and the reason of the trials that failed."""
    count = sum(summary.failure_phases.values())
    if not count:
        return None
    phases = {readable(name.lower()): n for name, n in summary.failure_phases.items()}
    reasons = dict(list(summary.failure_reasons.items())[:MAX_REASONS])
    words = f"{count} trials failed, {summary.faults} trials ended with an error code."
    return section(
        "Failures",
        element("p", words + capped(len(summary.failure_reasons), MAX_REASONS), class_="quiet"),
        element(
            "div",
            element("div", element("h3", "Last phase"), count_bars(phases), class_="panel"),
            element("div", element("h3", "Reason"), count_bars(reasons), class_="panel"),
            class_="columns",
        ),
    )


def distributions(nominal: Sequence[GraspRecord], info: RunInfo) -> Markup:
    """Histograms of the height, by success, and of the drift, by slip."""
    passed = [r for r in nominal if r.success]
    failed = [r for r in nominal if r.success is False]
    slipped = [r for r in nominal if r.slip]
    firm = [r for r in nominal if r.slip is False]
    height = histogram(
        "Largest height",
        "m above the table",
        (
            Stack("passed", [r.max_height for r in passed]),
            Stack("failed", [r.max_height for r in failed]),
        ),
        info.criteria.height,
    )
    drift = histogram(
        "Drift in the hand",
        "mm since the lift began",
        (
            Stack("no slip", [MM_PER_M * r.drift for r in firm]),
            Stack("slip", [MM_PER_M * r.drift for r in slipped]),
        ),
    )
    return section(
        "Height and slip",
        element("p", "Values beyond an axis are counted in its outer bars.", class_="quiet"),
        element(
            "div",
            element("div", height, class_="panel"),
            element("div", drift, class_="panel"),
            class_="columns",
        ),
    )


def rejected_rows(rejected: Sequence[tuple[int, str]], tried: int) -> Markup:
    """The rows of the source that could not be tried, and why."""
    if not rejected:
        return section("Rejected rows", element("p", "No row was rejected.", class_="quiet"))
    rows = (row(str(place), reason) for place, reason in rejected[:MAX_REJECTED])
    words = f"{len(rejected)} of {len(rejected) + tried} rows could not be tried."
    return section(
        "Rejected rows",
        element("p", words + capped(len(rejected), MAX_REJECTED), class_="quiet"),
        element("div", table(("Row", "Reason"), rows), class_="scroll"),
    )


def set_metrics(metrics: Mapping[str, float]) -> Markup | None:
    """Figures of the whole set."""
    if not metrics:
        return None
    rows = (row(readable(name), significant(value)) for name, value in metrics.items())
    return section("The whole set", table(("Metric", "Value"), rows, class_="narrow"))


def significant(value: float) -> str:
    """Four significant digits; a dash for NaN."""
    return f"{value:.4g}" if math.isfinite(value) else ABSENT


def capped(total: int, limit: int) -> str:
    """How many a list shows and where the others are; empty when it shows all."""
    return f" {limit} of {total} are shown; all are in report.json." if total > limit else ""
