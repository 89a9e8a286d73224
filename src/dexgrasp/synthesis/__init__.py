"""Grasp generators behind one protocol."""

from dexgrasp.errors import UnknownNameError
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.synthesizer import GraspSynthesizer, OptimizingSynthesizer

SYNTHESIZERS = {"optimize": OptimizingSynthesizer}


def make_synthesizer(
    name: str = "optimize", config: SynthesisConfig | None = None
) -> GraspSynthesizer:
    """A generator by name. Raises UnknownNameError."""
    if name not in SYNTHESIZERS:
        raise UnknownNameError("synthesizer", name, SYNTHESIZERS)
    return SYNTHESIZERS[name](config or SynthesisConfig.load())


__all__ = [
    "GraspGeometry",
    "GraspSynthesizer",
    "OptimizingSynthesizer",
    "SynthesisConfig",
    "make_synthesizer",
]
