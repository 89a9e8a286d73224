"""The intention modality: does a grasp serve what it was asked for? See docs/intention.md."""

from __future__ import annotations

from pathlib import Path

from dexgrasp.errors import UnknownNameError
from dexgrasp.evaluation.intention.background import BackgroundJudge
from dexgrasp.evaluation.intention.case import (
    PASS_SCORE,
    SCORES,
    IntentionCase,
    IntentionJudge,
    IntentionScores,
)
from dexgrasp.evaluation.intention.config import IntentionConfig
from dexgrasp.evaluation.intention.errors import AnswerError, BudgetError, JudgeError
from dexgrasp.evaluation.intention.geometric import GeometricJudge
from dexgrasp.evaluation.intention.render import release_renderer, render_grasp
from dexgrasp.evaluation.intention.vlm import VlmJudge

JUDGES = ("geometric", "vlm")


def make_judge(
    name: str = "geometric", config: IntentionConfig | None = None, folder: Path | None = None
) -> IntentionJudge:
    """A judge by name. `folder` keeps answers and transcript of `vlm`, by default in the cache.

    Raises UnknownNameError, ConfigError.
    """
    if name not in JUDGES:
        raise UnknownNameError("intention judge", name, JUDGES)
    config = config or IntentionConfig.load()
    return GeometricJudge(config) if name == "geometric" else VlmJudge(config, folder)


__all__ = [
    "JUDGES",
    "PASS_SCORE",
    "SCORES",
    "AnswerError",
    "BackgroundJudge",
    "BudgetError",
    "GeometricJudge",
    "IntentionCase",
    "IntentionConfig",
    "IntentionJudge",
    "IntentionScores",
    "JudgeError",
    "VlmJudge",
    "make_judge",
    "release_renderer",
    "render_grasp",
]
