"""DexGraspBench (2412.16490) and Dexonomy (2504.18829): MuJoCo qpos in a pickled dict `.npy`.

DexGraspBench: `obj_path`, `obj_scale`, `obj_pose` (7), `pregrasp_qpos`, `grasp_qpos`,
`squeeze_qpos` (7 + n). Dexonomy: `grasp_qpos` (1, 7 + n), `pregrasp_qpos` (k, 7 + n) from the
farthest on, of which the first is taken, `squeeze_qpos`, and the object's pose in the file
itself or in the scene that `scene_path` names (dexonomy/op/gen_grasp.py). Joints are in the
MuJoCo files' order, roots as in `scenes`. A reader for each is one for both: only the keys differ.
"""

from __future__ import annotations

import numpy as np

from dexgrasp.datasets.files import Document
from dexgrasp.datasets.formats.base import Format, has_keys, text
from dexgrasp.datasets.formats.scenes import (
    SceneObject,
    own_object,
    qpos_matrix,
    qpos_rows,
    scene_from_config,
    scene_from_file,
)
from dexgrasp.datasets.table import RawRows
from dexgrasp.errors import GraspError
from dexgrasp.hands import HandModel


def _object(document: Document) -> SceneObject:
    value = document.value
    found = own_object(value)
    if found is None and has_keys(value.get("scene_cfg"), "scene"):
        found = scene_from_config(value["scene_cfg"], str(document.path))
    if found is None and "scene_path" in value:
        found = scene_from_file(text(value["scene_path"]), document.path)
    if found is None:
        raise GraspError(f"{document.path} has neither obj_pose and obj_scale nor a scene")
    return found


def _read(document: Document, hand: HandModel) -> RawRows:
    value, file = document.value, str(document.path)
    grasp = qpos_matrix(value["grasp_qpos"], None, file)
    others = {}
    for key in ("pregrasp_qpos", "squeeze_qpos"):
        if value.get(key) is not None:
            others[key.removesuffix("_qpos")] = np.repeat(
                qpos_matrix(value[key], grasp.shape[1], file)[:1], len(grasp), axis=0
            )
    return qpos_rows(hand, grasp, [_object(document)] * len(grasp), file=file, **others)


DEXGRASPBENCH = Format(
    name="dexgraspbench",
    describe="DexGraspBench: .npy dict of obj_path, obj_scale, obj_pose and three qpos",
    suffixes=(".npy",),
    matches=lambda document: has_keys(document.value, "grasp_qpos", "obj_path", "obj_pose"),
    read=_read,
)
DEXONOMY = Format(
    name="dexonomy",
    describe="Dexonomy: .npy dict of qpos and a scene",
    suffixes=(".npy",),
    matches=lambda document: has_keys(document.value, "grasp_qpos"),
    read=_read,
)
