"""Figures of the search over contact fields."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.config import load_config, resource_path


class SearchConfig(BaseModel):
    """Figures of `config/synthesis/generators/search.yaml`, where each has unit and meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    configurations: int = Field(ge=1)
    box: float = Field(gt=0.0)
    splits: int = Field(ge=1)
    palms: int = Field(ge=1)
    fingers: int = Field(ge=2)
    points: int = Field(ge=8)
    tip_room: float = Field(ge=0.0)
    options: int = Field(ge=1)
    tries: int = Field(ge=1)
    apart: float = Field(ge=0.0)
    overlap: float
    table_overlap: float = Field(ge=0.0)
    arm: float = Field(gt=0.0)
    max_residual: float = Field(gt=0.0)
    matches: int = Field(ge=1)
    iterations: int = Field(ge=1)
    damping: float = Field(gt=0.0)
    facing_weight: float = Field(ge=0.0)
    max_gap: float = Field(gt=0.0)
    settle_steps: int = Field(ge=1)
    settle_rates: tuple[float, float, float]
    kept: int = Field(ge=1)

    @classmethod
    def load(cls) -> SearchConfig:
        """Read the file. Raises ConfigError."""
        return load_config(resource_path("config", "synthesis", "generators", "search.yaml"), cls)
