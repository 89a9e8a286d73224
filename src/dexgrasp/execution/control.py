"""Control paradigms: what becomes of the targets of the phase machine before they are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from dexgrasp.errors import ConfigError
from dexgrasp.execution.config import ExecutionConfig
from dexgrasp.execution.force_control import ForceControl
from dexgrasp.execution.wanted import Wanted
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, GraspSet, Observation


class Controller(Protocol):
    """Corrects the phase machine's targets in N worlds.

    feels: whether a touch ends a motion and a lost grip ends a goal; without it the phases go
    by the clock.  holds: whether it brings contacts back that give way, so that the lift waits.
    """

    feels: bool
    holds: bool

    def start(self, rows: Array, grasps: GraspSet) -> None:
        """Grasp i of `grasps`, in the world, begins in world `rows[i]`; forget what was there."""
        ...

    def command(self, phase: Array, nominal: Wanted, observation: Observation) -> Command:
        """The targets to send. phase: (N,) of `Phase`.  nominal: those of the phase machine.

        The finger forces of `observation` are finite: where none is sensed, they are estimated.
        """
        ...


@runtime_checkable
class Sees(Protocol):
    """A controller that also looks at the object."""

    def see(self, rows: Array, clouds: Sequence[Array]) -> None:
        """After `start`: the object in world `rows[i]` has the points clouds[i] (n, 3) [m]."""
        ...


@runtime_checkable
class Learned(Protocol):
    """A controller that may give way to the phase machine for the rest of an attempt.

    words: why it did in each of N worlds, or "".
    clock: () -> the time now [s] on the clock of the observations, by which their age is
    judged; None: they are as fresh as they come, as in a simulator that waits.
    """

    words: list[str]
    clock: Callable[[], float] | None


def fallback_words(controller: Controller, world: int = 0) -> str:
    """Why a controller gave way to the phase machine in a world; empty where it did not."""
    return controller.words[world] if isinstance(controller, Learned) else ""


class Nominal:
    """The phase machine's targets as they are: `reactive` with touch, `open_loop` without."""

    holds = False

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
POLICY = "policy:"  # before the name of a shipped policy or the path of a manifest


def make_controller(name: str, hand: HandModel, config: ExecutionConfig, worlds: int) -> Controller:
    """One of CONTROLLERS or a policy, for so many worlds. Raises ConfigError for another name."""
    if name.startswith(POLICY):
        # ONNX Runtime takes a while to import: only who runs a policy waits for it.
        from dexgrasp.execution.policy import PolicyController

        return PolicyController.load(name.removeprefix(POLICY), hand, worlds)
    if name not in CONTROLLERS:
        known = f"{', '.join(CONTROLLERS)}, {POLICY}<name or manifest>"
        raise ConfigError(f"there is no controller {name!r}; known: {known}")
    return CONTROLLERS[name](hand, config, worlds)
