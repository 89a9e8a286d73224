"""The simulation modality: was the object lifted, held, did it slip?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.geometry import rotation_between
from dexgrasp.types import Array, GroundTruth


class TrialCriteria(BaseModel):
    """Thresholds of a trial, by default those of the survey's protocol, section 6.

    height: that the centre of mass must exceed above the table [m]; None: not asked for.
    max_displacement [m], max_rotation [rad]: how far the object may move from its first
    pose once the load is on it; None: as far as it likes.
    slip_speed [m/s], slip_drop [m]: a slip is a spike of speed with a drop beyond these.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    height: float | None = Field(default=0.25, gt=0.0)
    max_displacement: float | None = Field(default=None, gt=0.0)
    max_rotation: float | None = Field(default=None, gt=0.0)
    slip_speed: float = Field(default=0.2, gt=0.0)
    slip_drop: float = Field(default=0.15, gt=0.0)


@dataclass(frozen=True)
class SimulationVerdict:
    """What one world came to. Heights [m] are of the centre of mass above the table.

    lifted: `max_height` exceeds the threshold, the survey's whole criterion.
    held: the height still does at the last update, and the object moved no farther than
    allowed.  success: both.
    slip: after the start of the lift the object dropped with a spike of speed.
    max_speed: largest speed of the centre of mass since the start of the lift [m/s].
    displacement [m] of the centre of mass, rotation [rad]: largest since then, from the pose
    of the first update.
    """

    success: bool
    lifted: bool
    held: bool
    slip: bool
    max_height: float
    final_height: float
    max_speed: float
    displacement: float
    rotation: float


class SimulationTrial:
    """Watches object `index` of N worlds from the approach to the end of the hold.

    Feed it at every control step, then ask for the verdicts: before the object is placed back.
    """

    def __init__(
        self, table_height: float, criteria: TrialCriteria | None = None, index: int = 0
    ) -> None:
        self.table_height = table_height  # [m] in the world
        self.criteria = criteria or TrialCriteria()
        self.index = index
        self._height: Array | None = None

    def update(self, truth: GroundTruth, lifting: bool | Array = False) -> None:
        """One instant; `lifting` (or per world (N,)) from the start of the lift on."""
        height = truth.object_com[:, self.index, 2] - self.table_height
        speed = np.linalg.norm(truth.object_velocity[:, self.index], axis=1)
        if self._height is None:
            self._start(truth)
        self._height = height
        self._max_height = np.fmax(self._max_height, height)
        lifting = np.broadcast_to(lifting, height.shape)
        self._measure_motion(truth, lifting)
        speed = np.where(lifting, speed, 0.0)
        self._max_speed = np.fmax(self._max_speed, speed)
        peak = lifting & (height >= self._peak)
        self._peak[peak] = height[peak]
        self._speed_since_peak = np.where(peak, speed, np.fmax(self._speed_since_peak, speed))
        dropped = lifting & (self._peak - height > self.criteria.slip_drop)
        self._slip |= dropped & (self._speed_since_peak > self.criteria.slip_speed)

    def _measure_motion(self, truth: GroundTruth, lifting: Array) -> None:
        moved = np.linalg.norm(truth.object_com[:, self.index] - self._first_com, axis=1)
        turned = rotation_between(self._first_pose, truth.T_world_object[:, self.index])
        self._displacement = np.fmax(self._displacement, np.where(lifting, moved, 0.0))
        angle = np.linalg.norm(turned, axis=1)
        self._rotation = np.fmax(self._rotation, np.where(lifting, angle, 0.0))

    @property
    def lost(self) -> Array:
        """(N,) bool: the object has moved farther than allowed; nothing can mend it."""
        limit = self.criteria
        far = np.zeros(len(self._displacement), dtype=bool)
        if limit.max_displacement is not None:
            far |= self._displacement > limit.max_displacement
        if limit.max_rotation is not None:
            far |= self._rotation > limit.max_rotation
        return far

    def _start(self, truth: GroundTruth) -> None:
        worlds = len(truth.time)
        self._first_com = truth.object_com[:, self.index].copy()
        self._first_pose = truth.T_world_object[:, self.index].copy()
        self._displacement = np.zeros(worlds)
        self._rotation = np.zeros(worlds)
        self._max_height = np.full(worlds, -np.inf)
        self._max_speed = np.zeros(worlds)
        self._peak = np.full(worlds, -np.inf)
        self._speed_since_peak = np.zeros(worlds)
        self._slip = np.zeros(worlds, dtype=bool)

    def verdict(self, world: int = 0) -> SimulationVerdict:
        """The verdict on one world. Raises ValueError before the first update."""
        if self._height is None:
            raise ValueError("a trial without a single update has no verdict")
        height = -np.inf if self.criteria.height is None else self.criteria.height
        lifted = bool(self._max_height[world] > height)
        held = bool(self._height[world] > height) and not bool(self.lost[world])
        return SimulationVerdict(
            success=lifted and held,
            lifted=lifted,
            held=held,
            slip=bool(self._slip[world]),
            max_height=float(self._max_height[world]),
            final_height=float(self._height[world]),
            max_speed=float(self._max_speed[world]),
            displacement=float(self._displacement[world]),
            rotation=float(self._rotation[world]),
        )

    def verdicts(self) -> list[SimulationVerdict]:
        """The verdict on every world. Raises ValueError before the first update."""
        count = 1 if self._height is None else len(self._height)
        return [self.verdict(world) for world in range(count)]
