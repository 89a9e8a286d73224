"""Human hands: GRAB (2008.11200), HO-3D (1907.01481) and DexYCB (2104.04631), right hands alone.

All are MANO hands. Where a file has the 21 joints they are used as they are; where it has only
pose and shape parameters, the user's own MANO model makes them (`mano`). Grasps are carried over
by the fingertips; a table row is one frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
import yaml

from dexgrasp.datasets.files import Document
from dexgrasp.datasets.formats.base import Format, has_keys, numbers, text
from dexgrasp.datasets.hands import retargeted_rows
from dexgrasp.datasets.mano import TO_KEYPOINTS, VERTICES, hand_keypoints, load_mano
from dexgrasp.datasets.rotations import poses
from dexgrasp.datasets.table import RawRows
from dexgrasp.errors import GraspError
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

# GRAB, tools/utils.py: contact labels of the right hand's parts on the object.
GRAB_RIGHT = (22, *range(41, 56))
# DexYCB, dex_ycb_toolkit/dex_ycb.py: objects by number from 1.
YCB = (
    "002_master_chef_can",
    "003_cracker_box",
    "004_sugar_box",
    "005_tomato_soup_can",
    "006_mustard_bottle",
    "007_tuna_fish_can",
    "008_pudding_box",
    "009_gelatin_box",
    "010_potted_meat_can",
    "011_banana",
    "019_pitcher_base",
    "021_bleach_cleanser",
    "024_bowl",
    "025_mug",
    "035_power_drill",
    "036_wood_block",
    "037_scissors",
    "040_large_marker",
    "051_large_clamp",
    "052_extra_large_clamp",
    "061_foam_brick",
)


def _rows(
    hand: HandModel, points: Array, T_world_object: Array, name: str, fault: str | None = None
) -> RawRows:
    """One row from 21 keypoints (1, 21, 3) and an object pose (1, 4, 4) of the same world."""
    faults = {0: fault} if fault else {}
    return retargeted_rows(hand, hand_keypoints(points, T_world_object), [name], faults=faults)


def _read_ho3d(document: Document, hand: HandModel) -> RawRows:
    """`handJoints3D` (21, 3) in MANO's order, `objRot` axis-angle, `objTrans`, `objName`.

    Both in the camera's OpenGL axes. In the evaluation split only the wrist is given: there
    `handPose` (48), `handBeta`, `handTrans` are needed. objName is the YCB name.
    """
    value = document.value
    if value["objRot"] is None:
        raise GraspError(f"{document.path} is a frame without annotation")
    T_world_object = poses(
        "axis_angle", numbers(value["objTrans"], 3), numbers(value["objRot"], 3)[None]
    )
    points = np.asarray(value.get("handJoints3D", ()), float)
    if points.shape == (21, 3):
        points = points[list(TO_KEYPOINTS)][None]
    else:
        parts = {"handPose": 48, "handBeta": 10, "handTrans": 3}
        found = [numbers(value.get(key), width)[None] for key, width in parts.items()]
        if not all(np.isfinite(part).all() for part in found):
            raise GraspError(
                f"{document.path} has neither 21 joints nor {', '.join(parts)} of a MANO hand"
            )
        points = load_mano(document.path).keypoints(*found)
    return _rows(hand, points, T_world_object, text(value["objName"]))


def _read_dexycb(document: Document, hand: HandModel) -> RawRows:
    """`joint_3d` (1, 21, 3) [m], `pose_y` (objects, 3, 4); the sequence's `meta.yml` says which.

    `meta.yml` (ycb_ids, ycb_grasp_ind, mano_sides) lies in a folder above the labels. Frames
    without a visible hand hold -1.
    """
    meta = _dexycb_meta(document.path)
    side, index = str(meta["mano_sides"][0]), int(meta["ycb_grasp_ind"])
    name = YCB[int(meta["ycb_ids"][index]) - 1]
    points = np.asarray(document.value["joint_3d"], float).reshape(-1, 21, 3)[:1]
    T_world_object = np.eye(4)[None].repeat(1, axis=0)
    T_world_object[0, :3] = np.asarray(document.value["pose_y"], float)[index]
    fault = None
    if side != "right":
        fault = f"a {side} hand; right hands alone are carried over"
    elif (points == -1.0).all():
        fault = "no hand is visible in this frame"
    return _rows(hand, points, T_world_object, name, fault)


def _dexycb_meta(path: Path) -> Mapping[str, Any]:
    for folder in list(path.resolve().parents)[:3]:
        if (folder / "meta.yml").is_file():
            meta = yaml.safe_load((folder / "meta.yml").read_text())
            if has_keys(meta, "ycb_ids", "ycb_grasp_ind", "mano_sides"):
                return meta
    raise GraspError(
        f"{path} needs the sequence's meta.yml (ycb_ids, mano_sides) in a folder above"
    )


def _read_grab(document: Document, hand: HandModel) -> RawRows:
    """The frame with most contact of `rhand`, `object` and `contact` over time.

    Hand: MANO with a flat zero pose, `fullpose` (T, 45), `global_orient`, `transl`, and the
    person's own template mesh `vtemp`, which must be found below a folder above the file. The
    object's vertices are multiplied by its rotation from the right (tools/objectmodel.py), so
    that the rotation is the transpose of the axis-angle's.
    """
    value = document.value
    contact = np.isin(np.asarray(value["contact"]["object"]), GRAB_RIGHT).sum(axis=1)
    frame = int(contact.argmax())
    thing, motion = value["object"]["params"], value["rhand"]["params"]
    at = slice(frame, frame + 1)
    orient = np.asarray(thing["global_orient"], float)[at]
    T_world_object = poses("axis_angle", np.asarray(thing["transl"], float)[at], -orient)
    full = np.concatenate(
        [np.asarray(motion[key], float)[at] for key in ("global_orient", "fullpose")], axis=1
    )
    model = load_mano(document.path)
    template = _grab_template(text(value["rhand"]["vtemp"]), document.path)
    shift = np.asarray(motion["transl"], float)[at]
    points = model.keypoints(full, np.zeros((1, 10)), shift, template)
    fault = None if contact[frame] else "the right hand never touches the object"
    return _rows(hand, points, T_world_object, text(value["obj_name"]), fault)


def _grab_template(name: str, path: Path) -> Array:
    for folder in path.resolve().parents:
        for place in (folder / name, folder.parent / name):
            if place.is_file():
                vertices = np.asarray(trimesh.load(place, process=False).vertices)  # type: ignore
                if vertices.shape == (VERTICES, 3):
                    return vertices
    raise GraspError(
        f"{path} needs the person's hand {name} ({VERTICES} vertices) below a folder above it: "
        "GRAB's tools/subject_meshes"
    )


HO3D = Format(
    name="ho3d",
    describe="HO-3D: one .pkl a frame; MANO hand, carried over by its fingertips",
    suffixes=(".pkl",),
    matches=lambda document: has_keys(document.value, "objRot", "objTrans", "objName"),
    read=_read_ho3d,
)
DEXYCB = Format(
    name="dexycb",
    describe="DexYCB: labels_*.npz a frame and meta.yml above; MANO hand, carried over",
    suffixes=(".npz",),
    matches=lambda document: has_keys(document.value, "joint_3d", "pose_y"),
    read=_read_dexycb,
)
GRAB = Format(
    name="grab",
    describe="GRAB: one .npz a motion; MANO hand, carried over; needs the user's MANO model",
    suffixes=(".npz",),
    matches=lambda document: has_keys(document.value, "rhand", "object", "contact"),
    read=_read_grab,
)
