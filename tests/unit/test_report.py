"""Reports: figures by known cases, the page by what a browser would read."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dexgrasp.evaluation.markup import element
from dexgrasp.evaluation.report import Report, new_results_folder, plain, write_report
from dexgrasp.evaluation.results import TrialResult, summarise, wilson_interval

HOSTILE = "mug<script>alert('x')</script> & \"tea\""


def make_trial(name: str = "baseball", success: bool = True, **values: Any) -> TrialResult:
    figures: dict[str, Any] = {
        "phase": "DONE" if success else "LIFT",
        "grasp_kind": "power",
        "grasp_score": 0.8,
        "max_height": 0.31 if success else 0.04,
        "seconds": {"perception": 0.05, "synthesis": 2.0},
    }
    return TrialResult(name, "allegro_right", 0, success, **(figures | values))


def make_report(*trials: TrialResult) -> Report:
    return Report("Demo", trials, {"execution": {"lift_height": 0.3}}, "make demo SEED=0")


class Page(HTMLParser):
    """Collects links, texts and element names."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: list[str] = []
        self.text = ""
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_wilson_interval_against_a_published_case() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263, score method.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_rate_and_mirrors(case: tuple[int, int]) -> None:
    passed, total = case
    low, high = wilson_interval(passed, total)
    assert 0.0 <= low <= passed / total + 1e-12
    assert passed / total - 1e-12 <= high <= 1.0
    assert wilson_interval(total - passed, total) == pytest.approx((1.0 - high, 1.0 - low))


def test_an_impossible_share_is_refused() -> None:
    with pytest.raises(ValueError, match="6 of 5"):
        wilson_interval(6, 5)


def test_a_summary_counts_plausibility_only_where_it_was_judged() -> None:
    summary = summarise(
        [make_trial(plausible=True), make_trial(plausible=False), make_trial(success=False)]
    )
    assert (summary.picks.passed, summary.picks.total) == (2, 3)
    assert (summary.plausible.passed, summary.plausible.total) == (1, 2)
    assert summary.seconds["synthesis"] == (2.0, 2.0)


def test_a_summary_of_nothing_has_no_rate() -> None:
    summary = summarise([])
    assert math.isnan(summary.picks.rate)
    assert summary.picks.interval == (0.0, 1.0)


def test_the_verdict_says_why() -> None:
    assert make_trial().verdict == "picked"
    assert (
        make_trial(success=False, error_msg="the fingers lost it").verdict == "the fingers lost it"
    )
    assert make_trial(success=False, slip=True).verdict == "slipped"
    assert make_trial(success=False).verdict == "not lifted high enough"


def test_the_json_holds_every_trial_and_no_nan(tmp_path: Path) -> None:
    write_report(tmp_path, make_report(make_trial(), make_trial("mug", success=False)))
    report = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert [t["object"] for t in report["trials"]] == ["baseball", "mug"]
    assert report["trials"][0]["penetration_volume"] is None
    assert report["summary"]["picks"]["rate"] == 0.5
    assert {"machine", "versions", "rerun", "created"} <= report.keys()


def test_trials_read_back_from_the_json(tmp_path: Path) -> None:
    trial = make_trial(plausible=True, contact_area=2e-4, through="ros", picture="01.png")
    write_report(tmp_path, make_report(trial))
    (values,) = json.loads((tmp_path / "report.json").read_text())["trials"]
    again = TrialResult.from_dict(values)
    assert math.isnan(again.penetration_volume)
    assert replace(again, penetration_volume=0.0) == replace(trial, penetration_volume=0.0)


def test_the_configuration_reads_back(tmp_path: Path) -> None:
    write_report(tmp_path, make_report(make_trial()))
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == {
        "execution": {"lift_height": 0.3}
    }


def test_the_page_links_only_files_that_exist(tmp_path: Path) -> None:
    (tmp_path / "trial 1.png").write_bytes(b"")
    (tmp_path / "trial#1.gif").write_bytes(b"")
    (tmp_path / "recording").mkdir()
    (tmp_path / "recording" / "recording_0.mcap").write_bytes(b"")
    trial = make_trial(picture="trial 1.png", animation="trial#1.gif")
    page = Page(write_report(tmp_path, make_report(trial)))
    assert {"trial%201.png", "trial%231.gif", "recording/recording_0.mcap"} <= set(page.links)
    assert all((tmp_path / unquote(link)).is_file() for link in page.links)


def test_names_and_messages_cannot_inject_markup(tmp_path: Path) -> None:
    trial = make_trial(HOSTILE, success=False, error_msg=HOSTILE, picture='a"onerror="x.png')
    page = Page(write_report(tmp_path, make_report(trial)))
    assert "script" not in page.names
    assert HOSTILE in page.text


def test_the_page_needs_no_network(tmp_path: Path) -> None:
    page = Page(write_report(tmp_path, make_report(make_trial())))
    assert "link" not in page.names
    assert "script" not in page.names
    assert not [link for link in page.links if ":" in link]


def test_a_report_without_trials_is_still_a_page(tmp_path: Path) -> None:
    assert "0 of 0 picks" in Page(write_report(tmp_path, make_report())).text


def test_results_of_the_same_second_do_not_overwrite(tmp_path: Path) -> None:
    now = datetime(2025, 3, 1, 12, 30, 5)
    folders = [new_results_folder(tmp_path, now) for _ in range(3)]
    assert [f.name for f in folders] == [f"2025-03-01_12-30-05{s}" for s in ("", "_2", "_3")]


def test_plain_turns_library_values_into_json_values() -> None:
    values = {"a": np.float64(1.5), "b": np.arange(2), "c": (math.inf, Path("x")), "d": None}
    assert plain(values) == {"a": 1.5, "b": [0, 1], "c": [None, "x"], "d": None}


@given(st.text())
def test_any_text_survives_as_text(text: str) -> None:
    reader = HTMLParser(convert_charrefs=True)
    seen: list[str] = []
    reader.handle_data = seen.append  # type: ignore[method-assign]
    reader.feed(element("p", text, title=text))
    reader.close()
    assert "".join(seen) == text
