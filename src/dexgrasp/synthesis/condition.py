"""What a grasp shall be like: where it touches, with which fingers, whence it comes, its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dexgrasp.errors import NoGraspError, UnknownNameError
from dexgrasp.hands import HandModel
from dexgrasp.hands.config import GraspTypeConfig
from dexgrasp.objects import ObjectModel
from dexgrasp.synthesis.contact_maps import ContactMap
from dexgrasp.types import Array

Region = Callable[[Array], Array]
"""(n, 3) points near the object's surface, in its frame [m] -> (n,) bool, inside."""


@dataclass(frozen=True)
class Condition:
    """Wishes that a generator keeps; empty ones ask for nothing.

    types: names of the hand's grasp types.  region: where the fingers shall touch.
    approach: (3,) unit direction in the object's frame along which the palm comes, within
    `cone` [rad] of it.
    touch: finger -> whether its tip shall touch, or must not.
    contacts: a contact map in the object's frame; the fingers that it names shall touch, no
    others, each within `radius` [m] of its points and `angle` [rad] of their normals.
    """

    types: tuple[str, ...] = ()
    region: Region | None = None
    approach: Array | None = None
    cone: float = 0.6
    touch: Mapping[str, bool] = field(default_factory=dict)
    contacts: ContactMap | None = None
    radius: float = 0.01
    angle: float = 0.8

    @property
    def somewhere(self) -> bool:
        """Whether contacts are wanted in some place and not in others."""
        return self.region is not None or self.contacts is not None

    @property
    def any_fingers(self) -> bool:
        """Whether neither a grasp type nor fingers are asked for."""
        return not (self.types or self.touch or self._mapped)

    @property
    def _mapped(self) -> tuple[str, ...]:
        return self.contacts.finger_names if self.contacts is not None else ()

    def wanted(self, points: Array, normals: Array, finger: str = "") -> Array:
        """(n,) bool: surface points (n, 3) [m] where that finger, or any, shall touch.

        normals: (n, 3) unit, out of the object.
        """
        inside = np.ones(len(points), dtype=bool)
        if self.region is not None:
            inside &= self.region(points)
        if self.contacts is not None:
            inside &= self.contacts.near(points, normals, self.radius, self.angle, finger)
        return inside

    def fingers(self, hand: HandModel) -> dict[str, bool]:
        """Which fingers shall touch and which must not. Raises UnknownNameError."""
        named = self._mapped
        codes = {finger: finger in named for finger in hand.finger_names} if named else {}
        for finger in (*named, *self.touch):
            if finger not in hand.finger_names:
                raise UnknownNameError(f"finger of {hand.name}", finger, hand.finger_names)
        return codes | dict(self.touch)

    def grasp_types(self, hand: HandModel) -> Sequence[GraspTypeConfig]:
        """Those of the hand's grasp types that are asked for and use the right fingers.

        Where no type is asked for and none has these fingers, a type of them alone, named after
        them, in the posture of the most similar one. Raises UnknownNameError, and NoGraspError
        for fingers that cannot hold.
        """
        known = {kind.name: kind for kind in hand.grasp_types}
        for name in self.types:
            if name not in known:
                raise UnknownNameError(f"grasp type of {hand.name}", name, known)
        kinds = [known[name] for name in self.types] if self.types else hand.grasp_types
        codes = self.fingers(hand)
        fitting = [k for k in kinds if all((f in k.fingers) == on for f, on in codes.items())]
        return fitting or [self._type_of_fingers(hand, kinds, codes)]

    def _type_of_fingers(
        self, hand: HandModel, kinds: Sequence[GraspTypeConfig], codes: Mapping[str, bool]
    ) -> GraspTypeConfig:
        fingers = tuple(f for f in hand.finger_names if codes.get(f, f in kinds[0].fingers))
        words = ", ".join(f if on else f"!{f}" for f, on in codes.items())
        if self.types:
            raise NoGraspError(
                f"none of the grasp types {', '.join(self.types)} of {hand.name} touches with "
                f"{words}; ask for other fingers or no type"
            )
        if len(fingers) < 2 or hand.finger_names[-1] not in fingers:
            raise NoGraspError(
                f"touch {words} leaves {' and '.join(fingers) or 'no finger'} of {hand.name}; the "
                f"{hand.finger_names[-1]} and another finger are needed"
            )
        alike = max(kinds, key=lambda kind: len(set(kind.fingers) & set(fingers)))
        return alike.model_copy(update={"name": "-".join(fingers), "fingers": fingers})


def part_region(model: ObjectModel, part: str) -> Region:
    """The labelled part of an object. Raises UnknownNameError with the parts that it has."""
    if part not in model.part_names:
        raise UnknownNameError(f"part of {model.name}", part, model.part_names)
    index = model.part_names.index(part)
    return lambda points: model.label_points(points) == index


def box_region(low: Array, high: Array) -> Region:
    """A box in the object's frame with corners `low` and `high` (3,) [m]."""
    return lambda points: np.all((points >= low) & (points <= high), axis=-1)
