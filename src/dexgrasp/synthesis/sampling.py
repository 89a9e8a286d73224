"""Starts of the optimisation: palm poses around the object and postures of each type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel
from dexgrasp.hands.config import GraspTypeConfig
from dexgrasp.types import Array


@dataclass
class Starts:
    """n starts in the object's frame; `used` (n, F) marks the fingers that shall touch."""

    palms: Array
    joints: Array
    references: Array
    used: Array
    kinds: list[str]


def unit(vector: Array) -> Array:
    """Normalise the last axis."""
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def approach_directions(count: int, rng: np.random.Generator) -> Array:
    """(count, 3) unit directions of the palm's motion: from above, tilted, or from the side."""
    tilt = np.where(
        rng.random(count) < 0.55,
        np.abs(rng.normal(0.0, 0.35, count)),
        rng.uniform(0.5, 1.45, count),
    )
    heading = rng.uniform(0.0, 2.0 * np.pi, count)
    return np.stack(
        [np.sin(tilt) * np.cos(heading), np.sin(tilt) * np.sin(heading), -np.cos(tilt)], axis=1
    )


def finger_directions(approach: Array, rng: np.random.Generator) -> Array:
    """(n, 3) directions of the extended fingers, across the approach and not into the table."""
    random = rng.normal(size=approach.shape)
    across = unit(random - approach * (random * approach).sum(axis=1, keepdims=True))
    # Side approaches keep the fingers level or pointing down a little less than half of the time.
    upward = across[:, 2] > 0.6
    across[upward] *= -1.0
    return across


def sample_starts(
    hand: HandModel,
    types: Sequence[GraspTypeConfig],
    center: Array,
    extents: Array,
    table: float,
    count: int,
    rng: np.random.Generator,
) -> Starts:
    """`count` starts whose fingers close around points inside the object.

    types: the grasp types in turn.  center, extents: (3,) middle and edge lengths of the
    object's box in its frame [m];
    table: height of the table in that frame [m].
    """
    order = np.arange(count) % len(types)
    approach = approach_directions(count, rng)
    along = finger_directions(approach, rng)
    turn = np.stack([along, np.cross(approach, along), approach], axis=2)  # grasp frame columns
    target = center + np.clip(rng.normal(0.0, 0.22, (count, 3)), -0.45, 0.45) * extents
    target[:, 2] = np.maximum(target[:, 2], table + min(0.02, 0.5 * extents[2]))
    joints = np.zeros((count, hand.joint_count))
    closure = np.zeros((count, 3))
    used = np.zeros((count, len(hand.finger_names)), dtype=bool)
    T_grasp_palm = inverse(hand.T_palm_grasp)
    for k, kind in enumerate(types):
        rows = order == k
        members = [f in kind.fingers for f in hand.finger_names]
        posture = hand.postures[kind.posture]
        tips = hand.fingertips(posture[None])[0][members]
        thumb, others = tips[-1], tips[:-1].mean(axis=0)
        middle = 0.5 * (thumb + others)
        closure[rows] = T_grasp_palm[:3, :3] @ middle + T_grasp_palm[:3, 3]
        joints[rows] = posture
        used[rows] = members
    palms = np.tile(np.eye(4), (count, 1, 1))
    palms[:, :3, :3] = turn @ T_grasp_palm[:3, :3]
    origin = target - np.einsum("nij,nj->ni", turn, closure)
    palms[:, :3, 3] = origin + np.einsum("nij,j->ni", turn, T_grasp_palm[:3, 3])
    references = joints.copy()
    noisy = hand.clip(joints + rng.normal(0.0, 0.12, joints.shape))
    return Starts(palms, noisy, references, used, [types[int(k)].name for k in order])
