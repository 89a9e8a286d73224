"""The survey's tables 5 to 7 for a run, with the survey's own rows."""

from __future__ import annotations

from collections.abc import Callable

from dexgrasp.evaluation.batch_report.definitions import REPORT_ONLY, metric_rows, pass_conditions
from dexgrasp.evaluation.batch_report.run_info import RunInfo
from dexgrasp.evaluation.batch_report.summary import EvaluationSummary
from dexgrasp.evaluation.batch_report.survey import (
    INTENTION,
    MODALITIES,
    PLAUSIBILITY,
    SIMULATION,
    TABLE_5,
    TABLE_6,
)
from dexgrasp.evaluation.markup import Markup, element, join
from dexgrasp.evaluation.report_parts import ABSENT, number, row, section, table
from dexgrasp.evaluation.results import Share

NAMES = {
    SIMULATION: "Simulation",
    PLAUSIBILITY: "Mesh plausibility",
    INTENTION: "Intention",
}
KEY_METRICS = {
    SIMULATION: ("max_height", "drift"),
    PLAUSIBILITY: ("penetration_volume", "contact_area_cm2", "contacts"),
    INTENTION: ("alignment", "visual_consistency", "task_score"),
}
TABLE_5_TITLES = (
    "Modality", "Primary metrics, median", "Pass condition", "Pass", "Behind gates",
    "Mean latency", "Survey: pass", "Survey: latency",
)  # fmt: skip
TABLE_6_TITLES = (
    "Data set", "Hand", "Objects", "Success", "Median height: passed", "all", "Slip",
)  # fmt: skip
TABLE_7_TITLES = ("Metric", "Definition", "Pass condition", "Median", "95th percentile")


def table_5(summary: EvaluationSummary, info: RunInfo) -> Markup:
    """Each modality's figures, condition, pass rates and latency beside the survey's."""
    rows = []
    for modality in MODALITIES:
        name, figures, condition, *others = table_5_cells(modality, summary, info, share_cell)
        rows.append(row(name, _words(figures), _words(condition), *others))
    return section(
        "Modalities (the survey's table 5)",
        element("div", table(TABLE_5_TITLES, rows), class_="scroll"),
        element("p", _table_5_note(summary, info), class_="quiet"),
    )


def table_5_cells(
    modality: str, summary: EvaluationSummary, info: RunInfo, share: Callable[[Share], str]
) -> tuple[str, ...]:
    """A row of table 5, in the order of TABLE_5_TITLES; `share` writes the shares."""
    reference = TABLE_5[modality]
    condition = pass_conditions(info.criteria)[modality]
    return (
        NAMES[modality],
        _key_figures(modality, summary, info),
        condition,
        share(summary.rates.of(modality)),
        ABSENT if modality == SIMULATION else share(summary.rates.gated(modality)),
        duration(summary.seconds[modality].mean),
        f"{reference.rate:.1%}",
        duration(reference.seconds),
    )


def _key_figures(modality: str, summary: EvaluationSummary, info: RunInfo) -> str:
    metrics = {metric.key: metric for metric in metric_rows(info.criteria)}
    parts = [
        f"{metrics[key].name.lower()} {metrics[key].text(summary.figures[key].median)}"
        for key in KEY_METRICS[modality]
        if summary.figures[key].count
    ]
    if modality == SIMULATION and summary.slip.total:
        parts.append(f"slip rate {summary.slip.rate:.1%}")
    return "; ".join(parts) or ABSENT


def _table_5_note(summary: EvaluationSummary, info: RunInfo) -> str:
    words = [
        "Rates with 95% Wilson intervals, over all grasps that the modality judged; behind the "
        "gates: of the grasps that passed the modalities above."
    ]
    if info.criteria.height is not None and summary.lifted.total:
        words.append(
            f"The survey asks for the height at any one moment: {share_text(summary.lifted)} "
            "reach it so; this run also asks that the object is still held at the end."
        )
    return " ".join(words)


def table_6(summary: EvaluationSummary, info: RunInfo) -> Markup:
    """This run's data set above the survey's three."""
    own = row(
        _words(info.source),
        info.hand,
        len(summary.objects),
        share_cell(summary.rates.simulation),
        number(summary.figures["max_height_passed"].median, 2, " m"),
        number(summary.figures["max_height"].median, 2, " m"),
        share_cell(summary.slip),
    )
    theirs = (
        row(
            f"survey: {reference.name}",
            reference.hands,
            reference.objects,
            f"{reference.success:.1%}",
            f"{reference.median_height:.2f} m",
            ABSENT,
            f"{reference.slip:.1%}",
            class_="theirs",
        )
        for reference in TABLE_6
    )
    return section(
        "Data set (the survey's table 6)",
        element("div", table(TABLE_6_TITLES, (own, *theirs)), class_="scroll"),
        element(
            "p",
            "The survey does not say over which grasps its median height is. Over all of them it "
            "could not exceed the 0.25 m that fewer than half reach, so it stands below that of "
            "the grasps that passed.",
            class_="quiet",
        ),
    )


def table_7(summary: EvaluationSummary, info: RunInfo) -> Markup:
    """Definitions and conditions of this run, with the medians."""
    slip = row(
        "Slip rate",
        _words("after the lift began: a spike of speed with a drop"),
        f"{REPORT_ONLY}: > {info.criteria.slip_speed:g} m/s, > {info.criteria.slip_drop:g} m",
        share_cell(summary.slip),
        ABSENT,
    )
    rows = [
        row(
            metric.name,
            _words(metric.definition),
            metric.condition,
            metric.text(summary.figures[metric.key].median),
            metric.text(summary.figures[metric.key].p95),
        )
        for metric in metric_rows(info.criteria)
    ]
    return section(
        "Metrics and pass conditions (the survey's table 7)",
        element("div", table(TABLE_7_TITLES, (rows[0], slip, *rows[1:])), class_="scroll"),
    )


def share_text(share: Share) -> str:
    """`58.7% [53.0, 64.1] of 300`; a dash of nothing."""
    if not share.total:
        return ABSENT
    low, high = share.interval
    return f"{share.rate:.1%} [{100 * low:.1f}, {100 * high:.1f}] of {share.total}"


def share_cell(share: Share) -> Markup:
    """`share_text` on two lines."""
    rate, _, rest = share_text(share).partition(" ")
    return join(rate, element("div", rest, class_="quiet") if rest else None)


def duration(seconds: float) -> str:
    """Milliseconds below one second; a dash for NaN."""
    return number(seconds, 2, " s") if seconds >= 1.0 else number(1e3 * seconds, 1, " ms")


def _words(text: str) -> Markup:
    return element("div", text, class_="words")
