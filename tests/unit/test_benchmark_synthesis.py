"""What the benchmark of synthesis computes itself: sums, samples, clusters, its file."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from dexgrasp.errors import ConfigError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_a_failed_row_is_worse_than_every_other():
    report = importlib.import_module("synthesis_report")
    rows = [{"s": 1.0}, {"s": 3.0}, {"words": "no grasp"}]
    assert report.quantile(rows, "s", 0.5) == 3.0
    assert report.quantile(rows, "s", 1.0) == np.inf
    assert report.total(rows, "s") == 4.0


def test_a_figure_reaches_its_floor_from_its_side():
    report = importlib.import_module("synthesis_report")
    assert report.Figure("h", "share", 0.8, 0.8).reached
    assert not report.Figure("h", "cost", 0.3, 0.2, at_most=True).reached
    assert report.Figure("h", "nothing asked", 0.3).reached is None
    assert report.Figure("h", "unknown", float("nan"), 0.2, at_most=True).reached is False


def test_a_section_is_replaced_and_the_others_stay(tmp_path):
    report = importlib.import_module("synthesis_report")
    path = tmp_path / "results" / "figures.json"
    for name, value in (("whole", 1.0), ("views", 2.0), ("whole", 3.0)):
        section = report.Section([], [report.Figure("h", "x", value)], ())
        report.save(path, name, {}, section)
    sections = json.loads(path.read_text())["sections"]
    assert {k: s["figures"][0]["value"] for k, s in sections.items()} == {
        "whole": 3.0,
        "views": 2.0,
    }


def test_a_sample_is_spread_from_first_to_last():
    judge = importlib.import_module("synthesis_judge")
    assert judge.spread(9, 3).tolist() == [0, 4, 8]
    assert judge.spread(2, 5).tolist() == [0, 1]


def test_valid_needs_all_three():
    judge = importlib.import_module("synthesis_judge")
    verdict = judge.Verdicts(
        held=np.array([True, False, True, True]),
        held_slippery=None,
        depth=np.array([0.0, 0.0, 0.002, 0.0]),
        contacts=np.array([3, 3, 3, 2]),
    )
    assert verdict.touching.tolist() == [True, False, True, False]
    assert verdict.valid.tolist() == [True, False, False, False]


def test_grasps_alike_share_a_common_cluster_and_others_do_not():
    diversity = importlib.import_module("synthesis_diversity")
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(12, 3))
    narrow = 10.0 + 0.001 * rng.normal(size=(12, 3))
    spread, alike = diversity.common_clusters([wide, narrow], 4)
    assert len(set(alike.tolist())) == 1
    assert len(set(spread.tolist())) == 3


def test_unknown_names_are_refused_with_the_known_ones():
    main = importlib.import_module("synthesis")
    assert main.listed("b, a", ["a", "b"], "--x") == ["b", "a"]
    with pytest.raises(ConfigError, match="known: a, b"):
        main.listed("c", ["a", "b"], "--x")
