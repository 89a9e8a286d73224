"""What every backend refuses, and where its worlds begin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dexgrasp.errors import BackendError
from dexgrasp.simulation.backend import SimBackend
from dexgrasp.types import Array, Command


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


def begin(
    backend: SimBackend,
    worlds: Sequence[int] | None,
    T_world_palm: Array | None,
    joint_position: Array | None,
    T_world_object: Array | None,
) -> tuple[Array, Array, Array, Array]:
    """What `SimBackend.reset` with these arguments means, for k worlds and M objects.

    Their numbers (k,), palms (k, 4, 4), joints (k, J) [rad] and objects (k, M, 4, 4).
    """
    rows = np.arange(backend.worlds) if worlds is None else np.asarray(worlds)
    k, hand, placements = len(rows), backend.hand, backend.placements
    home = backend.home_pose if T_world_palm is None else T_world_palm
    joints = hand.postures["open"] if joint_position is None else joint_position
    if T_world_object is None:
        T_world_object = np.array([p.T_world_object for p in placements]).reshape(-1, 4, 4)
    return (
        rows,
        np.broadcast_to(home, (k, 4, 4)),
        np.broadcast_to(joints, (k, hand.joint_count)),
        np.broadcast_to(T_world_object, (k, len(placements), 4, 4)),
    )
