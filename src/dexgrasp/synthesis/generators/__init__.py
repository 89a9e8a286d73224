"""Ways to propose grasps, by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.generators import anneal, optimize, search, template
from dexgrasp.synthesis.geometry import GraspGeometry

Generator = Callable[
    [HandModel, GraspGeometry, SynthesisConfig, Condition, np.random.Generator], Candidates
]
"""Proposes candidates for a hand and a shape; what is unfit is filtered out behind it."""

GENERATORS: dict[str, Generator] = {
    "optimize": optimize.propose,
    "search": search.propose,
    "template": template.propose,
    "anneal": anneal.propose,
}
