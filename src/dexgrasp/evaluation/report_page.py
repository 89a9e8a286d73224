"""The page of a report: one file that opens from disk, with relative links to its media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dexgrasp.evaluation.markup import Markup, element
from dexgrasp.evaluation.report_parts import (
    ABSENT,
    SURVEY_PICK_RATE,
    SURVEY_PLAUSIBLE_RATE,
    details,
    document,
    files_and_rerun,
    image,
    key_values,
    number,
    readable,
    row,
    section,
    table,
    tile,
    yes_or_no,
)
from dexgrasp.evaluation.report_style import STYLE
from dexgrasp.evaluation.results import StackFigures, Summary, TrialResult


@dataclass(frozen=True)
class PageContent:
    """All that the page shows; `recordings` are paths relative to the page."""

    title: str
    created: str
    rerun: str
    trials: Sequence[TrialResult]
    summary: Summary
    configuration: str
    recordings: Sequence[str]
    stack: StackFigures
    environment: Mapping[str, str]


def render_page(content: PageContent) -> str:
    """The whole document."""
    return document(
        content.title,
        STYLE,
        _header(content),
        _summary(content.summary),
        _trial_table(content.trials),
        _gallery(content.trials),
        _latencies(content.summary),
        files_and_rerun(("report.json", "config.yaml", *content.recordings), content.rerun),
        details("The nodes while they worked", _stack(content.stack)) if content.stack else None,
        details("Configuration", element("pre", content.configuration)),
        details("Machine and versions", key_values(content.environment)),
    )


def _header(content: PageContent) -> Markup:
    picks = content.summary.picks
    hands = sorted({trial.hand for trial in content.trials})
    return element(
        "header",
        element("h1", content.title),
        element("p", f"{picks.passed} of {picks.total} picks succeeded", class_="lead"),
        element("p", f"{', '.join(hands)} · {content.created.replace('T', ' ')}", class_="quiet"),
    )


def _summary(summary: Summary) -> Markup:
    return element(
        "section",
        tile("Picks", summary.picks, SURVEY_PICK_RATE),
        tile("Plausible grasps", summary.plausible, SURVEY_PLAUSIBLE_RATE),
        tile("Slips", summary.slips, None),
        class_="tiles",
    )


def _trial_table(trials: Sequence[TrialResult]) -> Markup:
    titles = (
        "Object", "Seed", "Tries", "Phase", "Grasp", "Score", "Height", "Slip",
        "Penetration", "Contacts", "Plausible", "Intended", "Verdict",
    )  # fmt: skip
    rows = (_trial_row(trial) for trial in trials)
    return section("Trials", element("div", table(titles, rows), class_="scroll"))


def _trial_row(trial: TrialResult) -> Markup:
    cells = (
        readable(trial.object),
        str(trial.seed),
        str(trial.attempts),
        readable(trial.phase.lower()),
        readable(trial.grasp_kind) or ABSENT,
        number(trial.grasp_score, 2),
        number(trial.max_height, 2, " m"),
        yes_or_no(trial.slip),
        number(trial.penetration_volume * 1e6, 2, " cm³"),
        str(trial.contacts) if trial.plausible is not None else ABSENT,
        ABSENT if trial.plausible is None else yes_or_no(trial.plausible),
        ABSENT if trial.intended is None else yes_or_no(trial.intended),
    )
    return row(*cells, _badge(trial))


def _badge(trial: TrialResult) -> Markup:
    words = trial.verdict
    if trial.error_code:
        words = f"{words} (error {trial.error_code})"
    return element("span", words, class_="badge good" if trial.success else "badge bad")


def _gallery(trials: Sequence[TrialResult]) -> Markup | None:
    shown = [trial for trial in trials if trial.picture or trial.animation]
    if not shown:
        return None
    return section("Grasps", element("div", *map(_card, shown), class_="gallery"))


def _card(trial: TrialResult) -> Markup:
    name = readable(trial.object)
    return element(
        "article",
        element("h3", name, " ", _badge(trial)),
        element(
            "div",
            image(trial.picture, f"{name}: full grasp and lift"),
            image(trial.animation, f"{name}: the whole trial"),
            class_="media",
        ),
        class_="card",
    )


def _latencies(summary: Summary) -> Markup | None:
    if not summary.seconds:
        return None
    rows = (
        row(readable(stage), number(median, 2, " s"), number(p95, 2, " s"))
        for stage, (median, p95) in summary.seconds.items()
    )
    return section(
        "Time per stage", table(("Stage", "Median", "95th percentile"), rows, class_="narrow")
    )


def _stack(stack: StackFigures) -> Markup:
    rows = (
        row(
            node,
            readable(key),
            *(number(figure[which], 3) for which in ("min", "median", "max")),
        )
        for node, figures in stack.items()
        for key, figure in figures.items()
    )
    return table(("Node", "Figure", "Lowest", "Median", "Highest"), rows, class_="narrow")
