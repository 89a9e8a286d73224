"""FRoGGeR (2302.13687), as the JSON of the shared reference data.

`joint_names`, and `grasps`: a list of `object`, `palm_in_object` (`position` [m], `quat_wxyz`),
`q` (16) [rad] and `pick_success`, which becomes the score. The palm frame is ours; meshes are
the YCB scans in metres. The LEAP in-palm grasps have the same layout without success.
"""

from __future__ import annotations

import numpy as np

from dexgrasp.datasets.files import Document
from dexgrasp.datasets.formats.base import Format, has_keys, number, numbers
from dexgrasp.datasets.hands import joints_by_name, require_hand
from dexgrasp.datasets.rotations import poses
from dexgrasp.datasets.table import RawRows
from dexgrasp.hands import HandModel


def _matches(document: Document) -> bool:
    return has_keys(document.value, "hand", "joint_names", "grasps")


def _read(document: Document, hand: HandModel) -> RawRows:
    value = document.value
    require_hand(hand, str(value["hand"]), str(document.path))
    grasps = [grasp if isinstance(grasp, dict) else {} for grasp in value["grasps"]]
    palms = [grasp.get("palm_in_object", {}) for grasp in grasps]
    q = np.array([numbers(grasp.get("q"), hand.joint_count) for grasp in grasps])
    return RawRows(
        objects=[str(grasp.get("object", value.get("object", ""))) for grasp in grasps],
        T_object_palm=poses(
            "quat_wxyz",
            np.array([numbers(palm.get("position"), 3) for palm in palms]),
            np.array([numbers(palm.get("quat_wxyz"), 4) for palm in palms]),
        ),
        grasp=joints_by_name(hand, q, value["joint_names"], str(document.path)),
        score=np.array([number(grasp.get("pick_success")) for grasp in grasps]),
    )


FROGGER = Format(
    name="frogger",
    describe="FRoGGeR's published Allegro grasps on YCB scans, JSON",
    suffixes=(".json",),
    matches=_matches,
    read=_read,
)
