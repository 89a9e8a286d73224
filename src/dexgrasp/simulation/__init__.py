"""Simulators behind one protocol."""

from dexgrasp.errors import UnknownNameError
from dexgrasp.hands import HandModel
from dexgrasp.simulation.backend import SimBackend
from dexgrasp.simulation.check import check_backend
from dexgrasp.simulation.config import CameraConfig, SimulationConfig
from dexgrasp.simulation.mujoco_backend import MujocoBackend

BACKENDS = {"mujoco": MujocoBackend}


def make_backend(
    kind: str, hand: HandModel, config: SimulationConfig, worlds: int = 1, seed: int = 0
) -> SimBackend:
    """A backend by name. Raises UnknownNameError."""
    if kind not in BACKENDS:
        raise UnknownNameError("backend", kind, BACKENDS)
    return BACKENDS[kind](hand, config, worlds, seed=seed)


__all__ = [
    "CameraConfig",
    "MujocoBackend",
    "SimBackend",
    "SimulationConfig",
    "check_backend",
    "make_backend",
]
