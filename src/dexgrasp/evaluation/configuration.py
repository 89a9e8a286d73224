"""Everything that decides the outcome of a run, for the file beside its results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dexgrasp.execution import ExecutionConfig
from dexgrasp.simulation import SimulationConfig
from dexgrasp.synthesis import SynthesisConfig


def resolved_configuration(
    hands: Iterable[str], objects: Iterable[str], seeds: Iterable[int]
) -> dict[str, Any]:
    """What is run, and the configurations that the library reads. Raises ConfigError."""
    return {
        "hands": list(hands),
        "objects": list(objects),
        "seeds": list(seeds),
        "simulation": SimulationConfig.load(),
        "synthesis": SynthesisConfig.load(),
        "execution": ExecutionConfig.load(),
    }
