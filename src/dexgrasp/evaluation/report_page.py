"""The page of a report: one file that opens from disk, with relative links to its media."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from dexgrasp.evaluation.markup import Markup, element
from dexgrasp.evaluation.report_style import STYLE
from dexgrasp.evaluation.results import Share, StackFigures, Summary, TrialResult

# Pass rates of the survey's evaluator (Deep learning for dexterous grasping, table of its
# evaluation section): simulation and mesh plausibility.
SURVEY_PICK_RATE = 0.587
SURVEY_PLAUSIBLE_RATE = 0.724
ABSENT = "-"


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
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", content.title),
        element("style", Markup(STYLE)),
    )
    body = element(
        "body",
        element(
            "main",
            _header(content),
            _summary(content.summary),
            _trial_table(content.trials),
            _gallery(content.trials),
            _latencies(content.summary),
            _files(content),
            _details("The nodes while they worked", _stack(content.stack))
            if content.stack
            else None,
            _details("Configuration", element("pre", content.configuration)),
            _details("Machine and versions", _environment(content.environment)),
        ),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


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
        _tile("Picks", summary.picks, SURVEY_PICK_RATE),
        _tile("Plausible grasps", summary.plausible, SURVEY_PLAUSIBLE_RATE),
        _tile("Slips", summary.slips, None),
        class_="tiles",
    )


def _tile(label: str, share: Share, survey: float | None) -> Markup:
    low, high = share.interval
    if not share.total:
        interval = "not measured"
    else:
        interval = f"{share.passed} of {share.total}, 95% interval {low:.0%} to {high:.0%}"
    return element(
        "div",
        element("div", label, class_="label"),
        element("div", percent(share.rate), class_="figure"),
        _bar(share, survey) if share.total else None,
        element("div", interval, class_="quiet"),
        None if survey is None else element("div", f"survey: {survey:.1%}", class_="quiet survey"),
        class_="tile",
    )


def _bar(share: Share, survey: float | None) -> Markup:
    """The rate's interval on a 0 to 100 % line, with a tick where the survey is."""
    low, high = share.interval
    tick = None if survey is None else element("i", class_="tick", style=f"left:{survey:.1%}")
    return element(
        "div",
        element("i", class_="interval", style=f"left:{low:.1%};width:{high - low:.1%}"),
        element("i", class_="point", style=f"left:{share.rate:.1%}"),
        tick,
        class_="bar",
        aria_hidden="true",
    )


def _trial_table(trials: Sequence[TrialResult]) -> Markup:
    titles = (
        "Object", "Seed", "Phase", "Grasp", "Score", "Height", "Slip",
        "Penetration", "Contacts", "Plausible", "Verdict",
    )  # fmt: skip
    return element(
        "section",
        element("h2", "Trials"),
        element(
            "div",
            element(
                "table",
                element("thead", element("tr", *(element("th", title) for title in titles))),
                element("tbody", *(_trial_row(trial) for trial in trials)),
            ),
            class_="scroll",
        ),
    )


def _trial_row(trial: TrialResult) -> Markup:
    cells = (
        readable(trial.object),
        str(trial.seed),
        readable(trial.phase.lower()),
        readable(trial.grasp_kind) or ABSENT,
        number(trial.grasp_score, 2),
        number(trial.max_height, 2, " m"),
        yes_or_no(trial.slip),
        number(trial.penetration_volume * 1e6, 2, " cm³"),
        str(trial.contacts) if trial.plausible is not None else ABSENT,
        ABSENT if trial.plausible is None else yes_or_no(trial.plausible),
    )
    return element("tr", *(element("td", cell) for cell in cells), element("td", _badge(trial)))


def _badge(trial: TrialResult) -> Markup:
    words = trial.verdict
    if trial.error_code:
        words = f"{words} (error {trial.error_code})"
    return element("span", words, class_="badge good" if trial.success else "badge bad")


def _gallery(trials: Sequence[TrialResult]) -> Markup | None:
    shown = [trial for trial in trials if trial.picture or trial.animation]
    if not shown:
        return None
    return element(
        "section",
        element("h2", "Grasps"),
        element("div", *(_card(trial) for trial in shown), class_="gallery"),
    )


def _card(trial: TrialResult) -> Markup:
    name = readable(trial.object)
    return element(
        "article",
        element("h3", name, " ", _badge(trial)),
        element(
            "div",
            _image(trial.picture, f"{name}: full grasp and lift"),
            _image(trial.animation, f"{name}: the whole trial"),
            class_="media",
        ),
        class_="card",
    )


def _image(path: str, words: str) -> Markup | None:
    if not path:
        return None
    link = quote(path)
    return element("a", element("img", src=link, alt=words, title=words), href=link)


def _latencies(summary: Summary) -> Markup | None:
    if not summary.seconds:
        return None
    rows = (
        element(
            "tr",
            element("td", readable(stage)),
            element("td", number(median, 2, " s")),
            element("td", number(p95, 2, " s")),
        )
        for stage, (median, p95) in summary.seconds.items()
    )
    titles = element(
        "tr", *(element("th", title) for title in ("Stage", "Median", "95th percentile"))
    )
    return element(
        "section",
        element("h2", "Time per stage"),
        element("table", element("thead", titles), element("tbody", *rows), class_="narrow"),
    )


def _files(content: PageContent) -> Markup:
    files = ("report.json", "config.yaml", *content.recordings)
    return element(
        "section",
        element("h2", "Files"),
        element("ul", *(element("li", element("a", f, href=quote(f))) for f in files)),
        element("h2", "Run it again"),
        element("pre", content.rerun),
    )


def _details(title: str, child: Markup) -> Markup:
    return element("details", element("summary", title), child)


def _stack(stack: StackFigures) -> Markup:
    titles = element(
        "tr", *(element("th", t) for t in ("Node", "Figure", "Lowest", "Median", "Highest"))
    )
    rows = (
        element(
            "tr",
            element("td", node),
            element("td", readable(key)),
            *(element("td", number(figure[which], 3)) for which in ("min", "median", "max")),
        )
        for node, figures in stack.items()
        for key, figure in figures.items()
    )
    return element("table", element("thead", titles), element("tbody", *rows), class_="narrow")


def _environment(values: Mapping[str, str]) -> Markup:
    rows = (
        element("tr", element("td", key), element("td", value)) for key, value in values.items()
    )
    return element("table", element("tbody", *rows), class_="narrow")


def readable(name: str) -> str:
    """`tomato_soup_can` as `tomato soup can`."""
    return name.replace("_", " ")


def number(value: float, digits: int, unit: str = "") -> str:
    """A figure with its unit; a dash for NaN."""
    return f"{value:.{digits}f}{unit}" if math.isfinite(value) else ABSENT


def percent(value: float) -> str:
    """A share as a percentage; a dash for NaN."""
    return f"{value:.0%}" if math.isfinite(value) else ABSENT


def yes_or_no(value: bool) -> str:
    """`yes` or `no`."""
    return "yes" if value else "no"
