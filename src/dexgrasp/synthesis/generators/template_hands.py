"""Templates of a hand: postures of its grasp types at several openings, with their contacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.hands.config import GraspTypeConfig
from dexgrasp.synthesis.generators.placement import closures
from dexgrasp.types import Array

PAD_CENTER = 0.012  # [m] off the tip point within which a contact costs no alignment


@dataclass(frozen=True)
class HandTemplates:
    """T templates of one hand; a contact per finger, F fingers.

    joints: (T, J) [rad].  points [m], normals: (T, F, 3) contacts in the palm, out of the
    finger.  chosen: (T, F) their rows in `hand.kernel_contacts`.  used: (T, F) bool.
    kinds: T names.
    """

    joints: Array
    points: Array
    normals: Array
    chosen: Array
    used: Array
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.joints)


def hand_templates(
    hand: HandModel, types: Sequence[GraspTypeConfig], openings: Sequence[float]
) -> HandTemplates:
    """Every type at every opening whose fingers do not meet.

    openings: 0 is the hand's `open` posture, 1 the type's own, beyond 1 closed further. One
    posture fits one width only; Dexonomy scales the objects instead, which a real one forbids.
    """
    opened = hand.postures["open"]
    kinds = [kind for kind in types for _ in openings]
    shares = np.tile(np.asarray(openings, dtype=float), len(types))[:, None]
    postures = np.array([hand.postures[kind.posture] for kind in kinds])
    joints = hand.clip(opened + shares * (postures - opened))
    used = np.array([[f in kind.fingers for f in hand.finger_names] for kind in kinds])
    apart = hand.self_gap(joints) > 0.0
    joints, used = joints[apart], used[apart]
    points, normals = contacts_in_palm(hand, joints)
    tips = hand.fingertips(joints)
    chosen = opposing_contacts(hand, points, normals, tips, used)
    rows = np.arange(len(joints))[:, None]
    return HandTemplates(
        joints,
        points[rows, chosen],
        normals[rows, chosen],
        chosen,
        used,
        tuple(kind.name for kind, kept in zip(kinds, apart, strict=True) if kept),
    )


def contacts_in_palm(hand: HandModel, joints: Array) -> tuple[Array, Array]:
    """Points [m] and normals (n, C, 3) of `hand.kernel_contacts` in the palm."""
    point, normal, link, _ = hand.kernel_contacts
    poses = hand.forward(joints)[:, link]
    turned = poses[..., :3, :3]
    placed = (turned @ point[..., None])[..., 0] + poses[..., :3, 3]
    return placed, (turned @ normal[..., None])[..., 0]


def opposing_contacts(
    hand: HandModel, points: Array, normals: Array, tips: Array, used: Array
) -> Array:
    """(n, F) per finger the tip contact that faces the opposite side best, near the pad.

    points, normals: (n, C, 3); tips: (n, F, 3), all in the palm. The thumb is the last finger
    and faces the middle of the used ones; they face it.
    """
    finger = hand.kernel_contacts[3]
    middle = 2.0 * closures(tips, used) - tips[:, -1]
    chosen = np.zeros(used.shape, dtype=np.int64)
    for f in range(used.shape[1]):
        rows = np.flatnonzero(finger == f)
        aim = middle if f == used.shape[1] - 1 else tips[:, -1]
        way = aim[:, None] - points[:, rows]
        way /= np.linalg.norm(way, axis=2, keepdims=True)
        off = np.linalg.norm(points[:, rows] - tips[:, f : f + 1], axis=2)
        worth = (normals[:, rows] * way).sum(axis=2) - np.maximum(0.0, off / PAD_CENTER - 1.0)
        chosen[:, f] = rows[np.argmax(worth, axis=1)]
    return chosen
