"""Random directions from which palms come, and starts of the optimisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexgrasp.types import Array


@dataclass
class Starts:
    """n starts in the object's frame; `used` (n, F) marks the fingers that shall touch."""

    palms: Array
    joints: Array
    references: Array
    used: Array
    kinds: list[str]


def unit(vector: Array) -> Array:
    """Normalise the last axis."""
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def approach_directions(count: int, rng: np.random.Generator) -> Array:
    """(count, 3) unit directions of the palm's motion: from above, tilted, or from the side."""
    tilt = np.where(
        rng.random(count) < 0.55,
        np.abs(rng.normal(0.0, 0.35, count)),
        rng.uniform(0.5, 1.45, count),
    )
    heading = rng.uniform(0.0, 2.0 * np.pi, count)
    return _down(tilt, heading)


def from_above(count: int, rng: np.random.Generator) -> Array:
    """(count, 3) unit directions of the palm's motion, down within about 35 degrees."""
    return _down(np.abs(rng.normal(0.0, 0.3, count)), rng.uniform(0.0, 2.0 * np.pi, count))


def _down(tilt: Array, heading: Array) -> Array:
    return np.stack(
        [np.sin(tilt) * np.cos(heading), np.sin(tilt) * np.sin(heading), -np.cos(tilt)], axis=1
    )


def cone_directions(axis: Array, cone: float, count: int, rng: np.random.Generator) -> Array:
    """(count, 3) unit directions within 0.8 `cone` [rad] of `axis` (3,), uniform by area.

    They keep off the border, which a later step could cross.
    """
    axis = unit(np.asarray(axis, dtype=float))
    across = rng.normal(size=(count, 3))
    across = unit(across - (across @ axis)[:, None] * axis)
    cosine = rng.uniform(np.cos(0.8 * cone), 1.0, count)
    return cosine[:, None] * axis + np.sqrt(1.0 - cosine**2)[:, None] * across


def finger_directions(approach: Array, rng: np.random.Generator) -> Array:
    """(n, 3) directions of the extended fingers, across the approach and not into the table."""
    random = rng.normal(size=approach.shape)
    across = unit(random - approach * (random * approach).sum(axis=1, keepdims=True))
    # Side approaches keep the fingers level or pointing down a little less than half of the time.
    upward = across[:, 2] > 0.6
    across[upward] *= -1.0
    return across
