"""What a hand's YAML says beyond its URDF."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Vector3 = tuple[float, float, float]
PerJoint = float | tuple[float, ...]


class Strict(BaseModel):
    """Frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FingerConfig(Strict):
    """A finger: its last link, tip point [m] and the direction its pad faces, in that link."""

    name: str
    distal_link: str
    tip: Vector3
    pad: Vector3


class GraspFrameConfig(Strict):
    """Grasp frame in the palm link: z along `approach`, x along the extended `fingers`."""

    origin: Vector3
    approach: Vector3
    fingers: Vector3


class GraspTypeConfig(Strict):
    """A way to hold: the posture it starts from and the fingers that touch, thumb last.

    place: of the object; a `rim` is held from above, thumb and fingers on the wall's two sides.
    """

    name: str
    posture: str
    fingers: tuple[str, ...] = Field(min_length=2)
    place: Literal["anywhere", "rim"] = "anywhere"


class ActuatorConfig(Strict):
    """Joint servos: stiffness [Nm/rad], damping [Nm s/rad], armature [kg m2], friction [Nm].

    One number for all joints, or one for each in the canonical order.
    """

    stiffness: PerJoint
    damping: PerJoint
    armature: PerJoint
    friction: PerJoint


class OrderConfig(Strict):
    """Another program's joints, by our names in its order: theirs = sign * ours + offset [rad].

    names: what it calls them; ours if empty.
    """

    joints: tuple[str, ...]
    names: tuple[str, ...] = ()
    sign: PerJoint = 1.0
    offset: PerJoint = 0.0


class HandConfig(Strict):
    """A hand's YAML. The thumb is the last finger. Postures are in the canonical order [rad].

    urdf: file in the folder `urdf`, or beside the YAML.  collision_exclusions: pairs of links
    that overlap by construction, besides parent and child.
    """

    urdf: str
    palm_link: str
    joint_order: tuple[str, ...] = Field(min_length=1)
    fingers: tuple[FingerConfig, ...] = Field(min_length=2)
    grasp_frame: GraspFrameConfig
    postures: dict[str, tuple[float, ...]]
    grasp_types: tuple[GraspTypeConfig, ...]
    actuators: ActuatorConfig
    collision_exclusions: tuple[tuple[str, str], ...]
    orders: dict[str, OrderConfig]

    @model_validator(mode="after")
    def _consistent(self) -> HandConfig:
        joints, fingers = self.joint_order, [finger.name for finger in self.fingers]
        count = len(joints)
        if len(set(joints)) != count:
            raise ValueError("joint_order names a joint twice")
        if "open" not in self.postures:
            raise ValueError("postures lacks 'open'")
        for name, posture in self.postures.items():
            _length(f"posture {name!r}", posture, count)
        for kind in self.grasp_types:
            _known(f"posture of grasp type {kind.name!r}", [kind.posture], self.postures)
            _known(f"finger of grasp type {kind.name!r}", kind.fingers, fingers)
        for name, value in self.actuators:
            _length(f"actuators.{name}", value, count)
        for name, order in self.orders.items():
            if sorted(order.joints) != sorted(joints):
                raise ValueError(f"order {name!r} does not list every joint once")
            _length(f"names of order {name!r}", order.names or joints, count)
            _length(f"sign of order {name!r}", order.sign, count)
            _length(f"offset of order {name!r}", order.offset, count)
        return self


def _length(what: str, value: float | tuple, count: int) -> None:
    if isinstance(value, tuple) and len(value) != count:
        raise ValueError(f"{what} has {len(value)} values for {count} joints")


def _known(what: str, given: Iterable[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"{what}: unknown {name!r}; known: {', '.join(known)}")
