"""The tables of a batch in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dexgrasp.evaluation.batch_report.page import verdict_line
from dexgrasp.evaluation.batch_report.run_info import RunInfo
from dexgrasp.evaluation.batch_report.sections import by_success, capped
from dexgrasp.evaluation.batch_report.summary import EvaluationSummary
from dexgrasp.evaluation.batch_report.survey import COMPOSITE, MODALITIES
from dexgrasp.evaluation.batch_report.tables import share_text, table_5_cells
from dexgrasp.evaluation.report_parts import number
from dexgrasp.evaluation.results import Share

MAX_OBJECTS = 40
TITLES = ("modality", "pass", "behind gates", "latency", "survey")


def print_batch_tables(console: Console, summary: EvaluationSummary, info: RunInfo) -> None:
    """Print the modalities, success by object and what was left out."""
    console.print(modality_table(summary, info))
    objects = by_success(summary.objects)
    if objects:
        console.print(object_table(summary))
    for line in summary_lines(summary):
        console.print(Text(line))


def modality_table(summary: EvaluationSummary, info: RunInfo) -> Table:
    """The survey's table 5 for this run, with the survey's figures beside it."""
    table = Table(title=Text(info.title), title_justify="left")
    for title in TITLES:
        table.add_column(title, justify="right" if table.columns else "left", no_wrap=True)
    for modality in MODALITIES:
        cells = table_5_cells(modality, summary, info, _lines)
        table.add_row(*map(Text, _narrow(cells)))
    return table


def _narrow(cells: Sequence[str]) -> list[str]:
    """Without metrics and conditions, which are on the page: 80 columns are few."""
    modality, _, _, *figures, survey_rate, survey_latency = cells
    return [modality, *figures, f"{survey_rate}\n{survey_latency}"]


def _lines(share: Share) -> str:
    """The rate above its interval: a terminal is narrow."""
    return share_text(share).replace(" ", "\n", 1).replace(" of ", "\nof ")


def object_table(summary: EvaluationSummary) -> Table:
    """Success in simulation of each object, the lowest first."""
    table = Table(title="Success by object, lowest first", title_justify="left", show_footer=True)
    table.add_column("object", footer="all")
    success, height = summary.rates.simulation, summary.figures["max_height"].median
    footers = (
        ("success", share_text(success)),
        ("height", number(height, 2, " m")),
        ("slip", _percent(summary.slip)),
    )
    for title, footer in footers:
        table.add_column(title, justify="right", footer=footer, no_wrap=True)
    for item in by_success(summary.objects)[:MAX_OBJECTS]:
        table.add_row(
            Text(item.name),
            share_text(item.rates.simulation),
            number(item.median_height, 2, " m"),
            _percent(item.slip),
        )
    return table


def _percent(share: Share) -> str:
    return share_text(share).partition(" ")[0]


def summary_lines(summary: EvaluationSummary) -> list[str]:
    """The gates, the composite, the randomised trials and the rejected rows, as far as known."""
    lines = [verdict_line(summary)]
    if summary.rates.composite is not None:
        lines.append(f"composite {summary.rates.composite:.3f} (survey {COMPOSITE})")
    if summary.randomised is not None:
        lines.append(f"randomised conditions: {share_text(summary.randomised.success)} succeed")
    if summary.rejected:
        lines.append(f"{summary.rejected} rows were rejected")
    shown = capped(len(by_success(summary.objects)), MAX_OBJECTS).strip()
    return [*lines, f"objects: {shown}"] if shown else lines
