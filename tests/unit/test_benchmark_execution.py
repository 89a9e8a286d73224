"""What the benchmark of execution computes itself: shares by condition and by controller."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from rich.console import Console

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("execution_report")


def line(report, controller: str, success: bool, disturbed: bool = False, tactile: bool = True):
    """One trial of one attempt, which lifted the object and did not slip."""
    job = {
        "hand": "leap_right", "controller": controller, "attempts": 1,
        "disturbed": disturbed, "tactile": tactile,
    }  # fmt: skip
    attempt = {"success": success, "drift": 0.0, "slipped": False, "simulation": {"slip": False}}
    return report.Line(job, {"object": "mug", "success": success, "attempts": [attempt]})


def test_figures_do_not_mix_conditions(report):
    lines = [
        line(report, "reactive", True),
        line(report, "reactive", False, disturbed=True),
        line(report, "reactive", False, tactile=False),
        line(report, "reactive", True, tactile=False),
    ]
    shares = {f.what: (f.share.passed, f.share.total) for f in report.figures(lines, "leap_right")}
    assert shares["first attempt"] == (1, 1)
    assert shares["disturbed, first attempt"] == (0, 1)
    assert shares["without tactile sensors, first attempt"] == (1, 2)


def test_controllers_stand_side_by_side(report):
    groups = {
        ("leap_right", "reactive"): [line(report, "reactive", True)] * 3,
        ("leap_right", "mpc"): [line(report, "mpc", True), line(report, "mpc", False)],
    }
    console = Console(width=200)
    with console.capture() as printed:
        console.print(report.comparison_table(groups))
    row = next(r for r in printed.get().splitlines() if "first attempt" in r)
    assert "3/3 = 100 % [44, 100]" in row
    assert "1/2 = 50 % [9, 91]" in row
    assert "≥ 75 %" in row
