"""Histograms by the bars that a browser would draw."""

from __future__ import annotations

import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dexgrasp.evaluation.batch_report.charts import Stack, histogram


class Bars(HTMLParser):
    """Heights of the drawn bars, in the chart's units."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.heights: list[float] = []
        self.lefts: list[float] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "rect":
            self.heights.append(float(values["height"] or math.nan))
            self.lefts.append(float(values["x"] or math.nan))


def test_the_bars_of_a_histogram_are_as_high_as_their_counts() -> None:
    bars = Bars(histogram("h", "m", (Stack("all", [0.01] * 4 + [0.99] * 2 + [math.nan]),)))
    first, last = bars.heights
    assert first == pytest.approx(2 * last, abs=0.2)
    assert bars.lefts[0] < bars.lefts[1]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(1e-3, 10.0))
def test_a_histogram_draws_every_value_inside_the_chart(
    values: list[float], threshold: float
) -> None:
    chart = histogram("h", "m", (Stack("all", values), Stack("none", [])), threshold)
    bars = Bars(chart)
    assert f"all {len(values)}" in chart
    assert bars.heights
    assert all(0.0 < h <= 220.0 for h in bars.heights)
    assert all(44.0 <= x <= 520.0 for x in bars.lefts)
