"""What every backend refuses."""

from __future__ import annotations

import numpy as np

from dexgrasp.errors import BackendError
from dexgrasp.types import Command


def steps_in(duration: float, timestep: float, command: Command) -> int:
    """Time steps in `duration` [s]. Raises BackendError for a part of one, and for NaN."""
    count = round(duration / timestep)
    if count < 1 or abs(count * timestep - duration) > 1e-9:
        raise BackendError(
            f"a step of {duration} s is not a multiple of the time step {timestep} s"
        )
    if not (np.isfinite(command.joint_position).all() and np.isfinite(command.T_world_palm).all()):
        raise BackendError("a command with NaN was refused")
    return count
