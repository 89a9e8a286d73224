"""What the stack expects of a simulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.types import Command, Contact, DepthFrame, GroundTruth, ObjectPlacement, Observation


class SimBackend(Protocol):
    """N worlds that hold one hand on a floating wrist, a table and the same M objects.

    Joints are in the hand's canonical order whatever the engine uses inside. A backend may
    be called from several threads; its calls do not interleave.
    """

    hand: HandModel
    worlds: int
    timestep: float
    placements: tuple[ObjectPlacement, ...]

    def load(self, placements: Sequence[ObjectPlacement]) -> None:
        """Replace the objects and reset every world. Raises UnknownNameError, MeshError."""
        ...

    def reset(
        self,
        worlds: Sequence[int] | None = None,
        T_world_palm: np.ndarray | None = None,
        joint_position: np.ndarray | None = None,
        T_world_object: np.ndarray | None = None,
    ) -> None:
        """Put `worlds` (k of them; None: all) back to the start, at rest.

        T_world_palm: (k, 4, 4), joint_position: (k, J) [rad], T_world_object:
        (k, M, 4, 4); None: home pose, posture `open`, the placements.
        """
        ...

    def vary(
        self,
        gravity: np.ndarray | None = None,
        friction: np.ndarray | None = None,
        mass: np.ndarray | None = None,
        push: np.ndarray | None = None,
        stuck: np.ndarray | None = None,
    ) -> None:
        """Give every world physics of its own until the next `load`; None leaves a figure.

        gravity: (N, 3) [m/s2], which the hand itself does not feel.  friction: (N,) sliding
        coefficient of the objects.  mass: (N, M) [kg], inertia in proportion.
        push: (N, M, 3) force on the centres of mass [N]; a reset ends it, too.
        stuck: (N, J) bool, joints that stay where they are whatever drives them.
        """
        ...

    def step(self, command: Command, duration: float, worlds: Sequence[int] | None = None) -> None:
        """Hold `command` and advance `worlds` (None: all) by `duration` [s].

        duration: a multiple of timestep.  The time of the other worlds stands still.
        """
        ...

    def observe(self) -> Observation:
        """What a robot could know now."""
        ...

    def truth(self) -> GroundTruth:
        """What only the simulator knows; for evaluation alone."""
        ...

    def contacts(self, world: int = 0) -> list[Contact]:
        """Every contact that involves the hand in one world."""
        ...

    def depth(self, world: int = 0) -> DepthFrame:
        """A depth image of one world, with the camera's noise."""
        ...

    def color(self, world: int = 0) -> np.ndarray:
        """(h, w, 3) uint8 picture of one world by the overview camera."""
        ...

    def close(self) -> None:
        """Release the engine; the backend is not used afterwards."""
        ...
