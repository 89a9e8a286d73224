"""BODex (2412.16490): `*_grasp.npy`, a pickled dict of every seed of one object.

`robot_pose` (1, seeds, 3, 7 + n): pre-grasp, grasp, squeeze, each position [m], quaternion
scalar first and joints [rad] from the URDF's base link, which is our palm link (Allegro
base_link, LEAP hand_base_link, Shadow rh_palm; DexGraspBench's convert_format.py turns exactly
these into the MuJoCo roots). `joint_names` (newer files) decides the joints' order; without it
Allegro is in its own, LEAP in that of the MuJoCo file and Shadow has its thumb first, as that
converter takes them, although BODex's own leap.yml lists the thumb first for LEAP too. The
object is in `world_cfg`, or in the scene that `scene_path` names.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dexgrasp.datasets.files import Document
from dexgrasp.datasets.formats.base import Format, entries, has_keys, text
from dexgrasp.datasets.formats.scenes import (
    ORDER,
    SHADOW_JOINTS,
    SceneObject,
    scene_from_file,
    scene_object,
)
from dexgrasp.datasets.hands import joints_by_name, retargeted_rows
from dexgrasp.datasets.rotations import pose7
from dexgrasp.datasets.shadow import VENDOR_JOINTS, shadow_model
from dexgrasp.datasets.table import RawRows
from dexgrasp.errors import GraspError
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

STAGES = ("pregrasp", "grasp", "squeeze")
THUMB_FIRST = (*VENDOR_JOINTS[17:], *VENDOR_JOINTS[:17])


def _object(document: Document) -> SceneObject:
    value = document.value
    worlds = entries(value.get("world_cfg", []))
    meshes = worlds[0].get("mesh", {}) if worlds and isinstance(worlds[0], dict) else {}
    name = text(value["manip_name"][0]) if "manip_name" in value else None
    if len(meshes) == 1 or name in meshes:
        name = name if name in meshes else next(iter(meshes))
        return scene_object(meshes[name], str(name))
    if "scene_path" not in value:
        raise GraspError(f"{document.path} says neither by world_cfg nor scene_path what is held")
    path = value["scene_path"]
    return scene_from_file(text(path if isinstance(path, str) else path[0]), document.path)


def _read(document: Document, hand: HandModel) -> RawRows:
    value, file = document.value, str(document.path)
    stages = np.asarray(value["robot_pose"], float)
    if stages.ndim != 4 or stages.shape[2] != len(STAGES) or stages.shape[3] <= 7:
        raise GraspError(
            f"{file}: robot_pose has shape {stages.shape}; expected (1, seeds, 3, 7 + joints)"
        )
    stages, thing = stages[0], _object(document)
    T_object_base = inverse(thing.T_world_object) @ pose7(stages[:, 1, :7])
    names, scale = [thing.name] * len(stages), np.full(len(stages), thing.scale)
    joints = stages[:, :, 7:]
    if joints.shape[2] == SHADOW_JOINTS:
        q = _shadow_joints(joints[:, 1], value.get("joint_names"))
        keypoints = shadow_model("vendor").keypoints(T_object_base, np.nan_to_num(q))
        return retargeted_rows(hand, keypoints, names, scale=scale)
    if joints.shape[2] != hand.joint_count:
        raise GraspError(f"{file}: {joints.shape[2]} joints; {hand.name} has {hand.joint_count}")
    q = _own_joints(joints, value.get("joint_names"), hand, file)
    return RawRows(names, T_object_base, q[:, 1], q[:, 0], q[:, 2], scale=scale)


def _own_joints(joints: Array, names: Any, hand: HandModel, file: str) -> Array:
    if names is None:
        return hand.from_order(joints, ORDER)
    return joints_by_name(hand, joints, [text(name) for name in names], file)


def _shadow_joints(joints: Array, names: Any) -> Array:
    given = [text(name).removeprefix("rh_") for name in names] if names is not None else []
    order = given if sorted(given) == sorted(VENDOR_JOINTS) else list(THUMB_FIRST)
    return joints[:, [order.index(name) for name in VENDOR_JOINTS]]


BODEX = Format(
    name="bodex",
    describe="BODex: *_grasp.npy dict of robot_pose (1, seeds, 3, 7 + joints) and a scene",
    suffixes=(".npy",),
    matches=lambda document: has_keys(document.value, "robot_pose"),
    read=_read,
)
