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


I = Intervention  # noqa: E741

REFUSALS = (
    I.INVALID_COMMAND | I.INVALID_STATE | I.STALE_COMMAND | I.CLOCK | I.JUMP | I.TABLE
    | I.SELF_COLLISION | I.OVERLOAD | I.E_STOP
)  # fmt: skip
"""With any of these the hand, or a part of it, stays where it was instead of following."""

WORDS = {
    I.INVALID_COMMAND: "the command holds NaN, infinity or no rotation",
    I.INVALID_STATE: "the hand's state is missing, or holds NaN or no rotation",
    I.STALE_COMMAND: "commands stopped coming",
    I.RELAXED: "without commands for long, the fingers let go",
    I.STALE_STATE: "the hand's state is old",
    I.CLOCK: "time ran backwards or is not a number",
    I.JUMP: "the target is too far from the last one",
    I.JOINT_LIMIT: "a target was beyond a joint's limit",
    I.JOINT_SPEED: "a joint target moved too fast",
    I.EFFORT: "a target would ask for more than a joint's effort limit",
    I.PALM_SPEED: "the palm target moved too fast",
    I.WORKSPACE: "the palm target was outside the workspace",
    I.TABLE: "the hand would hit the table",
    I.SELF_COLLISION: "the fingers would hit one another or the palm",
    I.DERATED: "a motor is warm or draws much current: its effort limit is lower",
    I.OVERLOAD: "a motor is too hot or draws too much current",
    I.E_STOP: "the emergency stop is latched; reset it",
}


def intervention_words(flags: int) -> str:
    """Sentences on the interventions of one world, weightiest first; empty for none."""
    return "; ".join(WORDS[flag] for flag in reversed(WORDS) if flags & flag)
