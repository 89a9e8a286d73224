"""GraspXL (2403.19649): one `.npy` a motion, a dict of the right hand and of one object.

`right_hand`: `trans` (T, 3) [m], `rot` (T, 3) axis-angle, `pose` (T, 22): six base values, zero
in the published sample, then the joints; `<object>`: `trans`, `rot`, `angle`; the world is
p = R(rot) x + trans. A hand with 45 or 48 pose values is MANO's and needs the user's model.
The last frame is read, in which the object is held. The file does not name the robot: the
wanted hand is taken, Allegro in its own order and LEAP in that of its URDF's chain. Not
verified: that the root is our palm link, and LEAP's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dexgrasp.datasets.files import Document
from dexgrasp.datasets.formats.base import Format, has_keys
from dexgrasp.datasets.hands import retargeted_rows
from dexgrasp.datasets.mano import hand_keypoints, load_mano
from dexgrasp.datasets.rotations import poses
from dexgrasp.datasets.table import RawRows
from dexgrasp.errors import GraspError
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

HAND = "right_hand"
BASE = 6  # base values before the joints
ORDER = "menagerie"  # Allegro: its own order; LEAP: forward, side, PIP, DIP


def _object_name(value: Any) -> str | None:
    """The one other entry with a pose."""
    if not isinstance(value, Mapping):
        return None
    names = [
        k for k in value if k not in (HAND, "left_hand") and has_keys(value[k], "trans", "rot")
    ]
    return str(names[0]) if len(names) == 1 else None


def _matches(document: Document) -> bool:
    value = document.value
    hand = value.get(HAND) if isinstance(value, Mapping) else None
    return has_keys(hand, "trans", "rot", "pose") and _object_name(value) is not None


def _last(values: Any, key: str, document: Document) -> Array:
    array = np.asarray(values[key], float)
    if array.ndim != 2 or not len(array):
        raise GraspError(f"{document.path}: {key} has shape {array.shape}; expected (T, values)")
    return array[-1:]


def _read(document: Document, hand: HandModel) -> RawRows:
    name = _object_name(document.value)
    motion, thing = document.value[HAND], document.value[name]
    T_world_object = poses(
        "axis_angle", _last(thing, "trans", document), _last(thing, "rot", document)
    )
    pose = _last(motion, "pose", document)
    trans, rot = _last(motion, "trans", document), _last(motion, "rot", document)
    if pose.shape[1] in (45, 48):
        full = np.concatenate([rot, pose[:, -45:]], axis=1)
        points = load_mano(document.path).keypoints(full, np.zeros((1, 10)), trans)
        return retargeted_rows(hand, hand_keypoints(points, T_world_object), [str(name)])
    if pose.shape[1] != BASE + hand.joint_count:
        raise GraspError(
            f"{document.path}: pose has {pose.shape[1]} values; read are {BASE} and the "
            f"{hand.joint_count} joints of {hand.name}, or MANO's 45 or 48"
        )
    moved = np.abs(pose[0, :BASE]).max() > 1e-6
    faults = (
        {0: "the base values of pose are not zero; what they move is not known"} if moved else {}
    )
    T_object_palm = inverse(T_world_object) @ poses("axis_angle", trans, rot)
    q = hand.from_order(pose[:, BASE:], ORDER)
    return RawRows([str(name)], T_object_palm, q, faults=faults)


GRASPXL = Format(
    name="graspxl",
    describe="GraspXL: .npy dict of right_hand and one object over time; robot or MANO hand",
    suffixes=(".npy",),
    matches=_matches,
    read=_read,
)
