"""Parameters of the simulated world."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.config import load_config, resource_path
from dexgrasp.types import CameraIntrinsics

Vector3 = tuple[float, float, float]
Pair = tuple[float, float]


class CameraConfig(BaseModel):
    """A camera at `position` that looks at `target` [m], image upright. `fovy` [rad]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: Vector3
    target: Vector3
    fovy: float = Field(gt=0.0, lt=np.pi)
    width: int = Field(gt=0)
    height: int = Field(gt=0)

    @property
    def intrinsics(self) -> CameraIntrinsics:
        """The pinhole model of this camera."""
        return CameraIntrinsics.from_fovy(self.width, self.height, self.fovy)

    @property
    def T_world_camera(self) -> np.ndarray:
        """(4, 4) pose of the optical frame (REP 103: z forward, x right, y down)."""
        forward = np.subtract(self.target, self.position)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right = right / np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
        pose[:3, 3] = self.position
        return pose


class WristConfig(BaseModel):
    """Cartesian servo that carries the palm: (translation, rotation) of each figure.

    stiffness [N/m, Nm/rad], damping [N s/m, Nm s/rad], limit [N, Nm].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stiffness: Pair
    damping: Pair
    limit: Pair


class SimulationConfig(BaseModel):
    """The world of `config/simulation/default.yaml`. Lengths [m], times [s].

    The solver figures are those that the batch measurements of this project's facts found
    sound: elliptic cone, impratio 10 and three noslip iterations creep 2 um/s in a hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timestep: float = Field(gt=0.0, le=0.004)
    impratio: float
    iterations: int = Field(ge=20)
    noslip_iterations: int = Field(ge=0)
    table_height: float
    table_half_size: Pair
    table_friction: float = Field(ge=0.0)
    home_position: Vector3
    home_approach: Vector3
    home_fingers: Vector3
    wrist: WristConfig
    kinematic_wrist: WristConfig
    camera: CameraConfig
    overview: CameraConfig
    depth_noise: bool

    @classmethod
    def load(cls, name: str = "default") -> SimulationConfig:
        """Read `config/simulation/<name>.yaml`. Raises ConfigError."""
        return load_config(resource_path("config", "simulation", f"{name}.yaml"), cls)
