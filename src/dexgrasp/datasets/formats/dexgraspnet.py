"""DexGraspNet (2210.02697) and UniDexGrasp (2303.00938): joint dictionaries named by MuJoCo.

DexGraspNet: one `.npy` an object, an array of dicts `qpos` and `scale`; `qpos` maps WRJTx, y, z
[m] and WRJRx, y, z [rad] (transforms3d's sxyz: turns about fixed axes), and the joints by name:
`robot0:FFJ3` ... of OpenAI's Shadow model, or our hand's own or another program's names. The
root of the Shadow model is its palm. The mesh is multiplied by `scale`, the pose is in its frame
(grasp_generation/scripts/validate_grasps.py). UniDexGrasp: one `.npz` a grasp, the same `qpos`,
`scale` the inverse of the mesh's factor, the pose again in the mesh's frame (datasets/
dex_dataset.py: `canon_obj_pc` undoes the table's pose before the hand's); the object is the
folder's name. Not verified: that the root of other hands (Allegro) is our palm link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dexgrasp.datasets.files import Document
from dexgrasp.datasets.formats.base import Format, entries, has_keys, number
from dexgrasp.datasets.hands import joints_by_name, retargeted_rows
from dexgrasp.datasets.rotations import poses
from dexgrasp.datasets.shadow import shadow_model
from dexgrasp.datasets.table import RawRows
from dexgrasp.errors import GraspError
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

POSITION = tuple(f"WRJT{axis}" for axis in "xyz")
ANGLES = tuple(f"WRJR{axis}" for axis in "xyz")
PREFIX = "robot0:"


def _is_qpos(value: Any) -> bool:
    return has_keys(value, *POSITION, *ANGLES)


def _columns(qpos: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Array:
    """(n, k) values of `names`, NaN where a grasp lacks one."""
    return np.array([[number(row.get(name)) for name in names] for row in qpos], float)


def qpos_rows(
    qpos: list[Any], scale: Array, objects: list[str], hand: HandModel, file: str
) -> RawRows:
    """Rows of joint dictionaries; Shadow hands are carried over. Raises GraspError."""
    faults = {i: "the row has no wrist" for i, row in enumerate(qpos) if not _is_qpos(row)}
    rows = [row if isinstance(row, Mapping) else {} for row in qpos]
    first = next((row for row in rows if _is_qpos(row)), None)
    if first is None:
        raise GraspError(f"{file} has no grasp with {', '.join((*POSITION, *ANGLES))}")
    T_object_root = poses("euler_xyz", _columns(rows, POSITION), _columns(rows, ANGLES))
    names = [name for name in first if name not in (*POSITION, *ANGLES)]
    if all(name.startswith(PREFIX) for name in names):
        model = shadow_model("adroit")
        q = _columns(rows, [PREFIX + name for name in model.joints])
        keypoints = model.keypoints(T_object_root, q)
        return retargeted_rows(hand, keypoints, objects, scale=scale, faults=faults)
    q = joints_by_name(hand, _columns(rows, names), names, file)
    return RawRows(objects, T_object_root, q, scale=scale, faults=faults)


def _first(document: Document) -> Any:
    found = entries(document.value)
    return found[0] if found else None


def _read_dexgraspnet(document: Document, hand: HandModel) -> RawRows:
    grasps = [grasp if isinstance(grasp, Mapping) else {} for grasp in entries(document.value)]
    scale = np.array([number(grasp.get("scale", 1.0)) for grasp in grasps])
    objects = [document.path.stem] * len(grasps)
    qpos = [grasp.get("qpos") for grasp in grasps]
    return qpos_rows(qpos, scale, objects, hand, str(document.path))


def _read_unidexgrasp(document: Document, hand: HandModel) -> RawRows:
    scale = np.array([1.0 / number(document.value["scale"])])
    objects = [document.path.resolve().parent.name]
    return qpos_rows([document.value["qpos"]], scale, objects, hand, str(document.path))


DEXGRASPNET = Format(
    name="dexgraspnet",
    describe="DexGraspNet: .npy list of qpos and scale; Shadow hands are carried over",
    suffixes=(".npy",),
    matches=lambda document: has_keys(_first(document), "qpos", "scale"),
    read=_read_dexgraspnet,
)
UNIDEXGRASP = Format(
    name="unidexgrasp",
    describe="UniDexGrasp: one .npz a grasp with qpos, inverse scale and plane; Shadow",
    suffixes=(".npz",),
    matches=lambda document: has_keys(document.value, "qpos", "scale", "plane"),
    read=_read_unidexgrasp,
)
