"""Simulators behind one protocol."""

from dexgrasp.errors import UnknownNameError
from dexgrasp.hands import HandModel
from dexgrasp.simulation.backend import SimBackend
from dexgrasp.simulation.check import check_backend
from dexgrasp.simulation.config import CameraConfig, SimulationConfig
from dexgrasp.simulation.isaaclab.backend import IsaacLabBackend
from dexgrasp.simulation.mujoco_backend import MujocoBackend, MujocoWarpBackend

BACKENDS = {
    "mujoco": MujocoBackend,
    "mujoco_warp": MujocoWarpBackend,
    "isaaclab": IsaacLabBackend,
}


def make_backend(
    kind: str,
    hand: HandModel,
    config: SimulationConfig,
    worlds: int = 1,
    seed: int = 0,
    threads: int = 0,
) -> SimBackend:
    """A backend by name; threads: on the processor, 0: every core. Raises UnknownNameError."""
    if kind not in BACKENDS:
        raise UnknownNameError("backend", kind, BACKENDS)
    return BACKENDS[kind](hand, config, worlds, threads, seed)


__all__ = [
    "CameraConfig",
    "IsaacLabBackend",
    "MujocoBackend",
    "MujocoWarpBackend",
    "SimBackend",
    "SimulationConfig",
    "check_backend",
    "make_backend",
]
