"""Figures of the generator `template`, strict, from its YAML."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.config import load_config, resource_path

FOLDER = ("config", "synthesis", "generators")


class PullConfig(BaseModel):
    """How the physics engine pulls contacts onto the surface: `rounds` of `steps` each.

    timestep [s].  stiffness [N/m] and largest force [N] towards a contact's target.
    damping: of the palm's motion [N s/m, Nm s/rad].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: int = Field(ge=1)
    steps: int = Field(ge=1)
    timestep: float = Field(gt=0.0, le=0.004)
    stiffness: float = Field(gt=0.0)
    force: float = Field(gt=0.0)
    damping: tuple[float, float]


class TemplateConfig(BaseModel):
    """Figures of `config/synthesis/generators/template.yaml`, explained there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    openings: tuple[float, ...] = Field(min_length=1)
    starts: int = Field(ge=1)
    worlds: int = Field(ge=1)
    steps: int = Field(ge=1)
    rates: tuple[float, float]
    max_distance: float = Field(gt=0.0)
    max_angle: float = Field(gt=0.0)
    max_depth: float = Field(gt=0.0)
    friction: float = Field(gt=0.0)
    max_residual: float = Field(gt=0.0)
    pull: PullConfig

    @classmethod
    def load(cls) -> TemplateConfig:
        """Read the shipped file. Raises ConfigError."""
        return load_config(resource_path(*FOLDER, "template.yaml"), cls)
