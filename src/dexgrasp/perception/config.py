"""Parameters of perception."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.config import load_config, resource_path

Vector3 = tuple[float, float, float]


class TableConfig(BaseModel):
    """How the supporting plane is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tilt: float = Field(gt=0.0, lt=0.8)
    tolerance: float = Field(gt=0.0)
    inliers: int = Field(ge=3)
    trials: int = Field(ge=1)


class PerceptionConfig(BaseModel):
    """Figures of `config/perception/default.yaml`, where each has its unit and meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workspace: tuple[Vector3, Vector3]
    table: TableConfig
    clearance: float = Field(gt=0.0)
    flying_jump: float = Field(gt=0.0)
    cluster_gap: float = Field(gt=0.0)
    cluster_points: int = Field(ge=10)
    fragment_gap: float = Field(gt=0.0)
    fragment_share: float = Field(ge=0.0, lt=1.0)
    cloud_spacing: float = Field(gt=0.0)
    cloud_points: int = Field(ge=100)

    @classmethod
    def load(cls, name: str = "default") -> PerceptionConfig:
        """Read `config/perception/<name>.yaml`. Raises ConfigError."""
        return load_config(resource_path("config", "perception", f"{name}.yaml"), cls)
