"""Figures of the survey's evaluator, section 6, that a run is shown beside."""

from __future__ import annotations

from dataclasses import dataclass

from dexgrasp.evaluation.report_parts import SURVEY_PICK_RATE, SURVEY_PLAUSIBLE_RATE

SIMULATION, PLAUSIBILITY, INTENTION = MODALITIES = ("simulation", "plausibility", "intention")


@dataclass(frozen=True)
class ModalityReference:
    """A row of table 5. rate: share that passes in [0, 1]. seconds: mean per grasp [s]."""

    rate: float
    seconds: float


@dataclass(frozen=True)
class DataSetReference:
    """A row of table 6. success, slip: shares in [0, 1]. median_height [m]."""

    name: str
    hands: str
    objects: int
    success: float
    median_height: float
    slip: float


TABLE_5 = {
    SIMULATION: ModalityReference(SURVEY_PICK_RATE, 0.086),
    PLAUSIBILITY: ModalityReference(SURVEY_PLAUSIBLE_RATE, 0.019),
    INTENTION: ModalityReference(0.696, 2.3),
}
TABLE_6 = (
    DataSetReference("GraspXL (ECCV 2024)", "Allegro, LEAP", 200, 0.51, 0.35, 0.082),
    DataSetReference("MultiDex v1.0 (CVPR 2023)", "Allegro, LEAP", 29, 0.48, 0.33, 0.090),
    DataSetReference("DexFuncGrasp (AAAI 2024)", "Allegro, LEAP", 280, 0.44, 0.32, 0.097),
)
COMPOSITE = 0.643  # section 6.4

# The survey does not print its weights. These give its 0.643 from its own three rates: our
# inference.
COMPOSITE_WEIGHTS = {SIMULATION: 0.55, PLAUSIBILITY: 0.25, INTENTION: 0.20}
