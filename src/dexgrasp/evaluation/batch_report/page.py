"""The page of a batch: one file that opens from disk, with relative links to its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dexgrasp.evaluation.batch_report.grasps import contact_sheet, randomised, worst_cases
from dexgrasp.evaluation.batch_report.run_info import RunInfo
from dexgrasp.evaluation.batch_report.sections import (
    distributions,
    failures,
    rejected_rows,
    set_metrics,
    success_by_object,
)
from dexgrasp.evaluation.batch_report.style import BATCH_STYLE
from dexgrasp.evaluation.batch_report.summary import EvaluationSummary
from dexgrasp.evaluation.batch_report.survey import (
    COMPOSITE,
    COMPOSITE_WEIGHTS,
    MODALITIES,
    TABLE_5,
)
from dexgrasp.evaluation.batch_report.tables import NAMES, duration, table_5, table_6, table_7
from dexgrasp.evaluation.markup import Markup, element
from dexgrasp.evaluation.records import GraspRecord
from dexgrasp.evaluation.report_parts import (
    ABSENT,
    details,
    document,
    files_and_rerun,
    key_values,
    percent,
    tile,
)


def render_batch_page(
    records: Sequence[GraspRecord],
    summary: EvaluationSummary,
    info: RunInfo,
    configuration: str,
    environment: Mapping[str, str],
    files: Sequence[str],
) -> str:
    """The whole document. configuration: as YAML; files: that lie beside the page."""
    nominal = [r for r in records if r.replicate == 0]
    return document(
        info.title,
        BATCH_STYLE,
        _header(summary, info),
        _tiles(summary),
        table_5(summary, info),
        table_6(summary, info),
        table_7(summary, info),
        success_by_object(summary),
        failures(summary),
        distributions(nominal, info),
        contact_sheet(nominal, info.pictures),
        worst_cases(nominal),
        randomised(summary.randomised),
        rejected_rows(info.rejected, summary.grasps),
        set_metrics(info.metrics),
        files_and_rerun(files, info.rerun),
        details("Configuration", element("pre", configuration)),
        details("Machine and versions", key_values(environment)),
    )


def _header(summary: EvaluationSummary, info: RunInfo) -> Markup:
    facts = (
        info.source,
        info.hand,
        f"protocol {info.protocol}",
        f"{duration(info.wall_seconds)} for {summary.trials} trials",
        info.created.replace("T", " "),
    )
    return element(
        "header",
        element("h1", info.title),
        element("p", verdict_line(summary), class_="lead"),
        element("p", " · ".join(facts), class_="quiet"),
    )


def verdict_line(summary: EvaluationSummary) -> str:
    """How many grasps are left behind each gate, in one sentence."""
    rates = summary.rates
    passed, total = rates.simulation.passed, rates.simulation.total
    line = f"{passed} of {total} grasps pass the simulation"
    for words, gate in (("mesh", rates.gated_plausibility), ("intention", rates.gated_intention)):
        if gate.total:
            judged = (
                "these" if gate.total == passed else f"the {gate.total} of these that it judged"
            )
            line += f", {gate.passed} of {judged} the {words}"
        passed = gate.passed
    if rates.all_three.total:
        share = rates.all_three
        low, high = share.interval
        line += (
            f": {share.passed} of {share.total} pass all three, {percent(share.rate)} "
            f"(95% interval {low:.0%} to {high:.0%})"
        )
    if rates.undecided:
        line += f"; {rates.undecided} not judged by all three"
    return line + "."


def _tiles(summary: EvaluationSummary) -> Markup:
    return element(
        "section",
        *(tile(NAMES[m], summary.rates.of(m), TABLE_5[m].rate) for m in MODALITIES),
        _composite(summary),
        class_="tiles",
    )


def _composite(summary: EvaluationSummary) -> Markup:
    value = summary.rates.composite
    weights = " + ".join(
        f"{w:.2f} {NAMES[m].split()[0].lower()}" for m, w in COMPOSITE_WEIGHTS.items()
    )
    words = "needs all three modalities" if value is None else f"{weights}; weights inferred"
    return element(
        "div",
        element("div", "Composite", class_="label"),
        element("div", ABSENT if value is None else f"{value:.3f}", class_="figure"),
        element("div", words, class_="quiet"),
        element("div", f"survey: {COMPOSITE}", class_="quiet"),
        class_="tile",
    )
