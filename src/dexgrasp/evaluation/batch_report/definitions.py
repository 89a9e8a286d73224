"""The metrics of a report and what a grasp must reach in each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dexgrasp.evaluation.batch_report.survey import INTENTION, PLAUSIBILITY, SIMULATION
from dexgrasp.evaluation.intention.case import PASS_SCORE
from dexgrasp.evaluation.plausibility import CONTACT_THRESHOLD, MAX_VOLUME, MIN_CONTACTS
from dexgrasp.evaluation.report_parts import ABSENT, number
from dexgrasp.evaluation.simulation import TrialCriteria

REPORT_ONLY = "report only"
CM3_PER_M3 = 1e6
MM_PER_M = 1e3
DEGREES_PER_RADIAN = 180.0 / math.pi


@dataclass(frozen=True)
class Metric:
    """A metric as tables show it.

    key: in `EvaluationSummary.figures`.  scale: `unit`s per unit of the figure.
    """

    key: str
    name: str
    definition: str
    condition: str
    unit: str = ""
    scale: float = 1.0
    digits: int = 2

    def text(self, value: float) -> str:
        """The figure in `unit`; a dash for NaN."""
        gap = " " if self.unit not in ("", "°") else ""
        return number(self.scale * value, self.digits, gap + self.unit)


def simulation_condition(criteria: TrialCriteria) -> str:
    """What a trial must reach, in words."""
    parts = []
    if criteria.height is not None:
        parts.append(f"height > {criteria.height:g} m, held")
    if criteria.max_displacement is not None:
        parts.append(f"moves ≤ {MM_PER_M * criteria.max_displacement:g} mm")
    if criteria.max_rotation is not None:
        parts.append(f"turns ≤ {DEGREES_PER_RADIAN * criteria.max_rotation:.3g}°")
    return "; ".join(parts) or ABSENT


def pass_conditions(criteria: TrialCriteria) -> dict[str, str]:
    """Modality to its condition, in words."""
    return {
        SIMULATION: simulation_condition(criteria),
        PLAUSIBILITY: f"penetration < {MAX_VOLUME * CM3_PER_M3:g} cm³; contacts ≥ {MIN_CONTACTS}",
        INTENTION: f"each score > {PASS_SCORE:.2f}",
    }


def metric_rows(criteria: TrialCriteria) -> tuple[Metric, ...]:
    """The survey's table 7 with the constants of this run, and what else is measured."""
    height = REPORT_ONLY if criteria.height is None else f"> {criteria.height:g} m, held"
    moved, turned = criteria.max_displacement, criteria.max_rotation
    limit = REPORT_ONLY if moved is None else f"≤ {MM_PER_M * moved:g} mm"
    angle = REPORT_ONLY if turned is None else f"≤ {DEGREES_PER_RADIAN * turned:.3g}°"
    score = f"> {PASS_SCORE:.2f}"
    near = f"within {MM_PER_M * CONTACT_THRESHOLD:g} mm of the"
    return (
        Metric(
            "max_height", "Max height", "max over t of z_object(t) - z_table, centre of mass",
            height, "m",
        ),
        Metric(
            "drift", "Drift", "way of the object in the hand since the lift began", REPORT_ONLY,
            "mm", MM_PER_M, 1,
        ),
        Metric(
            "displacement", "Displacement", "largest way of the object from its first pose",
            limit, "mm", MM_PER_M, 1,
        ),
        Metric(
            "rotation", "Rotation", "largest angle of the object from its first pose", angle,
            "°", DEGREES_PER_RADIAN, 1,
        ),
        Metric(
            "penetration_volume", "Penetration volume",
            "hand inside the true mesh, in voxels of 1 mm",
            f"< {MAX_VOLUME * CM3_PER_M3:g} cm³ ({MAX_VOLUME:g} m³)", "cm³", CM3_PER_M3,
        ),
        Metric(
            "penetration_depth", "Penetration depth", "deepest point of the hand in the mesh",
            REPORT_ONLY, "mm", MM_PER_M, 1,
        ),
        Metric(
            "self_penetration", "Self-penetration", "depth between links of the hand",
            REPORT_ONLY, "mm", MM_PER_M, 1,
        ),
        Metric(
            "table_penetration", "Table penetration", "depth of the hand below the table",
            REPORT_ONLY, "mm", MM_PER_M, 1,
        ),
        Metric(
            "contact_area_cm2", "Contact area", f"surface of the object {near} hand", REPORT_ONLY,
            "cm²", 1.0, 1,
        ),
        Metric(
            "contacts", "#Contacts", f"distinct fingertips {near} object",
            f"≥ {MIN_CONTACTS}", "", 1.0, 1,
        ),
        Metric(
            "q1", "Q1", "largest ball about the origin in the hull of the contact wrenches",
            REPORT_ONLY, "", 1.0, 3,
        ),
        Metric("alignment", "Alignment", "intention score in [0, 1]", score),
        Metric("visual_consistency", "Visual consistency", "intention score in [0, 1]", score),
        Metric("task_score", "Task score", "intention score in [0, 1]", score),
    )  # fmt: skip
