"""Figures and words of `config/evaluation/intention.yaml`, where each has its unit and source."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dexgrasp.config import load_config, resource_path

Approach = Literal["any", "side", "above", "across"]
Ramp = tuple[float, float]


class Strict(BaseModel):
    """Frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ContactConfig(Strict):
    """Distances [m] at which a surface point is in contact entirely, and not at all."""

    full: float = Field(ge=0.0)
    none: float = Field(gt=0.0)

    @model_validator(mode="after")
    def _ordered(self) -> ContactConfig:
        if not self.full < self.none:
            raise ValueError(f"full {self.full} must be less than none {self.none}")
        return self


class AlignmentConfig(Strict):
    """Shares of the contact map that make the alignment score."""

    wanted_full: float = Field(gt=0.0, le=1.0)
    forbidden_none: float = Field(gt=0.0, le=1.0)
    unlabelled: float = Field(ge=0.0, le=0.7)


class TaskConfig(Strict):
    """Figures of the task score. Pairs are (best, worst), of `approach` (worst, best)."""

    clearance: float = Field(gt=0.0)
    covered: Ramp
    reach: Ramp
    q1: float = Field(gt=0.0)
    q1_weight: float = Field(ge=0.0, le=1.0)
    approach: Ramp
    approach_weight: float = Field(ge=0.0, le=1.0)


class VisualConfig(Strict):
    """Figures of the visual score. Pairs are (best, worst), of `agreeing` (worst, best)."""

    width: int = Field(ge=16, le=1024)
    hidden: Ramp
    depth: float = Field(gt=0.0)
    inside: Ramp
    agree: float = Field(gt=0.0)
    agreeing: Ramp


class GeometricConfig(Strict):
    """The geometric judge."""

    surface_points: int = Field(ge=100, le=20_000)
    points_per_part: int = Field(ge=1)
    contact: ContactConfig
    alignment: AlignmentConfig
    task: TaskConfig
    visual: VisualConfig


class PriceConfig(Strict):
    """Price of a million tokens read and written."""

    input: float = Field(ge=0.0)
    output: float = Field(ge=0.0)


class VlmConfig(Strict):
    """The judge that asks a vision model. Times [s], size of a picture [px]."""

    url: str = Field(pattern=r"^https?://")
    model: str = Field(min_length=1)
    key_variable: str
    views: int = Field(ge=1, le=8)
    size: int = Field(ge=64, le=2048)
    timeout: float = Field(gt=0.0)
    attempts: int = Field(ge=1, le=10)
    backoff: float = Field(ge=0.0)
    max_backoff: float = Field(ge=0.0)
    max_answer_tokens: int = Field(ge=50)
    max_requests: int = Field(ge=0)
    max_tokens: int = Field(ge=0)
    max_cost: float = Field(ge=0.0)
    price_per_million: PriceConfig
    tokens_per_view: int = Field(ge=0)


class VerbConfig(Strict):
    """What an action needs: parts to hold, to keep free, to reach; how firmly and from where."""

    words: tuple[str, ...] = Field(min_length=1)
    general: bool = False
    wanted: tuple[tuple[str, ...], ...] = ()
    free: tuple[str, ...] = ()
    reach: tuple[str, ...] = ()
    fingers: int = Field(default=3, ge=1)  # the survey asks for three (facts/evaluation.md)
    approach: Approach = "any"


class LexiconConfig(Strict):
    """Words for actions, parts and approaches."""

    default_verb: str
    verbs: dict[str, VerbConfig]
    parts: dict[str, tuple[str, ...]]
    approaches: dict[Approach, tuple[str, ...]]

    @model_validator(mode="after")
    def _consistent(self) -> LexiconConfig:
        if self.default_verb not in self.verbs:
            raise ValueError(f"default_verb {self.default_verb!r} is none of {list(self.verbs)}")
        seen: dict[str, str] = {}
        for name, verb in self.verbs.items():
            for word in verb.words:
                if seen.setdefault(word, name) != name:
                    raise ValueError(f"{word!r} is a word of {seen[word]!r} and {name!r}")
        return self


class IntentionConfig(Strict):
    """Everything that the intention judges are given."""

    geometric: GeometricConfig
    vlm: VlmConfig
    lexicon: LexiconConfig

    @classmethod
    def load(cls, name: str = "intention") -> IntentionConfig:
        """Read `config/evaluation/<name>.yaml`. Raises ConfigError."""
        return load_config(resource_path("config", "evaluation", f"{name}.yaml"), cls)
