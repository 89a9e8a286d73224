"""The last millimetres: fingertips on the surface and no part of the hand inside it."""

from __future__ import annotations

from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.generators.optimize import descend
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.sampling import Starts
from dexgrasp.synthesis.skin import surface_skin


def refine(
    hand: HandModel, geometry: GraspGeometry, candidates: Candidates, config: SynthesisConfig
) -> Candidates:
    """The candidates moved a little, with the hand's true surface instead of covering spheres."""
    starts = Starts(
        candidates.palms,
        candidates.joints,
        candidates.joints.copy(),
        candidates.used,
        list(candidates.kinds),
    )
    settings = config.refinement
    return descend(
        hand,
        geometry,
        starts,
        config,
        surface_skin(hand),
        settings.steps,
        settings.rates,
        settings.margin,
    )
