"""Grasp generators behind one protocol."""

from dexgrasp.errors import UnknownNameError
from dexgrasp.synthesis.condition import Condition, box_region, part_region
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.generators import GENERATORS
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.synthesizer import CHECKS, GeneratingSynthesizer, GraspSynthesizer


def make_synthesizer(
    name: str = "optimize", config: SynthesisConfig | None = None, check: str = "lift"
) -> GraspSynthesizer:
    """A generator by name; check: of CHECKS, see there. Raises UnknownNameError."""
    if name not in GENERATORS:
        raise UnknownNameError("synthesizer", name, GENERATORS)
    if check not in CHECKS:
        raise UnknownNameError("check", check, CHECKS)
    return GeneratingSynthesizer(name, config or SynthesisConfig.load(), check)


__all__ = [
    "Condition",
    "GraspGeometry",
    "GraspSynthesizer",
    "SynthesisConfig",
    "box_region",
    "make_synthesizer",
    "part_region",
]
