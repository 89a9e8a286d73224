"""The table in a terminal and in a log."""

from __future__ import annotations

import io

from rich.console import Console

from dexgrasp.evaluation.report_table import TrialBoard, summary_lines
from dexgrasp.evaluation.results import TrialResult, summarise

PICKED = TrialResult(
    "baseball", "allegro_right", 0, True, "DONE", 0, "", "power", 0.82, 0.31,
    plausible=True, seconds={"synthesis": 1.5},
)  # fmt: skip
LOST = TrialResult(
    "mug", "allegro_right", 0, False, "LIFT", 53, "the fingers [lost] the object", "rim", 0.4, 0.03
)


def run_board(terminal: bool) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=140)
    with TrialBoard("five picks", console) as board:
        board.running("baseball", "COVER")
        board.finished(PICKED)
        board.finished(LOST)
    return stream.getvalue()


def test_a_log_has_one_plain_line_per_trial() -> None:
    lines = run_board(terminal=False).splitlines()
    assert lines[0] == "five picks"
    assert lines[1].split() == [
        "object", "phase", "grasp", "score", "height", "slip", "plausible", "verdict",
    ]  # fmt: skip
    assert lines[2].split() == [
        "baseball",
        "done",
        "power",
        "0.82",
        "0.31",
        "m",
        "no",
        "yes",
        "picked",
    ]
    assert lines[3].endswith("the fingers [lost] the object")
    assert len(lines) == 4


def test_a_terminal_shows_the_running_trial() -> None:
    text = run_board(terminal=True)
    assert "cover" in text
    assert "picked" in text
    assert "[lost]" in text


def test_a_narrow_log_does_not_wrap() -> None:
    stream = io.StringIO()
    with TrialBoard("five picks", Console(file=stream, force_terminal=False, width=20)) as board:
        board.finished(LOST)
    assert len(stream.getvalue().splitlines()) == 3


def test_the_summary_names_rate_interval_and_survey() -> None:
    lines = summary_lines(summarise([PICKED, LOST]))
    assert lines[0] == "picks: 1 of 2 = 50% (95% interval 9% to 91%; survey 58.7%)"
    assert lines[1].startswith("plausible: 1 of 1 = 100%")
    assert lines[2] == "median synthesis 1.50 s (p95 1.50)"
