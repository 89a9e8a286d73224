"""What goes wrong around a trial on purpose: figures of issue 5, drawn from the trial's seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from dexgrasp.simulation import SimBackend
from dexgrasp.types import Array, GraspSet, Observation

GRAVITY = np.array([0.0, 0.0, -9.81])  # [m/s2], MuJoCo's default


@dataclass(frozen=True)
class Disturbance:
    """Errors and pushes of one world.

    position [m], angle [rad]: of the error of the grasp's pose, in directions drawn for every
    attempt.  mass: range of the factor.  friction: range; None: the object's own.
    delay: of what the executor observes [s].  push: force on the object while it is held [N],
    in a direction drawn for every attempt, from push_start for push_time [s] of the hold.
    """

    position: float = 0.005
    angle: float = np.deg2rad(5.0)
    mass: tuple[float, float] = (0.7, 1.3)
    friction: tuple[float, float] | None = (0.4, 1.0)
    delay: float = 0.05
    push: float = 5.0
    push_start: float = 0.3
    push_time: float = 0.3

    def vary(self, backend: SimBackend, rng: np.random.Generator) -> None:
        """Draw mass and friction of the one object of a backend of one world."""
        mass = backend.placements[0].model.mass * rng.uniform(*self.mass)
        friction = None if self.friction is None else rng.uniform(*self.friction, 1)
        backend.vary(friction=friction, mass=np.array([[mass]]))

    def misplaced(self, grasp: GraspSet, center: Array, rng: np.random.Generator) -> GraspSet:
        """The grasp as if the object, with its center (3,), had been seen where it is not."""
        error = np.eye(4)
        error[:3, :3] = Rotation.from_rotvec(self.angle * direction(rng)).as_matrix()
        error[:3, 3] = self.position * direction(rng) + center - error[:3, :3] @ center
        turn = error[:3, :3].T
        return replace(
            grasp,
            T_frame_palm=error @ grasp.T_frame_palm,
            approach=grasp.approach @ turn,
            contact_points=grasp.contact_points @ turn + error[:3, 3],
            contact_normals=grasp.contact_normals @ turn,
        )

    def acceleration(self, time_in_hold: float, toward: Array, mass: float) -> Array:
        """(1, 3) gravity and push on an object of `mass` [kg] so long into the hold [s]."""
        pushed = self.push_start <= time_in_hold < self.push_start + self.push_time
        return (GRAVITY + (self.push / mass) * toward if pushed else GRAVITY)[None]


def direction(rng: np.random.Generator) -> Array:
    """(3,) unit vector, uniform on the sphere."""
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def delayed(
    observe: Callable[[], Observation], period: float, delay: float
) -> Callable[[], Observation]:
    """`observe`, called every `period` [s], as it was `delay` [s] ago; at first the oldest."""
    kept: deque[Observation] = deque(maxlen=round(delay / period) + 1)

    def late() -> Observation:
        kept.append(observe())
        return kept[0]

    return late


def numb(observation: Observation) -> Observation:
    """The same without finger forces, as of a hand without tactile sensors."""
    return replace(observation, finger_force=np.full_like(observation.finger_force, np.nan))
