"""What a grasp shall be like: where it touches, from where it comes, of which type it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dexgrasp.errors import UnknownNameError
from dexgrasp.hands import HandModel
from dexgrasp.hands.config import GraspTypeConfig
from dexgrasp.objects import ObjectModel
from dexgrasp.types import Array

Region = Callable[[Array], Array]
"""(n, 3) points near the object's surface, in its frame [m] -> (n,) bool, inside."""


@dataclass(frozen=True)
class Condition:
    """Wishes that a generator keeps; empty ones ask for nothing.

    types: names of the hand's grasp types.  region: where the fingers shall touch.
    approach: (3,) unit direction in the object's frame along which the palm comes, within
    `cone` [rad] of it.
    """

    types: tuple[str, ...] = ()
    region: Region | None = None
    approach: Array | None = None
    cone: float = 0.6

    def grasp_types(self, hand: HandModel) -> Sequence[GraspTypeConfig]:
        """Those of the hand's grasp types that are asked for. Raises UnknownNameError."""
        known = {kind.name: kind for kind in hand.grasp_types}
        for name in self.types:
            if name not in known:
                raise UnknownNameError(f"grasp type of {hand.name}", name, known)
        return [known[name] for name in self.types] if self.types else hand.grasp_types


def part_region(model: ObjectModel, part: str) -> Region:
    """The labelled part of an object. Raises UnknownNameError with the parts that it has."""
    if part not in model.part_names:
        raise UnknownNameError(f"part of {model.name}", part, model.part_names)
    index = model.part_names.index(part)
    return lambda points: model.label_points(points) == index


def box_region(low: Array, high: Array) -> Region:
    """A box in the object's frame with corners `low` and `high` (3,) [m]."""
    return lambda points: np.all((points >= low) & (points <= high), axis=-1)
