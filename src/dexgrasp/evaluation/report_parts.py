"""What the pages of all reports are made of, and how they write figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from dexgrasp.evaluation.markup import Child, Markup, element
from dexgrasp.evaluation.results import Share

# Pass rates of the survey's evaluator (Deep learning for dexterous grasping, table of its
# evaluation section): simulation and mesh plausibility.
SURVEY_PICK_RATE = 0.587
SURVEY_PLAUSIBLE_RATE = 0.724
ABSENT = "-"


def document(title: str, style: str, *children: Child) -> str:
    """The whole file of a page: `children` in its main column, `style` its style sheet."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(style)),
    )
    body = element("body", element("main", *children))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def tile(label: str, share: Share, survey: float | None) -> Markup:
    """A rate with its interval, beside the survey's rate when there is one."""
    low, high = share.interval
    if not share.total:
        interval = "not measured"
    else:
        interval = f"{share.passed} of {share.total}, 95% interval {low:.0%} to {high:.0%}"
    return element(
        "div",
        element("div", label, class_="label"),
        element("div", percent(share.rate), class_="figure"),
        bar(share, survey) if share.total else None,
        element("div", interval, class_="quiet"),
        None if survey is None else element("div", f"survey: {survey:.1%}", class_="quiet survey"),
        class_="tile",
    )


def bar(share: Share, survey: float | None) -> Markup:
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


def table(titles: Iterable[str], rows: Iterable[Markup], class_: str | None = None) -> Markup:
    """A table with one line of titles; `rows` are `tr` elements."""
    head = element("thead", element("tr", *(element("th", title) for title in titles)))
    return element("table", head, element("tbody", *rows), class_=class_)


def row(*cells: Child, class_: str | None = None) -> Markup:
    """A line of a table."""
    return element("tr", *(element("td", cell) for cell in cells), class_=class_)


def section(title: str, *children: Child) -> Markup:
    """A part of the page under its heading."""
    return element("section", element("h2", title), *children)


def image(path: str, words: str, lazy: bool = False) -> Markup | None:
    """A picture by its path relative to the page, which a click opens; None for no path."""
    if not path:
        return None
    link = quote(path)
    loading = "lazy" if lazy else None
    return element(
        "a", element("img", src=link, alt=words, title=words, loading=loading), href=link
    )


def files_and_rerun(files: Iterable[str], rerun: str) -> Markup:
    """Links to files beside the page, and the command that repeats the run."""
    return element(
        "section",
        element("h2", "Files"),
        element("ul", *(element("li", element("a", f, href=quote(f))) for f in files)),
        element("h2", "Run it again"),
        element("pre", rerun),
    )


def details(title: str, child: Markup) -> Markup:
    """A section that opens on request."""
    return element("details", element("summary", title), child)


def key_values(values: Mapping[str, str]) -> Markup:
    """A table of two columns."""
    rows = (row(key, value) for key, value in values.items())
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
