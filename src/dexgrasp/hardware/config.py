"""What `config/hardware/<hand>.yaml` says of a hand's bus, motors and start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, RootModel

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import ConfigError, UnknownNameError
from dexgrasp.hands import HandModel
from dexgrasp.hands.calibration import Calibration
from dexgrasp.types import Array

Positive = Annotated[float, Field(gt=0.0)]


class Strict(BaseModel):
    """Frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LinkConfig(Strict):
    """How patient the stack is with a bus.

    patience: without a reading until the hand counts as lost [s].
    back_off: (first, longest) wait between two tries to connect [s]; each doubles.
    """

    patience: Positive
    back_off: tuple[Positive, Positive]


class LeapConfig(Strict):
    """A LEAP hand: see the comments of `config/hardware/leap_right.yaml`."""

    kind: Literal["leap"]
    port: str
    baud: int
    ids: tuple[Annotated[int, Field(ge=0, le=252)], ...]
    rate: Positive
    answer_timeout: Positive
    p_gain: int
    i_gain: int
    d_gain: int
    side_share: Annotated[float, Field(gt=0.0, le=1.0)]
    side_ids: tuple[int, ...]
    goal_current: Annotated[float, Field(gt=0.0, le=0.6)]
    torque_constant: Positive
    watchdog: Annotated[float, Field(ge=0.02, le=2.54)]
    soft_start_speed: Positive
    calibration: str | None
    link: LinkConfig


class AllegroConfig(Strict):
    """An Allegro hand: see the comments of `config/hardware/allegro_right.yaml`."""

    kind: Literal["allegro"]
    version: Literal[4, 5]
    interface: str
    channel: str
    rate: Positive
    grace: Positive
    velocity_filter: Positive
    torque_limit: Positive
    gravity: tuple[float, float, float]
    soft_start_speed: Positive
    calibration: str | None
    link: LinkConfig


HardwareConfig = Annotated[LeapConfig | AllegroConfig, Field(discriminator="kind")]


class _File(RootModel[HardwareConfig]):
    model_config = ConfigDict(frozen=True)


def load_leap(hand: str) -> LeapConfig:
    """`load_hardware` of a LEAP hand. Raises ConfigError for another."""
    config = load_hardware(hand)
    if not isinstance(config, LeapConfig):
        raise ConfigError(f"{hand} has no Dynamixel bus but is of kind {config.kind!r}")
    return config


def load_allegro(hand: str) -> AllegroConfig:
    """`load_hardware` of an Allegro hand. Raises ConfigError for another."""
    config = load_hardware(hand)
    if not isinstance(config, AllegroConfig):
        raise ConfigError(f"{hand} has no CAN bus but is of kind {config.kind!r}")
    return config


def with_port(config: LeapConfig | AllegroConfig, port: str | None):
    """The same on another serial port or CAN channel; None: as it is."""
    if port is None:
        return config
    place = "port" if isinstance(config, LeapConfig) else "channel"
    return config.model_copy(update={place: port})


def load_calibration(path: str | None, hand: HandModel) -> Calibration | None:
    """The file of `calibration` in `config/hardware`; None without one. Raises ConfigError."""
    return Calibration.load(Path(path), hand.name, hand.joint_names) if path else None


def load_zeros(path: str | None, hand: HandModel) -> Array:
    """(J,) [rad] of that file, which encoders read beyond the truth. Raises ConfigError."""
    found = load_calibration(path, hand)
    return np.zeros(hand.joint_count) if found is None else found.column("zero")


def load_hardware(hand: str) -> LeapConfig | AllegroConfig:
    """Read `config/hardware/<hand>.yaml`. Raises UnknownNameError, ConfigError."""
    folder = resource_path("config", "hardware")
    path = folder / f"{hand}.yaml"
    if not path.exists():
        raise UnknownNameError("hand with a driver", hand, (p.stem for p in folder.glob("*.yaml")))
    return load_config(path, _File).root
