"""How grasps are tried in simulation: the protocols of `config/evaluation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import ConfigError, UnknownNameError
from dexgrasp.evaluation.simulation import TrialCriteria
from dexgrasp.execution import ExecutionConfig
from dexgrasp.simulation import SimulationConfig
from dexgrasp.types import Array

Vector3 = tuple[float, float, float]
Range = tuple[float, float]
FOLDER = ("config", "evaluation", "protocols")


class Randomisation(BaseModel):
    """What the randomised trials of a grasp vary.

    position [m], yaw [rad]: standard deviations of the object's pose on the table about the
    one that the grasp expects.  joints [rad]: standard deviation of a constant error of every
    joint target.  friction, mass: lowest and highest factor, uniform.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    position: float = Field(ge=0.0)
    yaw: float = Field(ge=0.0)
    joints: float = Field(ge=0.0)
    friction: Range
    mass: Range

    @field_validator("friction", "mass")
    @classmethod
    def _ordered(cls, value: Range) -> Range:
        if not 0.0 < value[0] <= value[1]:
            raise ValueError(f"{value} is not a range of positive factors")
        return value

    @classmethod
    def load(cls) -> Randomisation:
        """Read `config/evaluation/randomisation.yaml`. Raises ConfigError."""
        return load_config(resource_path("config", "evaluation", "randomisation.yaml"), cls)


class Protocol(BaseModel):
    """One way to try grasps; every field is in `config/evaluation/protocols/<name>.yaml`.

    gravity: `always`, or `from_lift`: off until the fingers have squeezed.
    accelerations: (D, 3) [m/s2] that the object feels then, one world each; a grasp passes
    when it passes in all of them.
    elevation: of the object's resting pose above the table [m].
    mass [kg], friction: of every object; None: its own.
    max_penetration: of the pregrasp into the object or itself [m], beyond which the trial is
    not run; None: not asked for.
    execution, simulation: figures that differ from the executor's and the simulator's own.
    control_period: between two commands [s].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = ""
    description: str
    gravity: Literal["always", "from_lift"]
    accelerations: tuple[Vector3, ...] = Field(min_length=1)
    elevation: float = Field(ge=0.0)
    mass: float | None = Field(gt=0.0)
    friction: float | None = Field(gt=0.0)
    max_penetration: float | None = Field(gt=0.0)
    wrist: Literal["force_limited", "kinematic"]
    control_period: float = Field(gt=0.0)
    criteria: TrialCriteria
    execution: dict[str, Any]
    simulation: dict[str, Any]

    @classmethod
    def load(cls, name: str) -> Protocol:
        """Read `config/evaluation/protocols/<name>.yaml`. Raises UnknownNameError, ConfigError."""
        if name not in protocol_names():
            raise UnknownNameError("protocol", name, protocol_names())
        protocol = load_config(resource_path(*FOLDER, f"{name}.yaml"), cls)
        return protocol.model_copy(update={"name": name})

    def changed(self, figures: Mapping[str, Any]) -> Protocol:
        """This protocol with other figures. Raises ConfigError for one that is not allowed."""
        try:
            return Protocol.model_validate({**self.model_dump(), **figures})
        except ValidationError as error:
            fault = error.errors()[0]
            raise ConfigError(f"protocol {self.name}: {fault['loc'][0]}: {fault['msg']}") from error

    def execution_config(self) -> ExecutionConfig:
        """The executor's own figures with this protocol's. Raises ValidationError."""
        base = ExecutionConfig.load().model_dump()
        return ExecutionConfig.model_validate(merged(base, self.execution))

    def simulation_config(self) -> SimulationConfig:
        """The simulator's own figures with this protocol's. Raises ValidationError."""
        config = SimulationConfig.load()
        base = merged(config.model_dump(), self.simulation)
        if self.wrist == "kinematic":
            base["wrist"] = config.kinematic_wrist.model_dump()
        return SimulationConfig.model_validate(base)

    def gravity_at(self, loaded: Array, acceleration: Array) -> Array:
        """(N, 3) what N worlds feel [m/s2]; loaded: (N,) bool, the fingers have squeezed."""
        if self.gravity == "always":
            return acceleration
        return np.where(loaded[:, None], acceleration, 0.0)


def protocol_names() -> list[str]:
    """Names of the shipped protocols."""
    return sorted(path.stem for path in resource_path(*FOLDER).glob("*.yaml"))


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, nested mappings likewise; the model refuses unknown keys."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = merged(base[key], value) if both else value
    return result
