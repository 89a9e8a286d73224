"""DexFuncGrasp (AAAI 2024): a GraspIt world `.xml`, with a `.pkl` of points beside it.

The `.xml` decides: `graspableBody` and `robot`, each with `fullTransform` "(w x y z)[x y z]" in
millimetres, and 22 `dofValues` [rad] in the order LFJ5-1, RFJ4-1, MFJ4-1, FFJ4-1, THJ5-1. The
hand is Shadow's in GraspIt's axes: x along the fingers, y away from the thumb, z out of the
palm. With Shadow's own kinematics the repository's sample (Grasps/0_unit_025_mug/0_6) has its
fingertips within 0.1 mm of the keypoints in its `.pkl`, the thumb's within 3.1 mm; its
transferred samples differ by up to 13 mm, as there the `.pkl` couples the last two joints. A
`.pkl` without its `.xml` is refused: its points are in a world whose object pose it lacks.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from dexgrasp.datasets.files import Document, read_document
from dexgrasp.datasets.formats.base import Format
from dexgrasp.datasets.hands import retargeted_rows
from dexgrasp.datasets.rotations import poses
from dexgrasp.datasets.shadow import shadow_model
from dexgrasp.datasets.table import RawRows
from dexgrasp.errors import GraspError
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

JOINTS = tuple(
    f"{finger}J{i}"
    for finger, last in (("LF", 5), ("RF", 4), ("MF", 4), ("FF", 4), ("TH", 5))
    for i in range(last, 0, -1)
)
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# Columns: Shadow's palm axes (x to the thumb, y out of the back, z along the fingers) in GraspIt's.
T_GRASPIT_PALM = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
MILLIMETRE = 1e-3
# The repository's kinematics (FK_model.py, transforms_base) normalise: a transferred sample's
# quaternion is 0.34 % too long.
QUATERNION_SLACK = 0.05


def _matches(document: Document) -> bool:
    value = document.value
    if isinstance(value, ElementTree.Element):
        return value.find("graspableBody") is not None and value.find("robot/dofValues") is not None
    shapes = [np.shape(item) for item in value] if isinstance(value, tuple) else []
    return len(shapes) >= 5 and shapes[1][1:] == (16,) and np.size(value[3]) == 28 * 3


def _pose(world: ElementTree.Element, place: str, file: Path) -> Array:
    """(1, 4, 4) [m] of the `fullTransform` under `place`. Raises GraspError."""
    found = [
        float(n) for n in re.findall(NUMBER, world.findtext(f"{place}/transform/fullTransform", ""))
    ]
    if len(found) != 7:
        raise GraspError(f"{file}: {place} has no fullTransform (w x y z)[x y z]")
    quaternion = np.array([found[:4]])
    length = np.linalg.norm(quaternion)
    if abs(length - 1.0) < QUATERNION_SLACK:
        quaternion /= length
    return poses("quat_wxyz", MILLIMETRE * np.array([found[4:]]), quaternion)


def _read(document: Document, hand: HandModel) -> RawRows:
    file, world = document.path, document.value
    if not isinstance(world, ElementTree.Element):
        file = file.with_suffix(".xml")
        if not file.is_file():
            raise GraspError(f"{document.path} needs {file.name} beside it, which has the poses")
        world = read_document(file).value
    dofs = [float(n) for n in re.findall(NUMBER, world.findtext("robot/dofValues", ""))]
    if len(dofs) != len(JOINTS):
        raise GraspError(f"{file}: {len(dofs)} dofValues; a Shadow hand has {len(JOINTS)}")
    model = shadow_model("vendor")
    q = np.array([[dofs[JOINTS.index(name)] for name in model.joints]])
    T_world_palm = _pose(world, "robot", file) @ T_GRASPIT_PALM
    T_object_palm = inverse(_pose(world, "graspableBody", file)) @ T_world_palm
    name = Path(world.findtext("graspableBody/filename", "")).stem
    return retargeted_rows(hand, model.keypoints(T_object_palm, q), [name])


DEXFUNCGRASP = Format(
    name="dexfuncgrasp",
    describe="DexFuncGrasp: GraspIt .xml, or its .pkl with the .xml beside; Shadow, carried over",
    suffixes=(".xml", ".pkl"),
    matches=_matches,
    read=_read,
)
