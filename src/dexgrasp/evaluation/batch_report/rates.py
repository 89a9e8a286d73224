"""Pass rates of the three modalities, each by itself and behind the gates before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dexgrasp.evaluation.batch_report.survey import (
    COMPOSITE_WEIGHTS,
    INTENTION,
    PLAUSIBILITY,
    SIMULATION,
)
from dexgrasp.evaluation.records import GraspRecord
from dexgrasp.evaluation.results import Share


@dataclass(frozen=True)
class Rates:
    """Shares of grasps that pass.

    simulation, plausibility, intention: marginal, of all that the modality judged.
    gated_plausibility: of those that passed the simulation and were judged.
    gated_intention: of those that passed both and were judged.
    all_three: of the grasps that are decided: one failed verdict, or three passed ones.
    Of nothing when some grasp waits for a modality that judged none.
    undecided: grasps that failed nothing and miss a verdict.
    """

    simulation: Share
    plausibility: Share
    intention: Share
    gated_plausibility: Share
    gated_intention: Share
    all_three: Share
    undecided: int

    def of(self, modality: str) -> Share:
        """The marginal share of a modality."""
        return getattr(self, modality)

    def gated(self, modality: str) -> Share:
        """The share of a modality behind the gates before it; the simulation has none."""
        return self.simulation if modality == SIMULATION else getattr(self, f"gated_{modality}")

    @property
    def composite(self) -> float | None:
        """Weighted mean of the marginal rates in [0, 1]; None unless all were measured."""
        if not all(self.of(modality).total for modality in COMPOSITE_WEIGHTS):
            return None
        return sum(weight * self.of(name).rate for name, weight in COMPOSITE_WEIGHTS.items())


def rates_of(records: Sequence[GraspRecord]) -> Rates:
    """The rates of one trial per grasp."""
    lifted = [r for r in records if r.success]
    sound = [r for r in lifted if r.plausible]
    marginal = {
        SIMULATION: share_of(r.success for r in records),
        PLAUSIBILITY: share_of(r.plausible for r in records),
        INTENTION: share_of(r.intended for r in records),
    }
    overall = [passes_all(r) for r in records]
    undecided = overall.count(None)
    unjudged = undecided > 0 and not all(share.total for share in marginal.values())
    return Rates(
        **marginal,
        gated_plausibility=share_of(r.plausible for r in lifted),
        gated_intention=share_of(r.intended for r in sound),
        all_three=Share(0, 0) if unjudged else share_of(overall),
        undecided=undecided,
    )


def share_of(verdicts: Iterable[bool | None]) -> Share:
    """The share of the verdicts that are true; None is not counted."""
    given = [verdict for verdict in verdicts if verdict is not None]
    return Share(sum(given), len(given))


def passes_all(record: GraspRecord) -> bool | None:
    """Whether the grasp passes all three modalities; None while that is open."""
    verdicts = (record.success, record.plausible, record.intended)
    if False in verdicts:
        return False
    return None if None in verdicts else True
