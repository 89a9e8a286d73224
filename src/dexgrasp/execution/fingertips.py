"""Contact points of the fingers, their Jacobians, and forces seen from the joints: compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dexgrasp.hands import HandModel
from dexgrasp.types import Array

DAMPING = 1e-5  # [m2] added to J J^T, about a thousandth of it: a stretched finger is singular


class Fingers(NamedTuple):
    """A hand for compiled code: L links, F fingers, D joints of a finger at most.

    parent, joint (L,), rotation (L, 3, 3), position, axis (L, 3): as in `KinematicArrays`.
    link (J,): that each joint moves.  distal (F,): last links.  own (F, D): each finger's joints,
    base first, -1 where it has fewer.  tip (F, 3) [m] in the last link.  stiffness [Nm/rad],
    damping [Nm s/rad], effort [Nm], lower, upper [rad]: (J,).
    """

    parent: Array
    joint: Array
    rotation: Array
    position: Array
    axis: Array
    link: Array
    distal: Array
    own: Array
    tip: Array
    stiffness: Array
    damping: Array
    effort: Array
    lower: Array
    upper: Array

    @classmethod
    def of(cls, hand: HandModel) -> Fingers:
        """The arrays of a hand."""
        tree, mask = hand.kinematics, hand.finger_joint_mask
        own = np.full((len(mask), int(mask.sum(axis=1).max())), -1)
        for f, row in enumerate(mask):
            joints = np.flatnonzero(row)
            order = np.argsort(tree.link_of_joint[joints])  # parents come before children
            own[f, : len(joints)] = joints[order]
        return cls(
            tree.parent, tree.joint, tree.rotation, tree.position, tree.axis,
            tree.link_of_joint, np.asarray(hand.distal_links), own, hand.tip_offsets,
            hand.stiffness, hand.damping, hand.effort_limit, hand.joint_lower, hand.joint_upper,
        )  # fmt: skip


@njit(cache=True)
def place_links(fingers, q, rotation, position):
    """Write the links' rotations (L, 3, 3) and origins (L, 3) in the palm at joints q (J,)."""
    for k in range(len(fingers.parent)):
        up = fingers.parent[k]
        if up < 0:
            rotation[k], position[k] = 0.0, 0.0
            for i in range(3):
                rotation[k, i, i] = 1.0
            continue
        angle = q[fingers.joint[k]]
        c, s = np.cos(angle), np.sin(angle)
        x, y, z = fingers.axis[k, 0], fingers.axis[k, 1], fingers.axis[k, 2]
        t = 1.0 - c
        turn = (
            (t * x * x + c, t * x * y - s * z, t * x * z + s * y),
            (t * x * y + s * z, t * y * y + c, t * y * z - s * x),
            (t * x * z - s * y, t * y * z + s * x, t * z * z + c),
        )
        for i in range(3):
            position[k, i] = position[up, i]
            base0 = base1 = base2 = 0.0
            for j in range(3):
                r = rotation[up, i, j]
                position[k, i] += r * fingers.position[k, j]
                base0 += r * fingers.rotation[k, j, 0]
                base1 += r * fingers.rotation[k, j, 1]
                base2 += r * fingers.rotation[k, j, 2]
            for j in range(3):
                rotation[k, i, j] = base0 * turn[0][j] + base1 * turn[1][j] + base2 * turn[2][j]


@njit(cache=True)
def place_contacts(fingers, q, local, points, jacobian):
    """Write points (F, 3) fixed to the last links at `local` (F, 3), and d point / d own joints.

    jacobian: (F, 3, D), zero for joints that a finger lacks; all in the palm [m].
    """
    count = len(fingers.parent)
    rotation, position = np.empty((count, 3, 3)), np.empty((count, 3))
    place_links(fingers, q, rotation, position)
    for f in range(len(fingers.distal)):
        last = fingers.distal[f]
        for i in range(3):
            points[f, i] = position[last, i]
            for j in range(3):
                points[f, i] += rotation[last, i, j] * local[f, j]
        for d in range(fingers.own.shape[1]):
            j = fingers.own[f, d]
            if j < 0:
                jacobian[f, :, d] = 0.0
                continue
            k = fingers.link[j]
            a0 = a1 = a2 = 0.0
            for i in range(3):
                a0 += rotation[k, 0, i] * fingers.axis[k, i]
                a1 += rotation[k, 1, i] * fingers.axis[k, i]
                a2 += rotation[k, 2, i] * fingers.axis[k, i]
            r0, r1 = points[f, 0] - position[k, 0], points[f, 1] - position[k, 1]
            r2 = points[f, 2] - position[k, 2]
            jacobian[f, 0, d] = a1 * r2 - a2 * r1
            jacobian[f, 1, d] = a2 * r0 - a0 * r2
            jacobian[f, 2, d] = a0 * r1 - a1 * r0


@njit(cache=True)
def tip_force(jacobian, torque, force):
    """Write the force (3,) [N] that explains a finger's torques (D,) [Nm] best: J^T f = torque.

    jacobian: (3, D). Damped least squares, solved by Cramer's rule.
    """
    a = np.zeros((3, 3))
    b = np.zeros(3)
    for i in range(3):
        a[i, i] = DAMPING
        for d in range(jacobian.shape[1]):
            b[i] += jacobian[i, d] * torque[d]
            for j in range(3):
                a[i, j] += jacobian[i, d] * jacobian[j, d]
    c0 = a[1, 1] * a[2, 2] - a[1, 2] * a[2, 1]
    c1 = a[1, 2] * a[2, 0] - a[1, 0] * a[2, 2]
    c2 = a[1, 0] * a[2, 1] - a[1, 1] * a[2, 0]
    scale = 1.0 / (a[0, 0] * c0 + a[0, 1] * c1 + a[0, 2] * c2)
    d0 = a[0, 2] * a[2, 1] - a[0, 1] * a[2, 2]
    d1 = a[0, 0] * a[2, 2] - a[0, 2] * a[2, 0]
    d2 = a[0, 1] * a[2, 0] - a[0, 0] * a[2, 1]
    e0 = a[0, 1] * a[1, 2] - a[0, 2] * a[1, 1]
    e1 = a[0, 2] * a[1, 0] - a[0, 0] * a[1, 2]
    e2 = a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
    force[0] = scale * (c0 * b[0] + d0 * b[1] + e0 * b[2])
    force[1] = scale * (c1 * b[0] + d1 * b[1] + e1 * b[2])
    force[2] = scale * (c2 * b[0] + d2 * b[1] + e2 * b[2])


@njit(cache=True)
def into_cone(force, normal, friction, least, most):
    """Move force (3,) to a point of the cone about unit `normal` (3,), normal part in a range.

    The Euclidean projection on the cone of `friction`, then along the normal into
    [least, most] [N] with the tangential part cut to the cone: inside whatever comes.
    """
    along = force[0] * normal[0] + force[1] * normal[1] + force[2] * normal[2]
    t0, t1 = force[0] - along * normal[0], force[1] - along * normal[1]
    t2 = force[2] - along * normal[2]
    across = np.sqrt(t0 * t0 + t1 * t1 + t2 * t2)
    if across > friction * along:
        along = max(along + friction * across, 0.0) / (1.0 + friction * friction)
    along = min(max(along, least), most)
    share = min(1.0, friction * along / max(across, 1e-12))
    force[0] = along * normal[0] + share * t0
    force[1] = along * normal[1] + share * t1
    force[2] = along * normal[2] + share * t2
