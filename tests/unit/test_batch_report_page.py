"""Files and page of a batch: what a program and a browser would read, and the terminal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console

from dexgrasp.evaluation.batch_report import (
    RunInfo,
    print_batch_tables,
    summarise_records,
    write_batch_report,
)
from dexgrasp.evaluation.batch_report.grasps import MAX_PICTURES
from dexgrasp.evaluation.batch_report.sections import MAX_OBJECTS, MAX_REJECTED
from dexgrasp.evaluation.markup import VOID_ELEMENTS
from dexgrasp.evaluation.records import GraspRecord
from dexgrasp.evaluation.report import plain
from dexgrasp.evaluation.simulation import TrialCriteria

HOSTILE = "mug<script>alert('x')</script> & \"tea\" [bold]"


def record(row: int, success: bool | None = True, **values: Any) -> GraspRecord:
    figures: dict[str, Any] = {
        "replicate": 0, "hand": "allegro_right", "object": "mug", "success": success,
        "lifted": success, "slip": False, "plausible": True, "intended": True,
        "phase": "DONE" if success else "LIFT", "max_height": 0.31 if success else 0.04,
        "drift": 0.004, "penetration_depth": 0.002, "contacts": 4,
        "alignment": 0.9, "visual_consistency": 0.8, "task_score": 0.95,
        "simulation_seconds": 0.05,
    }  # fmt: skip
    return GraspRecord(row=row, **(figures | values))


def run_info(**values: Any) -> RunInfo:
    base: dict[str, Any] = {
        "title": "Twelve mugs",
        "source": "grasps.npz (native)",
        "protocol": "survey",
        "configuration": {"protocol": {"lift": 0.2}, "seed": 3},
        "hand": "allegro_right",
        "rerun": "dexgrasp evaluate grasps.npz --seed 3",
        "wall_seconds": 1.5,
    }
    return RunInfo(**(base | values))


class Page(HTMLParser):
    """Reads a page: links, titles, texts of table rows; fails on elements that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: list[str] = []
        self.titles: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href")]
        if tag not in VOID_ELEMENTS:
            self._open.append(tag)
        if tag == "h2":
            self.titles.append("")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if "h2" in self._open:
            self.titles[-1] += data
        if "td" in self._open or "th" in self._open:
            self.rows[-1][-1] += f" {data}" if self.rows[-1][-1] else data

    def row(self, first: str) -> list[str]:
        """The one table row that starts with `first`."""
        (found,) = (row for row in self.rows if row and row[0] == first)
        return found


def page_of(folder: Path, records: Sequence[GraspRecord], **values: Any) -> Page:
    return Page(write_batch_report(folder, records, run_info(**values)).read_text("utf-8"))


MIXED = [
    record(0),
    record(1, False, error_code=53, error_msg='lost, "really"\nlost', drift=math.nan),
    record(2, None, plausible=None, intended=None, contacts=0, alignment=math.nan),
    record(2, True, replicate=1, friction=0.5, mass=0.2),
]


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return plain(first) == plain(second)


def test_parquet_holds_the_records(tmp_path: Path) -> None:
    write_batch_report(tmp_path, MIXED, run_info())
    table = pq.read_table(tmp_path / "trials.parquet")
    again = [GraspRecord.from_dict(line) for line in table.to_pylist()]
    assert all(same(a.as_dict(), b.as_dict()) for a, b in zip(again, MIXED, strict=True))
    assert table["drift"].null_count == 1
    assert table["success"].null_count == 1


def test_csv_holds_the_records(tmp_path: Path) -> None:
    write_batch_report(tmp_path, MIXED, run_info())
    with (tmp_path / "trials.csv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    for line, given_record in zip(lines, MIXED, strict=True):
        expected = plain(given_record.as_dict())
        assert line == {k: "" if v is None else str(v) for k, v in expected.items()}


def test_json_holds_the_summary_and_no_nan(tmp_path: Path) -> None:
    rejected = ((7, "15 joints given"),)
    metrics = {"diversity_m": 0.04, "unknown": math.nan}
    write_batch_report(tmp_path, MIXED, run_info(rejected=rejected, metrics=metrics))
    report = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert report["summary"] == plain(summarise_records(MIXED, 1).as_dict())
    assert report["rejected"] == [{"row": 7, "words": "15 joints given"}]
    assert report["metrics"] == {"diversity_m": 0.04, "unknown": None}
    assert report["criteria"]["height"] == 0.25
    assert report["survey"]["table_5"]["simulation"] == {"rate": 0.587, "seconds": 0.086}
    assert {"machine", "versions", "rerun", "created", "configuration"} <= report.keys()


def test_the_configuration_reads_back(tmp_path: Path) -> None:
    write_batch_report(tmp_path, MIXED, run_info())
    text = (tmp_path / "config.yaml").read_text()
    assert yaml.safe_load(text) == {"protocol": {"lift": 0.2}, "seed": 3}


def test_a_second_report_replaces_the_first_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write_batch_report(tmp_path, MIXED, run_info())
    write_batch_report(tmp_path, MIXED[:1], run_info())
    assert pq.read_table(tmp_path / "trials.parquet").num_rows == 1
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.json", "trials.parquet", "trials.csv", "config.yaml", "index.html"
    }  # fmt: skip


def test_the_parts_of_the_page_and_their_order(tmp_path: Path) -> None:
    titles = page_of(
        tmp_path, MIXED, pictures={0: "a.png"}, metrics={"entropy": 2.0}, rejected=((9, "NaN"),)
    ).titles
    assert titles == [
        "Modalities (the survey's table 5)",
        "Data set (the survey's table 6)",
        "Metrics and pass conditions (the survey's table 7)",
        "Success by object", "Failures", "Height and slip", "Grasps", "Worst cases",
        "Randomised conditions", "Rejected rows", "The whole set", "Files", "Run it again",
    ]  # fmt: skip


def test_the_tables_hold_this_run_beside_the_survey(tmp_path: Path) -> None:
    records = [record(0), record(1, False), record(2), record(3, plausible=False)]
    page = page_of(tmp_path, records)
    simulation = page.row("Simulation")
    assert simulation[3] == "75.0% [30.1, 95.4] of 4"
    assert simulation[4:] == ["-", "50.0 ms", "58.7%", "86.0 ms"]
    assert page.row("Mesh plausibility")[3:5] == [
        "75.0% [30.1, 95.4] of 4", "66.7% [20.8, 93.9] of 3"
    ]  # fmt: skip
    assert page.row("grasps.npz (native)")[1:4] == [
        "allegro_right", "1", "75.0% [30.1, 95.4] of 4"
    ]  # fmt: skip
    assert page.row("survey: MultiDex v1.0 (CVPR 2023)")[2:] == [
        "29", "48.0%", "0.33 m", "-", "9.0%"
    ]  # fmt: skip
    assert page.row("Penetration volume")[2] == "< 10 cm³ (1e-05 m³)"
    assert "3 of 4 grasps pass the simulation, 2 of these the mesh, 2 of these the intention: " in (
        page.text
    )
    assert "Composite0.800" in page.text  # 0.55 * 3/4 + 0.25 * 3/4 + 0.20 * 4/4


def test_the_protocol_decides_the_conditions(tmp_path: Path) -> None:
    criteria = TrialCriteria(height=None, max_displacement=0.05, max_rotation=math.radians(15))
    page = page_of(tmp_path, [record(0)], criteria=criteria)
    assert page.row("Simulation")[2] == "moves ≤ 50 mm; turns ≤ 15°"
    assert page.row("Max height")[2] == "report only"
    assert page.row("Rotation")[2] == "≤ 15°"
    assert "threshold" not in page.text
    assert "threshold 0.25" in page_of(tmp_path, [record(0)]).text


def test_what_was_not_judged_is_a_dash(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {
        "alignment": math.nan,
        "visual_consistency": math.nan,
        "task_score": math.nan,
    }
    page = page_of(tmp_path, [record(0, intended=None, **nothing)])
    assert page.row("Intention")[1] == "-"
    assert page.row("Intention")[3:6] == ["-", "-", "-"]
    assert "needs all three modalities" in page.text
    assert "Lowest intention score" not in page.text
    assert "1 not judged by all three" in page.text
    assert "nan" not in page.text.lower()


@pytest.mark.parametrize(
    "records", [[], [record(0)], [record(i, False) for i in range(3)], [record(0, None)]]
)
def test_small_runs_have_a_page(tmp_path: Path, records: list[GraspRecord]) -> None:
    page = page_of(tmp_path, records)
    passed = sum(bool(r.success) for r in records)
    assert f"{passed} of " in page.text
    assert "nan" not in page.text.lower()


def test_names_and_messages_cannot_inject_markup(tmp_path: Path) -> None:
    records = [
        record(0, False, object=HOSTILE, error_msg=HOSTILE, phase=HOSTILE),
        record(0, True, replicate=1, object=HOSTILE),
    ]
    info = dict.fromkeys(("title", "source", "protocol", "hand", "rerun"), HOSTILE)
    page = page_of(
        tmp_path, records, **info,
        rejected=((1, HOSTILE),), metrics={HOSTILE: 1.0}, pictures={0: 'a"onerror="x.png'},
        configuration={HOSTILE: HOSTILE},
    )  # fmt: skip
    assert "script" not in page.names
    assert page.text.count("<script>") >= 10
    assert "a%22onerror%3D%22x.png" in page.links


def test_the_page_needs_no_network_and_links_files_that_exist(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "row #1.png").write_bytes(b"")
    page = page_of(tmp_path, [record(1)], pictures={1: "pictures/row #1.png"})
    assert not {"script", "link", "iframe"} & set(page.names)
    assert not [link for link in page.links if ":" in link]
    assert "pictures/row%20%231.png" in page.links
    assert all((tmp_path / unquote(link)).is_file() for link in page.links)


def test_long_lists_are_cut_and_say_so(tmp_path: Path) -> None:
    count = 1000
    records = [record(i, i % 3 > 0, object=f"object_{i % 280:03d}") for i in range(count)]
    page = page_of(
        tmp_path, records,
        pictures={i: f"{i}.png" for i in range(count)},
        rejected=tuple((i, "bad") for i in range(200)),
    )  # fmt: skip
    assert page.names.count("img") == MAX_PICTURES
    assert f"{MAX_PICTURES} of {count} are shown" in page.text
    assert f"{MAX_OBJECTS} of 280 are shown" in page.text
    assert sum(row[1:] == ["bad"] for row in page.rows) == MAX_REJECTED
    assert f"{MAX_REJECTED} of 200 are shown" in page.text
    assert "200 of 1200 rows could not be tried" in page.text
    pictured = {int(link[:-4]) for link in page.links if link.endswith(".png")}
    assert max(pictured) - min(pictured) > 0.9 * count  # spread over the set


def test_worst_cases_come_worst_first(tmp_path: Path) -> None:
    depths = (0.001, 0.009, 0.004, math.nan)
    records = [
        record(i, object=f"o{i}", penetration_depth=d, drift=math.nan, alignment=0.9 - i / 10)
        for i, d in enumerate(depths)
    ]
    page = page_of(tmp_path, records)
    deepest = [row[:3] for row in page.rows if len(row) == 4 and row[2].endswith(" mm")]
    assert deepest == [["o1", "1", "9.0 mm"], ["o2", "2", "4.0 mm"], ["o0", "0", "1.0 mm"]]
    scores = [row[:3] for row in page.rows if len(row) == 4 and row[2].startswith("0.")]
    assert scores[0] == ["o3", "3", "0.60"]
    assert "Largest drift" not in page.text


def test_fragile_grasps_are_named(tmp_path: Path) -> None:
    varied = [record(row, row > 0, replicate=k, object=f"o{row}") for row in (0, 1) for k in (1, 2)]
    page = page_of(tmp_path, [record(0, object="o0"), record(1, object="o1"), *varied])
    (fragile,) = (row for row in page.rows if row[-1].endswith("of 2") and row[0].startswith("o"))
    assert fragile == ["o0", "0", "0.0% [0.0, 65.8] of 2"]


def test_the_terminal_shows_both_tables() -> None:
    stream = io.StringIO()
    records = [record(0), record(1, False, object=HOSTILE)]
    print_batch_tables(
        Console(file=stream, width=170), summarise_records(records, 3), run_info(title=HOSTILE)
    )
    text = stream.getvalue()
    assert text.count(HOSTILE) == 2
    (simulation,) = (line for line in text.splitlines() if "Simulation" in line)
    assert "50.0%" in simulation
    assert "58.7%" in simulation
    (mug,) = (line for line in text.splitlines() if line.startswith("│ mug  "))
    assert "100.0% [20.7, 100.0] of 1" in mug
    assert "composite 0.725 (survey 0.643)" in text
    assert "3 rows were rejected" in text
