"""What the safety filter permits, and the names of what it does."""

from __future__ import annotations

from enum import IntFlag

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dexgrasp.config import load_config, resource_path

Vector3 = tuple[float, float, float]
Range = tuple[float, float]


class MotorLimits(BaseModel):
    """Temperature [C] and current [A]: between the two figures the effort limit falls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Range
    current: Range
    least_effort: float = Field(gt=0.0, le=1.0)

    @model_validator(mode="after")
    def _rising(self) -> MotorLimits:
        for name, (low, high) in (("temperature", self.temperature), ("current", self.current)):
            if not low < high:
                raise ValueError(f"{name} [{low}, {high}] does not rise")
        return self


class SafetyLimits(BaseModel):
    """Figures of `config/execution/safety.yaml`, where each has its unit and meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    heartbeat: float = Field(gt=0.0)
    relax_after: float = Field(ge=0.0)
    relax_speed: float = Field(gt=0.0)
    input_age: float = Field(gt=0.0)
    longest_period: float = Field(gt=0.0)
    joint_speed: float = Field(gt=0.0)
    joint_jump: float = Field(gt=0.0)
    effort_share: float = Field(gt=0.0, le=1.0)
    palm_speed: float = Field(gt=0.0)
    palm_turn_speed: float = Field(gt=0.0)
    palm_jump: float = Field(gt=0.0)
    palm_turn_jump: float = Field(gt=0.0, lt=np.pi)
    workspace_low: Vector3
    workspace_high: Vector3
    table_height: float
    table_depth: float = Field(ge=0.0)
    max_overlap: float = Field(ge=0.0)
    look_ahead: float = Field(gt=0.0)
    look_time: float = Field(ge=0.0)
    motors: MotorLimits

    @classmethod
    def load(cls, name: str = "safety") -> SafetyLimits:
        """Read `config/execution/<name>.yaml`. Raises ConfigError."""
        return load_config(resource_path("config", "execution", f"{name}.yaml"), cls)


class Intervention(IntFlag):
    """What the filter did to a world's command, or found; several may be set."""

    NONE = 0
    INVALID_COMMAND = 1
    INVALID_STATE = 2
    STALE_COMMAND = 4
    RELAXED = 8
    STALE_STATE = 16
    CLOCK = 32
    JUMP = 64
    JOINT_LIMIT = 128
    JOINT_SPEED = 256
    EFFORT = 512
    PALM_SPEED = 1024
    WORKSPACE = 2048
    TABLE = 4096
    SELF_COLLISION = 8192
    DERATED = 16384
    OVERLOAD = 32768
    E_STOP = 65536


REFUSALS = (
    Intervention.INVALID_COMMAND
    | Intervention.INVALID_STATE
    | Intervention.STALE_COMMAND
    | Intervention.CLOCK
    | Intervention.JUMP
    | Intervention.TABLE
    | Intervention.SELF_COLLISION
    | Intervention.OVERLOAD
    | Intervention.E_STOP
)
"""With any of these the hand, or a part of it, stays where it was instead of following."""

REJECTIONS = (
    Intervention.INVALID_COMMAND
    | Intervention.INVALID_STATE
    | Intervention.JUMP
    | Intervention.OVERLOAD
    | Intervention.E_STOP
)
"""With any of these a whole command is turned down, not a part of it, nor for its age."""

WORDS = {
    Intervention.INVALID_COMMAND: "the command holds NaN, infinity or no rotation",
    Intervention.INVALID_STATE: "the hand's state is missing, or holds NaN or no rotation",
    Intervention.STALE_COMMAND: "commands stopped coming",
    Intervention.RELAXED: "without commands for long, the fingers let go",
    Intervention.STALE_STATE: "the hand's state is old",
    Intervention.CLOCK: "time ran backwards or is not a number",
    Intervention.JUMP: "the target is too far from the last one",
    Intervention.JOINT_LIMIT: "a target was beyond a joint's limit",
    Intervention.JOINT_SPEED: "a joint target moved too fast",
    Intervention.EFFORT: "a target would ask for more than a joint's effort limit",
    Intervention.PALM_SPEED: "the palm target moved too fast",
    Intervention.WORKSPACE: "the palm target was outside the workspace",
    Intervention.TABLE: "the hand would hit the table",
    Intervention.SELF_COLLISION: "the fingers would hit one another or the palm",
    Intervention.DERATED: "a motor is warm or draws much current: its effort limit is lower",
    Intervention.OVERLOAD: "a motor is too hot or draws too much current",
    Intervention.E_STOP: "the emergency stop is latched; reset it",
}


def intervention_words(flags: int) -> str:
    """Sentences on the interventions of one world, weightiest first; empty for none."""
    return "; ".join(WORDS[flag] for flag in reversed(WORDS) if flags & flag)
