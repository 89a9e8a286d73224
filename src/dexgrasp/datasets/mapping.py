"""Grasps in an unknown dict, list or pickle, read by a small YAML file that says where they are.

docs/grasp_files.md documents the file with an example.
"""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dexgrasp.config import load_config
from dexgrasp.datasets.files import Document
from dexgrasp.datasets.hands import joints_by_name
from dexgrasp.datasets.rotations import pose7, poses, rotation_width
from dexgrasp.datasets.table import RawRows
from dexgrasp.errors import GraspError
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

Key = str | int | tuple[str | int, ...]
LENGTHS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
ANGLES = {"rad": 1.0, "deg": np.pi / 180.0}


class Strict(BaseModel):
    """Frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(Strict):
    """Where numbers are: a key as dotted path or list, and a part [from, to) of the vector."""

    key: Key
    part: tuple[int, int] | None = None


class Lengths(Place):
    """Numbers with a unit of length."""

    unit: Literal["m", "cm", "mm"] = "m"


class Angles(Place):
    """Numbers with a unit of angle."""

    unit: Literal["rad", "deg"] = "rad"


class RotationPlace(Angles):
    """A rotation; `unit` matters for axis_angle and euler_ alone."""

    form: str

    @model_validator(mode="after")
    def _known(self) -> RotationPlace:
        try:
            rotation_width(self.form)
        except Exception as error:  # pydantic reports ValueErrors alone
            raise ValueError(str(error)) from error
        return self


class Named(Strict):
    """The object's name: a key, or one name for all."""

    key: Key | None = None
    constant: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Named:
        if (self.key is None) == (self.constant is None):
            raise ValueError("give either key or constant")
        return self


class Scale(Strict):
    """Factor on the mesh: a key or a number; `inverse` where the file divides by it."""

    key: Key | None = None
    constant: float = Field(default=1.0, gt=0.0)
    inverse: bool = False


class GraspMapping(Strict):
    """How to read one layout.

    rows: path of a list whose items are grasps; without it the keys lead to arrays over all
    grasps.  position and rotation, or matrix (4 x 4): the pose.  inverse: the file gives the
    object in the hand's frame.  T_root_palm: our palm in the frame that the file poses,
    position [m] and quaternion, scalar first.  joint_order: a program of the hand's `orders`,
    or the joints' names.
    """

    rows: Key | None = None
    object: Named
    position: Lengths | None = None
    rotation: RotationPlace | None = None
    matrix: Lengths | None = None
    inverse: bool = False
    T_root_palm: tuple[float, ...] = Field(
        default=(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0), min_length=7, max_length=7
    )
    joint_order: str | tuple[str, ...]
    grasp: Angles
    pregrasp: Angles | None = None
    squeeze: Angles | None = None
    scale: Scale = Scale()
    score: Place | None = None

    @model_validator(mode="after")
    def _pose_once(self) -> GraspMapping:
        both = self.position is not None and self.rotation is not None
        if both == (self.matrix is not None) or (self.position is None) != (self.rotation is None):
            raise ValueError("the pose is given by position and rotation, or by matrix")
        return self


def load_mapping(path: Path) -> GraspMapping:
    """Read a mapping file. Raises ConfigError naming file and key."""
    return load_config(path, GraspMapping)


def mapped_rows(document: Document, mapping: GraspMapping, hand: HandModel) -> RawRows:
    """The grasps of a document in the mapping's layout.

    A row that lacks a key or has another number of values becomes a fault. Raises GraspError
    where a key leads nowhere in every row, ConfigError, UnknownNameError for the joint order.
    """
    source = _Source(document, mapping)
    joints = {
        name: None if place is None else ANGLES[place.unit] * source.values(place, hand.joint_count)
        for name, place in (
            ("grasp", mapping.grasp),
            ("pregrasp", mapping.pregrasp),
            ("squeeze", mapping.squeeze),
        )
    }
    ordered = {
        name: None if q is None else _canonical(q, mapping, hand, str(document.path))
        for name, q in joints.items()
    }
    pose = source.poses()
    pose = inverse(pose) if mapping.inverse else pose
    return RawRows(
        objects=source.objects(),
        T_object_palm=pose @ pose7(np.array(mapping.T_root_palm)),
        scale=source.scales(),
        score=None if mapping.score is None else source.values(mapping.score, 1)[:, 0],
        faults=source.faults,
        **ordered,  # type: ignore[arg-type]
    )


def _canonical(q: Array, mapping: GraspMapping, hand: HandModel, file: str) -> Array:
    if isinstance(mapping.joint_order, str):
        return hand.from_order(q, mapping.joint_order)
    return joints_by_name(hand, q, mapping.joint_order, file)


class _Source:
    """The document as n grasps; collects the rows that lack something."""

    def __init__(self, document: Document, mapping: GraspMapping) -> None:
        self.mapping, self.file = mapping, str(document.path)
        self.value = document.value
        self.faults: dict[int, str] = {}
        self.items: list[Any] | None = None
        if mapping.rows is not None:
            listed = _found(document.value, mapping.rows, self.file)
            if not isinstance(listed, list | tuple | np.ndarray):
                raise GraspError(f"{self.file}: {mapping.rows!r} leads to no list")
            self.items = list(listed)
            self.count = len(self.items)
        else:
            self.count = len(np.atleast_1d(_found(self.value, mapping.grasp.key, self.file)))

    def raw(self, key: Key) -> list[Any]:
        """The values of `key`, one a grasp; None, and a fault, where a row has none."""
        if self.items is None:
            column = _found(self.value, key, self.file)
            if np.shape(column)[:1] != (self.count,):
                shape = np.shape(column)
                raise GraspError(
                    f"{self.file}: {key!r} has shape {shape}; expected ({self.count}, ...)"
                )
            return list(column)
        found, missing = [], 0
        for i, item in enumerate(self.items):
            try:
                found.append(_found(item, key, self.file))
            except GraspError as error:
                if missing == self.count - 1:
                    raise
                missing += 1
                self.faults.setdefault(i, f"it lacks {key!r} ({error})")
                found.append(None)
        return found

    def values(self, place: Place, width: int) -> Array:
        """(n, width) numbers of `place`."""
        result = np.full((self.count, width), np.nan)
        for i, value in enumerate(self.raw(place.key)):
            if value is None:
                continue
            try:
                vector = np.asarray(value, float).reshape(-1)
            except (TypeError, ValueError):
                self.faults.setdefault(i, f"{place.key!r} holds no numbers")
                continue
            vector = vector[slice(*place.part)] if place.part else vector
            if len(vector) == width:
                result[i] = vector
            else:
                words = f"{place.key!r} has {len(vector)} values; expected {width}"
                self.faults.setdefault(i, words)
        return result

    def poses(self) -> Array:
        """(n, 4, 4) of the file's frame, lengths in metres."""
        rules = self.mapping
        if rules.matrix is not None:
            flat = self.values(rules.matrix, 16).reshape(-1, 4, 4)
            return poses("matrix", LENGTHS[rules.matrix.unit] * flat[:, :3, 3], flat[:, :3, :3])
        if rules.position is None or rules.rotation is None:
            raise GraspError("the mapping gives no pose")  # its validation has seen to that
        form = rules.rotation.form
        turn = self.values(rules.rotation, rotation_width(form))
        if form == "axis_angle" or form.startswith("euler_"):
            turn = ANGLES[rules.rotation.unit] * turn
        return poses(form, LENGTHS[rules.position.unit] * self.values(rules.position, 3), turn)

    def objects(self) -> list[str]:
        name = self.mapping.object
        if name.key is None:
            return [str(name.constant)] * self.count
        found = self.raw(name.key)
        return ["" if v is None else str(np.asarray(v).reshape(-1)[0]) for v in found]

    def scales(self) -> Array:
        scale = self.mapping.scale
        if scale.key is None:
            values = np.full(self.count, scale.constant)
        else:
            values = self.values(Place(key=scale.key), 1)[:, 0]
        return 1.0 / values if scale.inverse else values


def _found(value: Any, key: Key, file: str) -> Any:
    """What a dotted path or a list of keys and indices leads to. Raises GraspError."""
    steps = key.split(".") if isinstance(key, str) else key if isinstance(key, tuple) else (key,)
    at = value
    for step in steps:
        try:
            if isinstance(at, AnyMapping):
                at = at[step] if step in at else at[int(step)]
            else:
                at = at[int(step)]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            keys = ", ".join(map(str, list(at)[:8])) if isinstance(at, AnyMapping) else "no keys"
            raise GraspError(f"{file}: {key!r} fails at {step!r}; there: {keys}") from error
    return at
