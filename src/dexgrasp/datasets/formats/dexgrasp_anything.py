"""DexGrasp Anything (2503.08257), and RealDex and others in its format.

`{info, metadata: [{rotations (3, 3), translations (3) [m], joint_positions (24) [rad],
object_name, scale}]}` in a torch file; joints are WRJ2, WRJ1, FFJ4 ... THJ1 of Shadow's URDF
(datasets/Grasp_anyting.py; with 22 the wrist is straight). The README: the hand is R (x + t),
with x from the forearm's frame. `scale` divides the object's cloud there, so that the mesh's
factor is its inverse; that `scale` is used alike in every file of the set is not verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dexgrasp.datasets.files import Document
from dexgrasp.datasets.formats.base import Format, entries, has_keys, number, numbers, text
from dexgrasp.datasets.hands import retargeted_rows
from dexgrasp.datasets.rotations import poses
from dexgrasp.datasets.shadow import palm_from_forearm, shadow_model
from dexgrasp.datasets.table import RawRows
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

KEYS = ("rotations", "translations", "joint_positions", "object_name")


def _matches(document: Document) -> bool:
    items = entries(document.value["metadata"]) if has_keys(document.value, "metadata") else []
    return bool(items) and has_keys(items[0], *KEYS)


def _joints(value: Any) -> Array:
    """(24,) joints; the wrist is straight where there are 22."""
    q = numbers(value, np.size(value))
    return np.concatenate([np.zeros(2), q]) if len(q) == 22 else numbers(q, 24)


def _read(document: Document, hand: HandModel) -> RawRows:
    items = entries(document.value["metadata"])
    items = [item if isinstance(item, Mapping) else {} for item in items]
    rotation = np.array([numbers(item.get("rotations"), 9) for item in items])
    shift = np.array([numbers(item.get("translations"), 3) for item in items])
    position = (rotation.reshape(-1, 3, 3) @ shift[..., None])[..., 0]
    q = np.array([_joints(item.get("joint_positions")) for item in items])
    faults = {
        int(i): "joint_positions are not 22 or 24 finite numbers"
        for i in np.flatnonzero(~np.isfinite(q).all(axis=1))
    }
    q = np.nan_to_num(q)
    palm = palm_from_forearm(poses("matrix", position, rotation), q[:, :2])
    return retargeted_rows(
        hand,
        shadow_model("vendor").keypoints(palm, q[:, 2:]),
        [text(item.get("object_name", "")) for item in items],
        scale=np.array([1.0 / number(item.get("scale", 1.0)) for item in items]),
        faults=faults,
    )


DEXGRASP_ANYTHING = Format(
    name="dexgrasp_anything",
    describe="DexGrasp Anything, and RealDex in its format: .pt dicts, Shadow, carried over",
    suffixes=(".pt", ".pth"),
    matches=_matches,
    read=_read,
)
