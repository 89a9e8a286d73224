"""RealDex (2402.13853) as its own preprocessing writes it: one `.npz` a grasping segment.

`qpos` (T, 22) [rad], `hand_transl` (T, 3) [m] and `hand_orient` (T, 3) axis-angle of the right
forearm's frame, `object_transl`, `object_orient` likewise, all in one world (data_preprocess/
main.py, seg_sequence). Joints are FFJ4 ... THJ1; the wrist's two are not written and taken as
straight, as the repository's own hand model does. The object is the folder's name, its mesh in
metres. Each segment holds one grasp: its last frame is read. Not verified against data.
"""

from __future__ import annotations

import numpy as np

from dexgrasp.datasets.files import Document
from dexgrasp.datasets.formats.base import Format, has_keys
from dexgrasp.datasets.hands import retargeted_rows
from dexgrasp.datasets.rotations import poses
from dexgrasp.datasets.shadow import palm_from_forearm, shadow_model
from dexgrasp.datasets.table import RawRows
from dexgrasp.errors import GraspError
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel

KEYS = {"qpos": 22, "hand_transl": 3, "hand_orient": 3, "object_transl": 3, "object_orient": 3}


def _read(document: Document, hand: HandModel) -> RawRows:
    last = {}
    for key, width in KEYS.items():
        values = np.asarray(document.value[key], float)
        if values.ndim != 2 or values.shape[1] != width or not len(values):
            raise GraspError(
                f"{document.path}: {key} has shape {values.shape}; expected (T, {width})"
            )
        last[key] = values[-1:]
    T_world_object = poses("axis_angle", last["object_transl"], last["object_orient"])
    T_world_forearm = poses("axis_angle", last["hand_transl"], last["hand_orient"])
    palm = palm_from_forearm(inverse(T_world_object) @ T_world_forearm, np.zeros((1, 2)))
    keypoints = shadow_model("vendor").keypoints(palm, np.nan_to_num(last["qpos"]))
    name = document.path.resolve().parent.name
    bad = not np.isfinite(last["qpos"]).all()
    faults = {0: "qpos has joints that are not finite"} if bad else {}
    return retargeted_rows(hand, keypoints, [name], faults=faults)


REALDEX = Format(
    name="realdex",
    describe="RealDex segments: .npz of forearm, joints and object over time; Shadow, carried over",
    suffixes=(".npz",),
    matches=lambda document: has_keys(document.value, *KEYS),
    read=_read,
)
