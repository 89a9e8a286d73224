"""Verdicts on trials."""

from __future__ import annotations

import math

from dexgrasp_interfaces.action import PickObject
from dexgrasp_interfaces.msg import TrialReport

from dexgrasp.evaluation.results import TrialResult


def trial_result(
    name: str, hand: str, seed: int, result: PickObject.Result, report: TrialReport | None
) -> TrialResult:
    """One pick as the report shows it.

    report: of the last attempt; None when nothing was executed then.
    """
    seconds = {
        stage: value
        for stage in ("perception", "synthesis", "execution", "withdrawal")
        if (value := getattr(result, f"{stage}_seconds")) > 0.0
    }
    ended = TrialResult(
        object=name,
        hand=hand,
        seed=seed,
        success=False,
        phase=result.stage.upper(),
        error_code=result.error_code,
        error_msg=result.error_msg,
        attempts=len(result.attempts),
        grasp_kind=result.grasp.kind,
        grasp_score=result.grasp.score if result.grasp.kind else math.nan,
        seconds=seconds,
        through="ros",
    )
    return ended if report is None else _judged(ended, report)


def _judged(ended: TrialResult, report: TrialReport) -> TrialResult:
    judged = report.plausibility_judged
    return TrialResult(
        object=ended.object,
        hand=ended.hand,
        seed=ended.seed,
        success=report.success,
        phase=report.phase,
        error_code=ended.error_code or report.error_code,
        error_msg=ended.error_msg or report.error_msg,
        attempts=ended.attempts,
        grasp_kind=report.grasp_kind,
        grasp_score=report.grasp_score,
        max_height=report.max_height,
        slip=report.slip,
        plausible=report.plausible if judged else None,
        penetration_volume=report.penetration_volume if judged else math.nan,
        contact_area=report.contact_area if judged else math.nan,
        contacts=report.contacts,
        intended=report.intended if report.intention_judged else None,
        alignment=report.alignment if report.intention_judged else math.nan,
        visual_consistency=report.visual_consistency if report.intention_judged else math.nan,
        task_score=report.task_score if report.intention_judged else math.nan,
        seconds=ended.seconds,
        through="ros",
    )
