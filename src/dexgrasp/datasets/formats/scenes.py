"""What BODex, Dexonomy and DexGraspBench share: their hands' roots and their scene files.

Their MuJoCo hands hang in a root that the free joint moves, with the palm turned in it
(assets/hand/*/right*.xml of both benchmark repositories; for LEAP the Menagerie's file that they
include). Poses are 7 numbers: position [m] and quaternion, scalar first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dexgrasp.datasets.files import read_document
from dexgrasp.datasets.formats.base import has_keys, number, numbers, text
from dexgrasp.datasets.hands import retargeted_rows
from dexgrasp.datasets.rotations import pose7
from dexgrasp.datasets.shadow import shadow_model
from dexgrasp.datasets.table import RawRows
from dexgrasp.errors import GraspError
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

HALF = np.sqrt(0.5)
# T_root_palm as 7 numbers, by the hand of config/hands; the Shadow hand's palm is 34 mm out.
ROOTS = {
    "allegro_right": (0.0, 0.0, 0.0, 0.0, HALF, 0.0, HALF),
    "leap_right": (0.0, 0.0, 0.1, 0.0, 1.0, 0.0, 0.0),
}
SHADOW_ROOT = (0.0, 0.0, 0.034, 1.0, 0.0, 0.0, 0.0)
SHADOW_JOINTS = 22
ORDER = "menagerie"  # joints of the MuJoCo files


@dataclass(frozen=True)
class SceneObject:
    """An object in a scene: mesh name, factor on the mesh, T_world_object (4, 4)."""

    name: str
    scale: float
    T_world_object: Array


def palm_in_root(hand: HandModel) -> Array:
    """T_root_palm (4, 4). Raises GraspError for a hand that these benchmarks do not have."""
    if hand.name not in ROOTS:
        raise GraspError(f"no root is known for {hand.name}; known: {', '.join(ROOTS)}")
    return pose7(np.array(ROOTS[hand.name]))


def scene_object(entry: Any, name: str) -> SceneObject:
    """From a scene's `{pose, scale, file_path}`."""
    scale = np.asarray(entry.get("scale", 1.0), float).reshape(-1)
    path = text(entry.get("file_path", entry.get("xml_path", name)))
    return SceneObject(mesh_name(path), float(scale[0]), pose7(numbers(entry.get("pose"), 7)))


def mesh_name(path: str) -> str:
    """The object's folder in `<object>/mesh/simplified.obj`, else the file's stem."""
    parts = Path(path).parts
    return parts[-3] if len(parts) >= 3 and parts[-2] in ("mesh", "urdf") else Path(path).stem


def scene_from_file(path: str, beside: Path) -> SceneObject:
    """The object of a scene file that a grasp file names.

    It is looked for at its path and, as grasps travel without their disk, at every ending of
    that path under the folders above `beside`. Raises GraspError saying what was looked for.
    """
    parts = Path(path).parts
    endings = [Path(*parts[i:]) for i in range(1 if Path(path).is_absolute() else 0, len(parts))]
    above = list(beside.resolve().parents)
    places = [Path(path), *(folder / ending for ending in endings for folder in above)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise GraspError(
            f"{beside}: the object's pose is in {path}, which is neither there nor, by any ending "
            "of that path, in a folder above; put the scene files beside the grasps"
        )
    value = read_document(found).value
    if not has_keys(value, "scene"):
        raise GraspError(f"{found} is no scene: it lacks 'scene'")
    return scene_from_config(value, str(found))


def scene_from_config(config: Mapping[str, Any], file: str) -> SceneObject:
    """The object that is grasped in `{scene: {name: entry}, task: {obj_name}}`."""
    task = config.get("task", {})
    name = task.get("obj_name", config.get("interest_obj_name"))
    if name not in config["scene"]:
        raise GraspError(f"{file}: the scene lacks the object {name!r} that its task names")
    return scene_object(config["scene"][name], str(name))


def qpos_rows(
    hand: HandModel,
    grasp: Array,
    objects: list[SceneObject],
    pregrasp: Array | None = None,
    squeeze: Array | None = None,
    file: str = "",
) -> RawRows:
    """Rows of root-and-joint vectors (n, 7 + joints) of the MuJoCo hands.

    A table has one palm pose a row, the grasp's; of pre-grasps and squeezes the joints are
    taken. Shadow hands are carried over with their grasp alone. Raises GraspError.
    """
    root, joints = pose7(grasp[:, :7]), grasp[:, 7:]
    T_object_root = inverse(np.array([o.T_world_object for o in objects])) @ root
    names = [o.name for o in objects]
    scale = np.array([o.scale for o in objects])
    if joints.shape[1] == SHADOW_JOINTS:
        palm = T_object_root @ pose7(np.array(SHADOW_ROOT))
        keypoints = shadow_model("vendor").keypoints(palm, np.nan_to_num(joints))
        return retargeted_rows(hand, keypoints, names, scale=scale)
    if joints.shape[1] != hand.joint_count:
        raise GraspError(
            f"{file}: {joints.shape[1]} joints; {hand.name} has {hand.joint_count}, the Shadow "
            f"hand {SHADOW_JOINTS}"
        )

    def own(values: Array | None) -> Array | None:
        return None if values is None else hand.from_order(values[:, 7:], ORDER)

    T_object_palm = T_object_root @ palm_in_root(hand)
    return RawRows(names, T_object_palm, own(grasp), own(pregrasp), own(squeeze), scale)  # type: ignore


def qpos_matrix(value: Any, width: int | None, file: str) -> Array:
    """(k, 7 + joints) of one vector or several. Raises GraspError."""
    array = np.atleast_2d(np.asarray(value, float))
    if array.ndim != 2 or array.shape[1] <= 7 or (width and array.shape[1] != width):
        raise GraspError(f"{file}: a qpos of shape {array.shape}; expected (k, 7 + joints)")
    return array


def own_object(value: Mapping[str, Any]) -> SceneObject | None:
    """From `obj_pose` and `obj_scale` in the grasp file itself."""
    if not has_keys(value, "obj_pose", "obj_scale"):
        return None
    name = text(value.get("obj_path", value.get("scene_path", value.get("obj_name", ""))))
    pose = pose7(numbers(value["obj_pose"], 7))
    return SceneObject(Path(name).name if name else "", number(value["obj_scale"]), pose)
