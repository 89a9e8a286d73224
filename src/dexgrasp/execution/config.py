"""Parameters of the phase machine."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.config import load_config, resource_path


class PhaseTimeouts(BaseModel):
    """Longest time of each phase [s]; past it the goal fails with the phase's code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    approach: float = Field(gt=0.0)
    cover: float = Field(gt=0.0)
    pregrasp_closure: float = Field(gt=0.0)
    full_grasp: float = Field(gt=0.0)
    lift: float = Field(gt=0.0)
    hold: float = Field(gt=0.0)
    place: float = Field(gt=0.0)
    release: float = Field(gt=0.0)
    retreat: float = Field(gt=0.0)


class SensingConfig(BaseModel):
    """When a torque is a touch; each figure is explained in `config/execution/default.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    torque: float = Field(gt=0.0)
    spreads: float = Field(gt=0.0)
    stall_speed: float = Field(gt=0.0)
    release: float = Field(gt=0.0, le=1.0)


class SlipConfig(BaseModel):
    """When a grip slips and what follows; explained in `config/execution/default.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drop: float = Field(gt=0.0, lt=1.0)
    load: float = Field(gt=0.0)
    give: float = Field(gt=0.0)
    drift: float = Field(gt=0.0)
    motion: float = Field(gt=0.0)
    turn: float = Field(gt=0.0)
    tighten_rate: float = Field(ge=0.0)
    tightest: float = Field(ge=1.0)
    longest_wait: float = Field(ge=0.0)


class ForceConfig(BaseModel):
    """Fingertip forces of `impedance` and `mpc`; explained in `config/execution/default.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    friction: float = Field(gt=0.0)
    least: float = Field(gt=0.0)
    most: float = Field(gt=0.0)
    effort_share: float = Field(gt=0.0, le=1.0)
    force_gain: float = Field(ge=0.0)
    force_correction: float = Field(ge=0.0, lt=1.0)
    hold_gain: float = Field(ge=0.0)
    hold_reach: float = Field(ge=0.0)
    load_time: float = Field(gt=0.0)
    force_rate: float = Field(gt=0.0)


class ExecutionConfig(BaseModel):
    """Figures of `config/execution/default.yaml`, where each has its unit and meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clearance: float = Field(gt=0.0)
    travel_height: float = Field(ge=0.0)
    palm_speed: float = Field(gt=0.0)
    palm_turn_speed: float = Field(gt=0.0)
    cover_speed: float = Field(gt=0.0)
    cover_slack: float = Field(ge=0.0)
    blocked_lag: float = Field(gt=0.0)
    closing_speed: float = Field(gt=0.0)
    overclose: float = Field(ge=0.0)
    touch_force: float = Field(gt=0.0)
    lost_force: float = Field(ge=0.0)
    lost_time: float = Field(gt=0.0)
    squeeze_time: float = Field(gt=0.0)
    settle_time: float = Field(ge=0.0)
    lift_height: float = Field(gt=0.0)
    lift_speed: float = Field(gt=0.0)
    hold_time: float = Field(ge=0.0)
    release_time: float = Field(gt=0.0)
    joint_speed_limit: float = Field(gt=0.0)
    position_tolerance: float = Field(gt=0.0)
    rotation_tolerance: float = Field(gt=0.0)
    sensing: SensingConfig
    slip: SlipConfig
    force: ForceConfig
    timeouts: PhaseTimeouts

    @classmethod
    def load(cls, name: str = "default") -> ExecutionConfig:
        """Read `config/execution/<name>.yaml`. Raises ConfigError."""
        return load_config(resource_path("config", "execution", f"{name}.yaml"), cls)
