"""Charts as inline SVG and HTML: they need no script, and follow the page's colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dexgrasp.evaluation.markup import Markup, element
from dexgrasp.types import Array

WIDTH, HEIGHT = 520, 220  # of a chart, in its own units: pixels where there is room
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 22, 44
BINS = 25
TICKS = 5  # about as many as fit
UPPER_QUANTILE = 98.0  # [%] of the values, where the axis ends
TONES = ("strong", "weak")


@dataclass(frozen=True)
class Stack:
    """Values that share one colour. label: in the legend."""

    label: str
    values: Sequence[float]


def histogram(
    name: str, axis: str, stacks: Sequence[Stack], threshold: float | None = None
) -> Markup:
    """Stacked counts of one or two `stacks` over an axis that starts at 0, with a legend.

    Values beyond the axis are counted in its outer bars.  threshold: where to draw a line.
    """
    finite = [_finite(stack.values) for stack in stacks]
    if not sum(map(len, finite)):
        return element("figure", _caption(name), element("p", "not measured", class_="quiet"))
    edges = np.linspace(0.0, _upper_end(np.concatenate(finite), threshold), BINS + 1)
    counts = [np.histogram(np.clip(v, 0.0, edges[-1]), edges)[0] for v in finite]
    tallest = max(int(sum(counts).max()), 1)
    drawing = element(
        "svg",
        _count_axis(tallest),
        _value_axis(edges[-1], axis),
        *(
            _bars(counts[index], sum(counts[:index], np.zeros(BINS)), tallest, tone)
            for index, tone in zip(range(len(stacks)), TONES, strict=False)
        ),
        None if threshold is None else _threshold(threshold, edges[-1]),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=name,
    )
    return element("figure", _caption(name), _legend(stacks, finite), drawing)


def count_bars(counts: Mapping[str, int]) -> Markup:
    """A line per name: the name, a bar and the count."""
    largest = max(counts.values(), default=1)
    lines = []
    for name, count in counts.items():
        width = f"width:{count / largest:.1%}"
        lines.append(element("span", name))
        lines.append(element("span", element("i", style=width), class_="count"))
        lines.append(element("span", count, class_="number"))
    return element("div", *lines, class_="counts")


def _finite(values: Sequence[float]) -> Array:
    given = np.asarray(values, dtype=float)
    return given[np.isfinite(given)]


def _upper_end(values: Array, threshold: float | None) -> float:
    """A round end of the axis that holds nearly all values, and the threshold."""
    end = max(float(np.percentile(values, UPPER_QUANTILE)), 1.2 * (threshold or 0.0))
    if end <= 0.0:
        return 1.0
    step = _step(end)
    return step * math.ceil(end / step - 1e-9)


def _step(end: float) -> float:
    """Distance between ticks: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(end / TICKS))
    return power * next(m for m in (1, 2, 5, 10) if m * power * TICKS >= end * (1 - 1e-9))


def _ticks(end: float) -> Array:
    step = _step(end)
    return step * np.arange(int(end / step + 1e-9) + 1)


def _x(value: float, end: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / end


def _y(count: float, tallest: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * count / tallest


def _bars(counts: Array, below: Array, tallest: int, tone: str) -> Markup:
    width = (WIDTH - LEFT - RIGHT) / BINS
    bars = []
    for index, (count, base) in enumerate(zip(counts, below, strict=True)):
        if not count:
            continue
        top = _y(base + count, tallest)
        rectangle = element(
            "rect",
            x=f"{LEFT + index * width + 0.5:.1f}",
            y=f"{top:.1f}",
            width=f"{width - 1:.1f}",
            height=f"{_y(base, tallest) - top:.1f}",
        )
        bars.append(rectangle)
    return element("g", *bars, class_=tone)


def _count_axis(tallest: int) -> Markup:
    lines = []
    for tick in dict.fromkeys((0, tallest // 2, tallest)):
        y = f"{_y(tick, tallest):.1f}"
        lines.append(element("line", x1=str(LEFT), x2=str(WIDTH - RIGHT), y1=y, y2=y))
        lines.append(_label(tick, LEFT - 8, float(y) + 4, "end"))
    return element("g", *lines, class_="axis")


def _value_axis(end: float, axis: str) -> Markup:
    baseline = HEIGHT - BOTTOM
    labels = [_label(f"{t:g}", _x(t, end), baseline + 17, "middle") for t in _ticks(end)]
    title = _label(axis, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "middle")
    return element("g", *labels, title, class_="axis")


def _threshold(value: float, end: float) -> Markup:
    x = f"{_x(value, end):.1f}"
    line = element("line", x1=x, x2=x, y1=str(TOP - 6), y2=str(HEIGHT - BOTTOM))
    words = _label(f"threshold {value:g}", float(x), TOP - 10, "middle")
    return element("g", line, words, class_="threshold")


def _label(words: str | int, x: float, y: float, anchor: str) -> Markup:
    return element("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def _caption(name: str) -> Markup:
    return element("figcaption", name)


def _legend(stacks: Sequence[Stack], finite: Sequence[Array]) -> Markup:
    entries = (
        element("span", element("i", class_=tone), f"{stack.label} {len(values)}")
        for stack, values, tone in zip(stacks, finite, TONES, strict=False)
    )
    return element("p", *entries, class_="quiet legend")
