"""MultiDex (GenDexGrasp, 2210.00722) and D(R,O) Grasp (2410.01702): tuples in a torch file.

`{info, metadata: [(q, "dataset+object", robot), ...]}`; q is the root's position [m], its
rotation, and the joints [rad] in the order of the robot's URDF. MultiDex writes the rotation as
two columns (GenDexGrasp, utils_model/HandModel.py), D(R,O) as turning XYZ angles (utils/
rotation.py): q's length tells them apart. Meshes are unscaled STL files in metres.

Robots: `shadowhand` (24 joints from the forearm on) is carried over, as is `allegro`: the D(R,O)
repository ships a left Allegro (allegro_hand_left_extended.urdf, so say its forks), and its data
are MultiDex's, filtered in simulation with that model. `leaphand` is in the order in which
LEAP_Hand_Sim's robot.urdf is walked. A file of several robots gives the rows of the first of
PREFERENCE that it holds. Not verified against the data: that the roots are our palm links, the
side of MultiDex's Allegro, and 5 mm in the thumb's base in which published left hands disagree.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dexgrasp.datasets.files import Document
from dexgrasp.datasets.formats.base import Format, entries, has_keys, numbers, text
from dexgrasp.datasets.hands import allegro_left_keypoints, retargeted_rows
from dexgrasp.datasets.rotations import poses
from dexgrasp.datasets.shadow import palm_from_forearm, shadow_model
from dexgrasp.datasets.table import RawRows
from dexgrasp.errors import GraspError
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

# Robots by the hand that is wanted, nearest first; `allegro_right` is what forks of D(R,O) call
# the mirrored hand. Other hands take what is carried over.
CARRIED = ("allegro", "shadowhand")
PREFERENCE = {
    "allegro_right": ("allegro_right", *CARRIED),
    "leap_right": ("leaphand", *CARRIED),
}
JOINTS = {"allegro_right": 16, "leaphand": 16, "allegro": 16, "shadowhand": 24}
ORDERS = {"allegro_right": "can", "leaphand": "menagerie"}  # of the hand's YAML
FORMS = {9: "rot6d", 6: "euler_XYZ"}  # by how many numbers the root takes


def _tuples(document: Document) -> list[Any]:
    value = document.value
    found = entries(value["metadata"]) if has_keys(value, "metadata") else []
    return [item for item in found if isinstance(item, tuple | list) and len(item) >= 3]


def _read(document: Document, hand: HandModel) -> RawRows:
    items = entries(document.value["metadata"])
    robots = [text(item[2]) if isinstance(item, tuple | list) else "" for item in items]
    wanted = PREFERENCE.get(hand.name, CARRIED)
    robot = next((name for name in wanted if name in robots), None)
    if robot is None:
        raise GraspError(
            f"{document.path} holds grasps of {', '.join(sorted(set(robots)))}; for {hand.name} "
            f"these are read: {', '.join(wanted)}"
        )
    rows = np.array([i for i, name in enumerate(robots) if name == robot])
    chosen = [items[i] for i in rows]
    root, joints, faults = _split([item[0] for item in chosen], JOINTS[robot])
    objects = [text(item[1]) for item in chosen]
    if robot in ORDERS:
        q = hand.from_order(joints, ORDERS[robot])
        return RawRows(objects, root, q, row=rows, faults=faults)
    if robot == "allegro":
        keypoints = allegro_left_keypoints(root, np.nan_to_num(joints))
    else:
        palm = palm_from_forearm(root, np.nan_to_num(joints[:, :2]))
        keypoints = shadow_model("vendor").keypoints(palm, np.nan_to_num(joints[:, 2:]))
    return retargeted_rows(hand, keypoints, objects, row=rows, faults=faults)


def _split(vectors: list[Any], count: int) -> tuple[Array, Array, dict[int, str]]:
    """Root poses (n, 4, 4), joints (n, count), and rows that are neither layout's."""
    root = np.full((len(vectors), 4, 4), np.nan)
    joints = np.full((len(vectors), count), np.nan)
    faults: dict[int, str] = {}
    widths = np.array([np.size(vector) - count for vector in vectors])
    for i in np.flatnonzero(~np.isin(widths, list(FORMS))):
        faults[int(i)] = f"q has {np.size(vectors[i])} numbers; {count} joints and 6 or 9 are read"
    for width, form in FORMS.items():
        mine = np.flatnonzero(widths == width)
        q = np.array([numbers(vectors[i], width + count) for i in mine]).reshape(-1, width + count)
        root[mine] = poses(form, q[:, :3], q[:, 3:width])
        joints[mine] = q[:, width:]
    for i in np.flatnonzero(~np.isfinite(joints).all(axis=1)):
        faults.setdefault(int(i), "q has joints that are not finite")
    return root, joints, faults


def _is(document: Document, form: str) -> bool:
    items = _tuples(document)
    if not items:
        return False
    count = JOINTS.get(text(items[0][2]), 0)
    return FORMS.get(np.size(items[0][0]) - count, "rot6d") == form


MULTIDEX = Format(
    name="multidex",
    describe="MultiDex of GenDexGrasp: .pt tuples (q with 6D rotation, object, robot)",
    suffixes=(".pt", ".pth"),
    matches=lambda document: _is(document, "rot6d"),
    read=_read,
)
DRO = Format(
    name="dro",
    describe="D(R,O) Grasp's filtered set: .pt tuples (q with XYZ angles, object, robot)",
    suffixes=(".pt", ".pth"),
    matches=lambda document: _is(document, "euler_XYZ"),
    read=_read,
)
