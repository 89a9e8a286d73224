"""What a hand's YAML says beyond its URDF."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

Vector3 = tuple[float, float, float]


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
    """A way to hold: the posture it starts from and the fingers that touch, thumb last."""

    name: str
    posture: str
    fingers: tuple[str, ...] = Field(min_length=2)


class ActuatorConfig(Strict):
    """Joint servos: stiffness [Nm/rad], damping [Nm s/rad], armature [kg m2], friction [Nm]."""

    stiffness: float = Field(gt=0.0)
    damping: float = Field(ge=0.0)
    armature: float = Field(ge=0.0)
    friction: float = Field(ge=0.0)


class OrderConfig(Strict):
    """Another program's joints, by our names in its order: theirs = sign * ours + offset [rad]."""

    joints: tuple[str, ...]
    names: tuple[str, ...] = ()
    sign: float | tuple[float, ...] = 1.0
    offset: float | tuple[float, ...] = 0.0


class HandConfig(Strict):
    """A hand's YAML. The thumb is the last finger. Postures are in the canonical order [rad]."""

    urdf: str
    palm_link: str
    joint_order: tuple[str, ...]
    fingers: tuple[FingerConfig, ...]
    grasp_frame: GraspFrameConfig
    postures: dict[str, tuple[float, ...]]
    grasp_types: tuple[GraspTypeConfig, ...]
    actuators: ActuatorConfig
    collision_exclusions: tuple[tuple[str, str], ...]
    orders: dict[str, OrderConfig]
