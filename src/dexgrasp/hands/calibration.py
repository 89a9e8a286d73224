"""What one real hand has that its description cannot know: zeros, friction, offsets of effort."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.config import load_config
from dexgrasp.errors import ConfigError
from dexgrasp.types import Array

REVERSAL = 0.02  # [rad/s] within which dry friction turns round


class JointCalibration(BaseModel):
    """Of one joint.

    zero: what its encoder reads beyond the truth [rad].  offset, friction [Nm], drag [Nm s/rad]:
    its effort in free motion is offset + friction tanh(v / REVERSAL) + drag v.  spread: the
    standard deviation of what that leaves [Nm].
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    zero: float
    offset: float
    friction: float
    drag: float
    spread: float = Field(gt=0.0)


class Calibration(BaseModel):
    """A file of `dexgrasp calibrate`. made: local time, ISO 8601."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hand: str
    made: str
    joints: dict[str, JointCalibration]

    @classmethod
    def load(cls, path: Path, hand: str, joints: tuple[str, ...]) -> Calibration:
        """Of `hand` with these joints. Raises ConfigError, also for a file of another hand."""
        found = load_config(path, cls)
        if found.hand != hand or set(found.joints) != set(joints):
            raise ConfigError(
                f"{path} is a calibration of {found.hand} with {len(found.joints)} joints, not of "
                f"{hand} with {len(joints)}: run dexgrasp calibrate"
            )
        return found.model_copy(update={"joints": {name: found.joints[name] for name in joints}})

    def column(self, figure: str) -> Array:
        """(J,) of one figure of every joint, in the order of `joints`."""
        return np.array([getattr(joint, figure) for joint in self.joints.values()])

    def write(self, path: Path) -> None:
        """For `load`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(self.model_dump(), sort_keys=False))
