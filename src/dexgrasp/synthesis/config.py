"""Parameters of the grasp generator."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.config import load_config, resource_path


class EnergyWeights(BaseModel):
    """Weights of the energy terms, in the order in which the kernel takes them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contact: float
    normal: float
    closure: float
    penetration: float
    table: float
    self_collision: float
    penetration_margin: float
    table_margin: float
    posture: float


class Refinement(BaseModel):
    """The last steps of the optimisation, against the hand's surface points.

    rates: first step of palm position [m], palm rotation and joints [rad].  margin: by which
    they stay out of the object [m].  max_penetration: that is left [m].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1)
    rates: tuple[float, float, float]
    margin: float
    max_penetration: float = Field(gt=0.0)


class ShakeConfig(BaseModel):
    """A grasp's trial without a table: mass [kg], friction, pull [m/s2] for `seconds` each way.

    distance [m], angle [rad]: how far the object may move; allowed: the share of it up to which
    a grasp counts as held, a trial being shorter than the protocol's.  closing_speed [rad/s],
    squeeze_time [s]: of the fingers.  contacts: fingertips that must touch, unless a grasp type
    is asked for.  batch: grasps tried in a round, at most.  spare: as a share of those missing.
    choice: as a share of the generator's tries that bring as many as are tried.  rounds: of the
    generator, at most.  patience: whole rounds in a row without a grasp that held.
    first_batch: grasps tried in the first.  least_effort: share of the generator's tries in a
    round that needs few grasps.  scarce: share of the tried that held, below which it is
    enough to hold at `expected_friction`, pulled for `expected_seconds` each way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mass: float = Field(gt=0.0)
    friction: float = Field(gt=0.0)
    acceleration: float = Field(gt=0.0)
    seconds: float = Field(gt=0.0)
    distance: float = Field(gt=0.0)
    angle: float = Field(gt=0.0)
    allowed: float = Field(gt=0.0, le=1.0)
    closing_speed: float = Field(gt=0.0)
    squeeze_time: float = Field(gt=0.0)
    contacts: int = Field(ge=2)
    batch: int = Field(ge=1)
    spare: float = Field(ge=1.0)
    choice: float = Field(ge=1.0)
    least_effort: float = Field(gt=0.0, le=1.0)
    first_batch: int = Field(ge=1)
    rounds: int = Field(ge=1)
    patience: int = Field(ge=1)
    scarce: float = Field(ge=0.0, le=1.0)
    expected_friction: float = Field(gt=0.0)
    expected_seconds: float = Field(gt=0.0)


class CheckConfig(BaseModel):
    """The trial from the table of a shape that is only guessed.

    candidates: tried at once, of which `survivors` again under stress: with the palm displaced
    by `shift` to two sides.  rounds: of such trials at most, until a score of `good`.
    proposals: of the generator at most, until there are `candidates`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidates: int = Field(ge=1)
    proposals: int = Field(ge=1)
    survivors: int = Field(ge=1)
    rounds: int = Field(ge=1)
    good: float = Field(ge=0.0, le=1.0)
    shift: float = Field(ge=0.0)
    clearance: float = Field(gt=0.0)
    timestep: float = Field(gt=0.0)


class SynthesisConfig(BaseModel):
    """Figures of `config/synthesis/default.yaml`, where each has its unit and meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int = Field(ge=8)
    weights: EnergyWeights
    refinement: Refinement
    friction: float = Field(gt=0.0)
    grip: float = Field(gt=0.0)
    max_grip: float = Field(gt=0.0)
    torque_share: float = Field(gt=0.0, le=1.0)
    opening: float = Field(gt=0.0)
    guess_margin: float = Field(ge=0.0)
    wide_margin: float = Field(ge=0.0)
    max_overlap: float = Field(gt=0.0)
    max_gap: float = Field(gt=0.0)
    max_residual: float = Field(gt=0.0)
    max_object_extent: float = Field(gt=0.0)
    workspace_radius: float = Field(gt=0.0)
    shake: ShakeConfig
    check: CheckConfig

    @classmethod
    def load(cls, name: str = "default") -> SynthesisConfig:
        """Read `config/synthesis/<name>.yaml`. Raises ConfigError."""
        return load_config(resource_path("config", "synthesis", f"{name}.yaml"), cls)
