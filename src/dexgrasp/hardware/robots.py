"""What can stand behind the bridge, by the names of `ros2_control_hardware_type`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dexgrasp.errors import BackendError, UnknownNameError
from dexgrasp.hands import HandModel
from dexgrasp.hardware.allegro import AllegroDriver
from dexgrasp.hardware.config import AllegroConfig, LeapConfig, load_hardware
from dexgrasp.hardware.driver import HandDriver
from dexgrasp.hardware.emulated_backend import EmulatedBackend
from dexgrasp.hardware.leap import LeapDriver
from dexgrasp.hardware.link import HandLink
from dexgrasp.simulation import BACKENDS, SimBackend, SimulationConfig, make_backend
from dexgrasp.simulation.scene import home_pose
from dexgrasp.types import Array, Command, Contact, GroundTruth, ObjectPlacement, Observation

SIMULATED = (*BACKENDS, "emulated")  # have a world: objects can be placed, the truth is known
TOPIC_BASED = "topic_based"  # another program drives the hand; only the bridge can reach it
HARDWARE_TYPES = (*SIMULATED, "isaac", "physical_device", "mock_components", TOPIC_BASED)
SIMULATED_PERIOD = 0.004  # [s] of a step; joint states at 250 Hz


@dataclass(frozen=True)
class Robot:
    """backend: moves the hand.  period: of its steps [s].  sees: whether it has cameras.

    link: to the hand's driver, if there is one.
    """

    backend: SimBackend
    period: float
    sees: bool
    link: HandLink | None = None


def make_robot(kind: str, hand: HandModel, config: SimulationConfig, seed: int = 0) -> Robot:
    """A robot of any hardware type but `TOPIC_BASED`; `isaac` stands for `isaaclab`.

    Raises UnknownNameError, ConfigError, and what `HandLink.open` raises.
    """
    kind = "isaaclab" if kind == "isaac" else kind  # MoveIt's and Isaac's name for it
    if kind in BACKENDS:
        return Robot(make_backend(kind, hand, config, seed=seed), SIMULATED_PERIOD, sees=True)
    if kind == "mock_components":
        return Robot(MockBackend(hand, config), SIMULATED_PERIOD, sees=False)
    if kind == "emulated":
        backend = EmulatedBackend(hand, config, seed=seed)
        return Robot(backend, backend.link.driver.period, sees=True, link=backend.link)
    if kind == "physical_device":
        settings = load_hardware(hand.name)
        link = HandLink(make_driver(hand, settings), settings.link)
        return Robot(PhysicalBackend(hand, config, link), link.driver.period, False, link)
    raise UnknownNameError("hardware type", kind, set(HARDWARE_TYPES) - {TOPIC_BASED})


def make_driver(
    hand: HandModel,
    config: LeapConfig | AllegroConfig,
    clock: Callable[[], float] = time.monotonic,
) -> HandDriver:
    """The driver of a hand's configuration."""
    if isinstance(config, LeapConfig):
        return LeapDriver(hand, config, clock)
    return AllegroDriver(hand, config, clock)


class _Bare:
    """The part of `SimBackend` that has no world: nothing to place, to look at, or to know.

    The palm does not move: an arm is not ours. It is where the simulation has it at the start.
    """

    worlds = 1
    placements: tuple[ObjectPlacement, ...] = ()

    def __init__(self, hand: HandModel, config: SimulationConfig) -> None:
        self.hand = hand
        self.T_world_palm = home_pose(hand, config)

    def load(self, placements: Sequence[ObjectPlacement]) -> None:
        """Refuse objects: what stands on a real table cannot be placed from here."""
        if placements:
            raise BackendError("objects of a table without simulation are placed by hand")

    def vary(self, *_: Array | None, **__: Array | None) -> None:
        """Refuse: the world is as it is."""
        raise BackendError("forces and physics can be set in a simulation alone")

    def truth(self) -> GroundTruth:
        """Nothing is known."""
        none, fingers = np.zeros((1, 0, 3)), len(self.hand.finger_names)
        force = np.full((1, fingers), np.nan)
        return GroundTruth(np.zeros(1), np.zeros((1, 0, 4, 4)), none, none, force)

    def contacts(self, world: int = 0) -> list[Contact]:
        """None is felt."""
        return []

    def depth(self, world: int = 0):
        """Refuse: a real camera publishes by itself."""
        raise BackendError("this backend has no camera")

    color = depth

    def _observation(self, now: float, joints: Array, velocity: Array, effort: Array):
        return Observation(
            np.array([now]), joints[None], velocity[None], effort[None],
            self.T_world_palm[None].copy(), np.full((1, len(self.hand.finger_names)), np.nan),
        )  # fmt: skip


class MockBackend(_Bare):
    """Joints and palm that are at once where they are commanded to."""

    timestep = SIMULATED_PERIOD

    def __init__(self, hand: HandModel, config: SimulationConfig) -> None:
        super().__init__(hand, config)
        self._joints, self._time = hand.postures["open"].copy(), 0.0

    def reset(self, *_: object, **__: object) -> None:
        """Open the hand."""
        self._joints = self.hand.postures["open"].copy()

    def step(self, command: Command, duration: float, worlds: Sequence[int] | None = None) -> None:
        """See `SimBackend.step`."""
        self._joints = self.hand.clip(command.joint_position[0])
        self.T_world_palm = command.T_world_palm[0].copy()
        self._time += duration

    def observe(self) -> Observation:
        """See `SimBackend.observe`."""
        still = np.zeros_like(self._joints)
        return self._observation(self._time, self._joints.copy(), still, still)

    def close(self) -> None:
        """Nothing to release."""


class PhysicalBackend(_Bare):
    """A real hand, connected at once. Joints are NaN while it is lost.

    Time is that of the wall clock: `step` returns when the driver has read.
    """

    def __init__(self, hand: HandModel, config: SimulationConfig, link: HandLink) -> None:
        super().__init__(hand, config)
        self.link, self.timestep = link, link.driver.period
        self._begin = time.monotonic()
        self._state = link.open()

    def reset(self, *_: object, **__: object) -> None:
        """A real hand stays where it is."""

    def step(self, command: Command, duration: float, worlds: Sequence[int] | None = None) -> None:
        """Send `command` and read what the hand does."""
        self.link.write(command.joint_position[0])
        self._state = self.link.read()

    def observe(self) -> Observation:
        """See `SimBackend.observe`."""
        state = self._state
        if state is None:
            nothing = np.full(self.hand.joint_count, np.nan)
            return self._observation(time.monotonic() - self._begin, nothing, nothing, nothing)
        now = state.time - self._begin
        return self._observation(now, state.position, state.velocity, state.effort)

    def close(self) -> None:
        """Leave the hand limp."""
        self.link.close()
