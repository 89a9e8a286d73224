"""The table in a terminal and in a log."""

from __future__ import annotations

import dataclasses
import io

from rich.console import Console
from rich.table import Table

from dexgrasp.evaluation.report_table import (
    COLUMNS,
    TrialBoard,
    failure_table,
    latency_table,
    stack_lines,
    success_table,
    summary_lines,
)
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
        for phase in ("", "COVER", "COVER"):
            board.running("baseball", phase)
        board.finished(PICKED)
        board.finished(LOST)
    return stream.getvalue()


def test_a_log_has_a_line_for_each_new_phase_and_each_trial() -> None:
    lines = run_board(terminal=False).splitlines()
    assert lines[0] == "five picks"
    assert lines[1].split() == list(COLUMNS)
    assert lines[2].split() == ["baseball", "cover"]
    picked = "baseball 1 done power 0.82 0.31 m no yes - picked"
    assert lines[3].split() == picked.split()
    assert lines[4].endswith("the fingers [lost] the object")
    assert len(lines) == 5


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


def rendered(table: Table) -> str:
    stream = io.StringIO()
    Console(file=stream, width=120).print(table)
    return stream.getvalue()


def test_success_is_counted_per_object_and_hand() -> None:
    other = dataclasses.replace(PICKED, hand="leap_right", success=False)
    text = rendered(success_table([PICKED, PICKED, LOST, other]))
    assert "2/2 100% [34%, 100%]" in text
    (mug,) = (line for line in text.splitlines() if "mug" in line)
    assert "0/1   0%" in mug
    assert mug.split("│")[3].strip() == "-"  # the other hand never tried it


def test_latency_is_shown_per_stage_and_hand() -> None:
    slow = dataclasses.replace(PICKED, hand="leap_right", seconds={"perception": 0.25})
    text = rendered(latency_table([PICKED, slow]))
    assert "1.500  1.500" in text
    assert "0.250  0.250" in text


def test_failures_are_counted_by_reason() -> None:
    text = rendered(failure_table([PICKED, LOST, LOST]))
    assert "[lost]" in text
    (row,) = (line for line in text.splitlines() if "lost" in line)
    assert row.split("│")[1].strip() == "2"


def test_the_stack_lines_tell_how_time_was_kept() -> None:
    def figure(value: float, low: float, high: float) -> dict[str, float]:
        return {"min": low, "median": value, "max": high}

    stack = {
        "executor": {
            "rate": figure(125.0, 124.0, 125.0),
            "period_error_p99_ms": figure(1.5, 1.0, 3.25),
        },
        "bridge": {
            "real_time_factor": figure(1.0, 0.98, 1.0),
            "rate": figure(250.0, 249.0, 250.0),
            "camera_rate": figure(12.0, 11.0, 12.0),
        },
    }
    control, simulation = stack_lines(stack)
    assert control == "control loop: 125.0 Hz, p99 period error 1.50 ms (worst window 3.25)"
    assert "1.000 (lowest 0.980), joint states 250 Hz, depth 12.0 Hz" in simulation
    assert stack_lines({"executor": {}}) == []
