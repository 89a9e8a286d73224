"""Forward kinematics of the right Shadow hand, as far as its grasps are carried over to ours.

Lengths, axes and zeros are those of two published models: `vendor` (Shadow's sr_description
URDF and the MuJoCo Menagerie's shadow_hand/right_hand.xml, which agree; joints FFJ4 ... THJ1)
and `adroit` (OpenAI's hand as DexGraspNet ships it, grasp_generation/mjcf/
shadow_hand_wrist_free.xml; joints FFJ3 ... THJ0). Palm frame: z along the fingers, x to the
thumb's side, the palm faces -y.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

from dexgrasp.datasets.retarget import FINGERS, Keypoints, palm_frame
from dexgrasp.geometry import transform_points
from dexgrasp.hands.kinematics import KinematicArrays
from dexgrasp.hands.urdf import Link
from dexgrasp.types import Array

KNUCKLES = {  # of the palm [m]; the little finger's hangs on its metacarpal
    "FF": (0.033, 0.0, 0.095),
    "MF": (0.011, 0.0, 0.099),
    "RF": (-0.011, 0.0, 0.095),
}
PHALANGES = (0.045, 0.025)  # proximal and middle [m]
THUMB = (0.038, 0.032)  # proximal and middle [m]
# Surface of the touch sensors: site Tch_fftip lies at y -0.004, z 0.018, half depth 0.004, and
# Tch_thtip at -0.005, z 0.020, half depth 0.005, in the distal links of OpenAI's model [m].
FINGER_PAD, THUMB_PAD = (0.0, -0.008, 0.018), (0.0, -0.010, 0.020)
VENDOR_JOINTS = tuple(
    f"{finger}J{i}"
    for finger, last in (("FF", 4), ("MF", 4), ("RF", 4), ("LF", 5), ("TH", 5))
    for i in range(last, 0, -1)
)
ADROIT_JOINTS = tuple(f"{name[:3]}{int(name[3]) - 1}" for name in VENDOR_JOINTS)
# From the forearm's frame through the wrist's two joints (sr_description, WRJ2 then WRJ1).
WRIST = ((0.0, -0.010, 0.213), (0.0, 1.0, 0.0)), ((0.0, 0.0, 0.034), (1.0, 0.0, 0.0))


@dataclass(frozen=True)
class ShadowModel:
    """22 joints in the order of `joints`, and the pads and knuckles that keypoints need."""

    joints: tuple[str, ...]
    kinematics: KinematicArrays
    distal: Array
    pads: Array
    knuckles: Array

    def keypoints(self, T_object_palm: Array, q: Array) -> Keypoints:
        """From palm poses (n, 4, 4) [m] and joints q (n, 22) [rad] in the order of `joints`."""
        links = self.kinematics.forward(np.asarray(q, float))
        tips = links[:, self.distal]
        pads = (tips[..., :3, :3] @ self.pads[None, :, :, None])[..., 0] + tips[..., :3, 3]
        base = links[:, self.knuckles][..., :3, 3]
        wrist = np.zeros((len(base), 3))
        frame = palm_frame(wrist, base[:, 0], base[:, 1], base[:, 2])
        return Keypoints(transform_points(T_object_palm, pads), T_object_palm @ frame)


def _finger(links: list[Link], name: str, base: Array, parent: int, splay: float) -> int:
    """Splay and three flexions; returns the distal link's index."""
    flexion, start = np.array([1.0, 0.0, 0.0]), len(links)
    heights = (0.0, 0.0, *PHALANGES)
    for k, height in enumerate(heights):
        joint = VENDOR_JOINTS.index(f"{name}J{4 - k}")
        axis = np.array([0.0, splay, 0.0]) if k == 0 else flexion
        offset = base if k == 0 else np.array([0.0, 0.0, height])
        links.append(_link(f"{name}{k}", parent if k == 0 else start + k - 1, joint, offset, axis))
    return len(links) - 1


def _thumb(links: list[Link], base: tuple, axes: tuple[tuple[float, float, float], ...]) -> int:
    """Five joints from THJ5 to THJ1; the first link leans by 45 degrees about y."""
    start = len(links)
    heights = (0.0, 0.0, THUMB[0], 0.0, THUMB[1])
    for k, (height, axis) in enumerate(zip(heights, axes, strict=True)):
        joint = VENDOR_JOINTS.index(f"THJ{5 - k}")
        offset = np.array(base) if k == 0 else np.array([0.0, 0.0, height])
        link = _link(f"TH{k}", 0 if k == 0 else start + k - 1, joint, offset, np.array(axis))
        if k == 0:
            link.T_parent_link[:3, :3] = Rotation.from_euler("y", np.pi / 4).as_matrix()
        elif k == 4:  # its x axis is the flexion's, as in the fingers
            link.T_parent_link[:3, :3] = Rotation.from_euler("z", -np.pi / 2).as_matrix()
        links.append(link)
    return len(links) - 1


def _link(name: str, parent: int, joint: int, offset: Array, axis: Array) -> Link:
    pose = np.eye(4)
    pose[:3, 3] = offset
    return Link(name, parent, joint, pose, axis, 0.0, np.zeros(3), np.zeros((3, 3)))


@cache
def shadow_model(kind: str) -> ShadowModel:
    """`vendor` or `adroit`, see above."""
    vendor = kind == "vendor"
    links, distal = [_link("palm", -1, -1, np.zeros(3), np.zeros(3))], {}
    splays = {"FF": -1.0, "MF": -1.0, "RF": 1.0, "LF": 1.0} if vendor else {}
    for name, base in KNUCKLES.items():
        distal[name] = _finger(links, name, np.array(base), 0, splays.get(name, 1.0))
    metacarpal = ((-0.033, 0.0, 0.02071), (0.573576, 0.0, 0.819152), (0.0, 0.0, 0.06579))
    if not vendor:
        metacarpal = ((-0.017, 0.0, 0.044), (0.570977, 0.0, 0.820966), (-0.017, 0.0, 0.044))
    place, axis, knuckle = (np.array(v) for v in metacarpal)
    links.append(_link("LF", 0, VENDOR_JOINTS.index("LFJ5"), place, axis / np.linalg.norm(axis)))
    distal["LF"] = _finger(links, "LF", knuckle, len(links) - 1, splays.get("LF", 1.0))
    bend = -1.0 if vendor else 1.0
    # The distal link is turned by -90 degrees about z, so that OpenAI's y axis is its -x.
    thumb_axes = ((0, 0, -1), (1, 0, 0), (1, 0, 0), (0, bend, 0), (-bend, 0, 0))
    base = (0.034, -0.00858, 0.029) if vendor else (0.034, -0.009, 0.029)
    distal["TH"] = _thumb(links, base, thumb_axes)
    order = ("TH", "FF", "MF", "RF", "LF")  # FINGERS
    names = [link.name for link in links]
    return ShadowModel(
        joints=VENDOR_JOINTS if vendor else ADROIT_JOINTS,
        kinematics=KinematicArrays.build(links),
        distal=np.array([distal[name] for name in order]),
        pads=np.array([THUMB_PAD, *[FINGER_PAD] * (len(FINGERS) - 1)]),
        knuckles=np.array([names.index(name) for name in ("FF0", "MF0", "LF0")]),
    )


def palm_from_forearm(T_object_forearm: Array, wrist: Array) -> Array:
    """(n, 4, 4) palm poses from the forearm's and the wrist's joints WRJ2, WRJ1 (n, 2) [rad]."""
    pose = T_object_forearm
    for k, (offset, axis) in enumerate(WRIST):
        turn = np.tile(np.eye(4), (len(wrist), 1, 1))
        turn[:, :3, :3] = Rotation.from_rotvec(wrist[:, k : k + 1] * np.array(axis)).as_matrix()
        turn[:, :3, 3] = offset
        pose = pose @ turn
    return pose
