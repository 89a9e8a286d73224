"""Which hand's grasps a file holds, and how they become the wanted hand's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dexgrasp.datasets.retarget import FINGERS, Keypoints, pad_points, retarget
from dexgrasp.datasets.table import ROTATION_TOLERANCE, RawRows
from dexgrasp.errors import GraspError
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

# A pad farther than this from the one it replaces no longer touches the same place [m].
PAD_LIMIT = 0.010
MIRROR = np.diag([1.0, -1.0, 1.0, 1.0])


def retargeted_rows(
    hand: HandModel,
    source: Keypoints,
    objects: Sequence[str],
    scale: Array | None = None,
    row: Array | None = None,
    faults: dict[int, str] | None = None,
) -> RawRows:
    """Grasps of another hand, carried over by their pads; see `retarget`.

    Rows in which a pad stays farther than PAD_LIMIT from its place become faults, as do those
    whose keypoints are not finite.
    """
    count = len(source.pads)
    faults = dict(faults or {})
    finite = np.isfinite(source.pads).all(axis=(1, 2))
    finite &= np.isfinite(source.T_object_grasp).all(axis=(1, 2))
    for i in np.flatnonzero(~finite):
        words = f"not finite, or its quaternion not unit within {ROTATION_TOLERANCE}"
        faults.setdefault(int(i), f"the other hand's pose is {words}")
    usable = np.array([i for i in np.flatnonzero(finite) if i not in faults], dtype=int)
    poses = np.full((count, 4, 4), np.nan)
    joints = np.full((count, hand.joint_count), np.nan)
    if len(usable):
        moved = retarget(hand, Keypoints(source.pads[usable], source.T_object_grasp[usable]))
        poses[usable], joints[usable] = moved.T_object_palm, moved.joints
        for i, error in zip(usable, moved.error.max(axis=1), strict=True):
            if error > PAD_LIMIT:
                words = f"{hand.name} cannot bring its finger pads nearer than {1e3 * error:.0f} mm"
                faults.setdefault(
                    int(i), f"{words} to the other hand's; {1e3 * PAD_LIMIT:.0f} allowed"
                )
    return RawRows(objects, poses, joints, scale=scale, row=row, faults=faults)


def joints_by_name(hand: HandModel, q: Array, names: Sequence[str], file: str) -> Array:
    """(n, J) canonical joints from q (n, J) [rad] whose columns are `names`, in any order.

    The names are the hand's own or those of one of its `orders`. Raises GraspError.
    """
    names = [str(name) for name in names]
    own = {"its own": hand.joint_names}
    for program, known in {**own, **{p: hand.order_names(p) for p in hand.config.orders}}.items():
        if sorted(known) == sorted(names):
            ordered = np.asarray(q, float)[..., [names.index(name) for name in known]]
            return ordered if program in own else hand.from_order(ordered, program)
    raise GraspError(
        f"{file} names joints {', '.join(names[:4])} ...; {hand.name} is known by "
        + "; ".join(
            f"{', '.join(known[:3])} ..."
            for known in {hand.joint_names, *(hand.order_names(p) for p in hand.config.orders)}
        )
    )


def require_hand(hand: HandModel, prefix: str, file: str) -> None:
    """Raise GraspError unless the wanted hand's name begins with the one in the file."""
    if not hand.name.startswith(prefix):
        raise GraspError(
            f"{file} holds grasps of the {prefix} hand, not of {hand.name}; read it as that hand"
        )


def allegro_left_keypoints(T_object_palm: Array, q: Array) -> Keypoints:
    """Pads of a left Allegro at palm poses (n, 4, 4) [m] and joints q (n, 16) [rad].

    The left hand is the right one mirrored in the palm's xz plane (the left URDFs of
    simlabrobotics, dex-urdf and BODex). q is in the order in which those files list the joints:
    the finger at y = +0.0435, the middle one, the finger at y = -0.0435, the thumb; its side
    joints turn about +z, so that their sign is the mirrored right hand's opposite.
    """
    right = HandModel.load("allegro_right")
    mirrored = np.concatenate([q[:, 8:12], q[:, 4:8], q[:, 0:4], q[:, 12:16]], axis=1)
    mirrored[:, [0, 4, 8]] *= -1.0
    links = right.forward(mirrored)[:, right.distal_links]
    pads = (links[..., :3, :3] @ pad_points(right)[None, :, :, None])[..., 0] + links[..., :3, 3]
    placed = transform_points(T_object_palm @ MIRROR, pads)
    order = [right.finger_names.index(name) for name in FINGERS if name != "little"]
    five = np.concatenate([placed[:, order], np.zeros((len(q), 1, 3))], axis=1)
    # The grasp frame lies in the mirror plane: only its y axis turns round, and x and z stay.
    return Keypoints(five, T_object_palm @ right.T_palm_grasp)
