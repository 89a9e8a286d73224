"""Short rounds of a generator: the same figures with smaller counts."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

Figures = TypeVar("Figures", bound=BaseModel)
FEWEST = 8


def lighter(figures: Figures, effort: float, *counts: str) -> Figures:
    """`figures` with `counts` multiplied by `effort`, a share of 1, but not below FEWEST."""
    smaller = {name: max(round(effort * getattr(figures, name)), FEWEST) for name in counts}
    return figures.model_copy(update=smaller)
