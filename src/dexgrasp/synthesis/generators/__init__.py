"""Ways to propose grasps, by name."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.generators import anneal, optimize, search, template
from dexgrasp.synthesis.geometry import GraspGeometry


class Generator(Protocol):
    """Proposes candidates for a hand and a shape; what is unfit is filtered out behind it."""

    def __call__(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        config: SynthesisConfig,
        condition: Condition,
        rng: np.random.Generator,
        effort: float = 1.0,
    ) -> Candidates:
        """effort: share of the full number of tries. Raises NoGraspError."""
        ...


GENERATORS: dict[str, Generator] = {
    "optimize": optimize.propose,
    "optimize_cone": optimize.propose_cone,
    "optimize_mala": optimize.propose_mala,
    "search": search.propose,
    "template": template.propose,
    "anneal": anneal.propose,
}
