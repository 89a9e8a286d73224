"""Figures of the contact optimisation."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.config import load_config, resource_path
from dexgrasp.types import Array

Positive = Annotated[float, Field(gt=0.0)]


class GradientConfig(BaseModel):
    """Adam's steps.  rates: first step of palm position [m], palm rotation and joints [rad]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1)
    rates: tuple[float, float, float]


class MalaConfig(BaseModel):
    """Langevin steps of a chain.

    jumps: widths of the first of palm position [m], palm rotation and joints [rad].
    temperatures: first and last, in units of the energy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1)
    jumps: tuple[float, float, float]
    temperatures: tuple[Positive, Positive]


class ConeConfig(BaseModel):
    """Closure by forces in friction cones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    friction: float = Field(gt=0.0)
    load: float = Field(gt=0.0)
    regulariser: float = Field(gt=0.0)
    pressure: float = Field(ge=0.0, le=1.0)
    interval: int = Field(ge=1)
    iterations: int = Field(ge=1)
    weight: float = Field(gt=0.0)

    @property
    def figures(self) -> Array:
        """(6,) as `kernels.closure.balance_cones` takes them."""
        values = (self.friction, self.load, self.regulariser, self.pressure)
        return np.array([*values, self.interval, self.iterations], dtype=float)


class OptimizeConfig(BaseModel):
    """Figures of `config/synthesis/generators/optimize.yaml`, where each has unit and meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gradient: GradientConfig
    mala: MalaConfig
    cone: ConeConfig

    @classmethod
    def load(cls) -> OptimizeConfig:
        """Read the shipped file. Raises ConfigError."""
        return load_config(resource_path("config", "synthesis", "generators", "optimize.yaml"), cls)
