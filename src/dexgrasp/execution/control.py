"""Control paradigms: what becomes of the targets of the phase machine before they are sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dexgrasp.errors import ConfigError
from dexgrasp.execution.config import ExecutionConfig
from dexgrasp.execution.force_control import ForceControl
from dexgrasp.execution.wanted import Wanted
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, GraspSet, Observation


class Controller(Protocol):
    """Corrects the phase machine's targets in N worlds.

    feels: whether a touch ends a motion and a lost grip ends a goal; without it the phases go
    by the clock.
    """

    feels: bool

    def start(self, rows: Array, grasps: GraspSet) -> None:
        """Grasp i of `grasps`, in the world, begins in world `rows[i]`; forget what was there."""
        ...

    def command(self, phase: Array, nominal: Wanted, observation: Observation) -> Command:
        """The targets to send. phase: (N,) of `Phase`.  nominal: those of the phase machine.

        The finger forces of `observation` are finite: where none is sensed, they are estimated.
        """
        ...


class Nominal:
    """The phase machine's targets as they are: `reactive` with touch, `open_loop` without."""

    def __init__(self, feels: bool) -> None:
        self.feels = feels

    def start(self, rows: Array, grasps: GraspSet) -> None:
        """See `Controller`."""

    def command(self, phase: Array, nominal: Wanted, observation: Observation) -> Command:
        """See `Controller`."""
        return nominal


Maker = Callable[[HandModel, ExecutionConfig, int], Controller]
CONTROLLERS: dict[str, Maker] = {
    "open_loop": lambda hand, config, worlds: Nominal(feels=False),
    "reactive": lambda hand, config, worlds: Nominal(feels=True),
    "impedance": lambda hand, config, worlds: ForceControl(hand, config, worlds, foresee=False),
    "mpc": lambda hand, config, worlds: ForceControl(hand, config, worlds, foresee=True),
}


def make_controller(name: str, hand: HandModel, config: ExecutionConfig, worlds: int) -> Controller:
    """One of CONTROLLERS for so many worlds. Raises ConfigError for another name."""
    if name not in CONTROLLERS:
        raise ConfigError(f"there is no controller {name!r}; known: {', '.join(CONTROLLERS)}")
    return CONTROLLERS[name](hand, config, worlds)
