"""Withdrawing after a failed grasp, in the shape in which the executor node runs a goal."""

from __future__ import annotations

import numpy as np

from dexgrasp.execution import Fault, Phase
from dexgrasp.execution.carry import Motion
from dexgrasp.types import Array, Command, Observation


class Withdrawal:
    """A motion of one world with the phases of `GraspExecutor`: RETREAT, then DONE or FAILED.

    phase, fault, time_in_phase [s]: (1,).  touching: (1, F), never: the fingers let go.
    """

    def __init__(self, motion: Motion, fingers: int) -> None:
        self.phase = np.array([Phase.RETREAT])
        self.fault = np.array([Fault.NONE])
        self.time_in_phase = np.zeros(1)
        self.touching = np.zeros((1, fingers), dtype=bool)
        self._motion = motion
        self._begin: float | None = None

    @property
    def finished(self) -> Array:
        """(1,) bool: done or failed."""
        return self.phase != Phase.RETREAT

    def step(self, observation: Observation) -> Command:
        """Advance to `observation.time` and return the targets to send."""
        now = float(observation.time[0])
        self._begin = now if self._begin is None else self._begin
        self.time_in_phase[0] = now - self._begin
        command = self._motion.step(observation)
        if self._motion.finished.all():
            self.phase[0] = Phase.DONE
        return command

    def cancel(self) -> None:
        """Stop where the hand is."""
        if self.phase[0] == Phase.RETREAT:
            self.phase[0], self.fault[0] = Phase.FAILED, Fault.CANCELLED
