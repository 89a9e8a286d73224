"""What `config/topics/<name>.yaml` says of another program that drives the hand by ROS topics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import model_validator

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import UnknownNameError
from dexgrasp.hands import HandModel
from dexgrasp.hardware.config import LinkConfig, Positive, Strict
from dexgrasp.hardware.driver import BusError
from dexgrasp.types import Array


class Service(Strict):
    """Answers an empty request with position, velocity and effort. type: `package/srv/Name`."""

    name: str
    type: str


class Word(Strict):
    """A `std_msgs/String` that makes the hand limp."""

    topic: str
    word: str


class TopicConfig(Strict):
    """See the comments of `config/topics/ros2_control.yaml`; one of `states`, `service` is set."""

    commands: str
    states: str | None
    service: Service | None
    order: str | None
    effort_scale: Positive
    off: Word | None
    rate: Positive
    grace: Positive
    soft_start_speed: Positive
    link: LinkConfig

    @model_validator(mode="after")
    def _one_source(self) -> TopicConfig:
        if (self.states is None) == (self.service is None):
            raise ValueError("set one of states and service, and the other to null")
        return self

    @classmethod
    def load(cls, name: str) -> TopicConfig:
        """Raises UnknownNameError, ConfigError."""
        folder = resource_path("config", "topics")
        path = folder / f"{name}.yaml"
        if not path.exists():
            raise UnknownNameError("kind of topics", name, (p.stem for p in folder.glob("*.yaml")))
        return load_config(path, cls)


class TopicOrder:
    """Between the canonical joints of `hand` and those of messages in `order`.

    names: to be written into commands; none for nodes that go by place. Raises UnknownNameError.
    """

    def __init__(self, hand: HandModel, order: str | None) -> None:
        self._hand, self._order = hand, order
        self.names = list(hand.joint_names) if order is None else []
        if order is not None:
            hand.order_names(order)

    def written(self, joints: Array) -> list[float]:
        """Of joints (J,) [rad]."""
        return (
            joints if self._order is None else self._hand.to_order(joints, self._order)
        ).tolist()

    def read(self, names: Sequence[str], values: Sequence[float]) -> Array:
        """(J,) [rad] of positions. Raises BusError for too few of them."""
        if self._order is not None:
            return self._hand.from_order(self._counted(values), self._order)
        by_name = dict(zip(names, values, strict=False))
        missing = [name for name in self.names if name not in by_name]
        if missing:
            raise BusError(f"states have no {', '.join(missing)}, only {', '.join(names)}")
        return np.array([by_name[name] for name in self.names])

    def read_rates(self, names: Sequence[str], values: Sequence[float]) -> Array:
        """The same of velocities or efforts: signs count, zeros do not; NaN if there are none."""
        if not len(values):
            return np.full(self._hand.joint_count, np.nan)
        if self._order is None:
            return self.read(names, values)
        nothing = np.zeros(self._hand.joint_count)
        turned = self._hand.from_order(self._counted(values), self._order)
        return turned - self._hand.from_order(nothing, self._order)

    def _counted(self, values: Sequence[float]) -> Array:
        if len(values) != self._hand.joint_count:
            raise BusError(f"states have {len(values)} joints, not {self._hand.joint_count}")
        return np.asarray(values, dtype=float)
