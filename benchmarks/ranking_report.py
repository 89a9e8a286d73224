"""What `benchmarks/ranking.py` says of the fitted probabilities: tables and a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from dexgrasp.evaluation import metrics
from dexgrasp.evaluation.metrics import Reliability
from dexgrasp.synthesis.quality import Features
from dexgrasp.synthesis.ranking import RankingModel
from dexgrasp.types import Array

BINS = 8  # of some 45 grasps each
BEST = 0.25  # share of a cell's grasps that counts as its best
SIDE, EDGE = 420, 50  # [px] of the curve's axes and its margins
COLOURS = ("#1f6fb4", "#d1622b", "#3a8f4c", "#8457a8")


@dataclass(frozen=True)
class Trials:
    """Grasps of one hand on one object: figures, outcomes (n,), Q1 (n,), shaken or not yet.

    kind: name of the ranking model that they are for.
    """

    kind: str
    hand: str
    name: str
    figures: Features
    success: Array
    q1: Array


def joined_trials(trials: Sequence[Trials]) -> tuple[Features, Array]:
    """Figures and outcomes of several cells of one kind."""
    figures = {k: np.concatenate([t.figures[k] for t in trials]) for k in trials[0].figures}
    return figures, np.concatenate([t.success for t in trials])


def by_kind(trials: Sequence[Trials]) -> dict[str, list[Trials]]:
    """The trials for each ranking model."""
    return {kind: [t for t in trials if t.kind == kind] for kind in {t.kind: None for t in trials}}


def show(ranking: RankingModel, trials: Sequence[Trials], folder: Path) -> dict[str, Any]:
    """Print how good the probabilities of these grasps are, draw the curve, return the figures."""
    report: dict[str, Any] = {}
    curves = {}
    for kind, own in by_kind(trials).items():
        figures, success = joined_trials(own)
        probability = ranking.probability(figures)
        curves[kind] = metrics.reliability(probability, success, BINS)
        columns = {**figures, "q1": np.concatenate([t.q1 for t in own])}
        report[kind] = {
            **judged(probability, success),
            "auc_within": auc_within(own, [ranking.probability(t.figures) for t in own]),
            "best": best(own, [ranking.probability(t.figures) for t in own]),
            "best_by_residual": best(own, [-t.figures["residual"] for t in own]),
            "auc_of": {name: metrics.auc(column, success) for name, column in columns.items()},
            "reliability": vars(curves[kind]),
        }
    draw(curves, folder / "calibration.png")
    console = Console(width=None if Console().is_terminal else 120)
    console.print(quality_table(report))
    console.print(figures_table(ranking, report))
    console.print(reliability_table(curves))
    return report


def judged(probability: Array, success: Array) -> dict[str, float]:
    """Discrimination and calibration, with what a constant probability would reach."""
    share = float(success.mean())
    return {
        "grasps": len(success),
        "success": share,
        "auc": metrics.auc(probability, success),
        "brier": metrics.brier(probability, success),
        "brier_of_share": share * (1.0 - share),
        "ece": metrics.calibration_error(probability, success, BINS),
        "ece_if_true": expected_error(probability),
    }


def expected_error(probability: Array, draws: int = 300) -> float:
    """Mean calibration error of these probabilities (n,) were they true: chance alone."""
    rng = np.random.default_rng(0)
    outcomes = rng.random((draws, len(probability))) < probability
    return float(np.mean([metrics.calibration_error(probability, o, BINS) for o in outcomes]))


def auc_within(trials: Sequence[Trials], scores: Sequence[Array]) -> float:
    """Mean AUC of scores (n,) within the cells that have successes and failures."""
    pairs = zip(trials, scores, strict=True)
    return float(np.nanmean([metrics.auc(score, own.success) for own, score in pairs]))


def best(trials: Sequence[Trials], scores: Sequence[Array]) -> float:
    """Mean success of the best BEST of each cell by its scores (n,)."""
    shares = []
    for own, score in zip(trials, scores, strict=True):
        count = int(np.ceil(BEST * len(score)))
        shares.append(own.success[np.argsort(-score, kind="stable")[:count]].mean())
    return float(np.mean(shares))


def quality_table(report: Mapping[str, Any]) -> Table:
    """A row for each model."""
    table = Table(
        "model", "grasps", "success", "AUC (within a list)", "Brier (constant)", "ECE (by chance)",
        f"success of best {BEST:.0%} (by residual)",
    )  # fmt: skip
    for kind, row in report.items():
        table.add_row(
            kind, str(row["grasps"]), f"{row['success']:.3f}",
            f"{row['auc']:.3f} ({row['auc_within']:.3f})",
            f"{row['brier']:.3f} ({row['brier_of_share']:.3f})",
            f"{row['ece']:.3f} ({row['ece_if_true']:.3f})",
            f"{row['best']:.3f} ({row['best_by_residual']:.3f})",
        )  # fmt: skip
    return table


def figures_table(ranking: RankingModel, report: Mapping[str, Any]) -> Table:
    """Each figure's own AUC, below 0.5 where less is better, and its weight."""
    table = Table("figure: AUC alone, weight", *report)
    for name in dict.fromkeys(name for row in report.values() for name in row["auc_of"]):
        cells = []
        for kind, row in report.items():
            term = ranking.models[kind].terms.get(name)
            weight = f", {term.weight:+.2f}" if term else ", not in it"
            cells.append(f"{row['auc_of'][name]:.2f}{weight}" if name in row["auc_of"] else "")
        table.add_row(name, *cells)
    return table


def reliability_table(curves: Mapping[str, Reliability]) -> Table:
    """Predicted and observed share of each bin."""
    table = Table("predicted → observed [%]", *(str(k + 1) for k in range(BINS)))
    for kind, curve in curves.items():
        pairs = zip(curve.predicted, curve.observed, strict=True)
        table.add_row(kind, *(f"{100 * p:.0f} → {100 * o:.0f}" for p, o in pairs))
    return table


def draw(curves: Mapping[str, Reliability], path: Path) -> None:
    """The curves as PNG: observed over predicted, on the diagonal where probabilities are true."""
    size = SIDE + 2 * EDGE
    picture = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(picture)

    def at(x: float, y: float) -> tuple[float, float]:
        return EDGE + SIDE * x, EDGE + SIDE * (1.0 - y)

    for tick in np.linspace(0.0, 1.0, 6):
        pen.line([at(tick, 0.0), at(tick, 1.0)], "#e4e6e8")
        pen.line([at(0.0, tick), at(1.0, tick)], "#e4e6e8")
        pen.text(at(tick, -0.03), f"{tick:.1f}", "black", anchor="mm")
        pen.text(at(-0.05, tick), f"{tick:.1f}", "black", anchor="mm")
    pen.line([at(0.0, 0.0), at(1.0, 1.0)], "#9aa1a7")
    pen.text(at(0.5, -0.08), "predicted probability", "black", anchor="mm")
    pen.text(at(0.0, 1.05), "observed share, objects not in the fit", "black", anchor="lm")
    for row, ((kind, curve), colour) in enumerate(zip(curves.items(), COLOURS, strict=False)):
        points = [at(p, o) for p, o in zip(curve.predicted, curve.observed, strict=True)]
        pen.line(points, colour, width=2)
        for x, y in points:
            pen.ellipse([x - 4, y - 4, x + 4, y + 4], fill=colour)
        pen.text(at(0.03, 0.96 - 0.05 * row), kind, colour, anchor="lm")
    picture.save(path)
