"""Which of many grasps are tried, and which are in the list: good ones that differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dexgrasp.geometry import rotation_between
from dexgrasp.synthesis.filters import Prepared
from dexgrasp.types import Array, GraspSet, concatenated

NEAR, ALIKE = 0.02, 0.35  # [m], [rad] within which two palms are one grasp
SPREAD_LENGTH = 0.06  # [m] between two palms that count as much as a radian


def apart(palms: Array, row: int) -> Array:
    """(n,) [rad] how far palms (n, 4, 4) are from the one at `row`: turn and way together."""
    turned = np.linalg.norm(rotation_between(palms[[row]], palms), axis=1)
    moved = np.linalg.norm(palms[:, :3, 3] - palms[row, :3, 3], axis=1)
    return turned + moved / SPREAD_LENGTH


def spread(prepared: Prepared, count: int) -> Prepared:
    """`count` of them, kind by kind in turn, each the palm farthest from those before it.

    The first of a list that is in the order of its promise comes first.
    """
    palms, kinds = prepared.candidates.palms, np.array(prepared.candidates.kinds)
    left = {kind: np.flatnonzero(kinds == kind).tolist() for kind in dict.fromkeys(kinds)}
    distance = np.full(len(prepared), np.inf)
    chosen: list[int] = []
    while left and len(chosen) < count:
        for kind in list(left)[: count - len(chosen)]:
            rows = left[kind]
            row = rows.pop(int(np.argmax(distance[rows])))
            chosen.append(row)
            distance = np.minimum(distance, apart(palms, row))
            if not rows:
                del left[kind]
    return prepared.take(np.array(chosen, dtype=int))


def diverse(prepared: Prepared, count: int) -> Array:
    """Rows of the first `count` that differ from better ones, then of the rest as needed."""
    chosen: list[int] = []
    rest: list[int] = []
    palms = prepared.candidates.palms
    for n in range(len(prepared)):
        pose = palms[n : n + 1]
        others = palms[chosen]
        near = np.linalg.norm(others[:, :3, 3] - pose[:, :3, 3], axis=1) < NEAR
        if len(chosen) and near.any():
            close = others[near]
            turn = rotation_between(np.repeat(pose, len(close), axis=0), close)
            if (np.linalg.norm(turn, axis=1) < ALIKE).any():
                rest.append(n)
                continue
        chosen.append(n)
        if len(chosen) == count:
            break
    return np.array((chosen + rest)[:count], dtype=int)


def ranked(sets: Sequence[GraspSet]) -> GraspSet:
    """The grasps of several sets as one, best first."""
    grasps = concatenated(sets)
    return grasps[np.argsort(-grasps.score, kind="stable")]


def the_best(sets: Sequence[GraspSet], count: int) -> GraspSet:
    """`count` of several sets, best first: the best of each kind, then good ones that differ.

    Each next one has the highest score less exp(-distance) from the palms chosen before it
    (maximal marginal relevance, Carbonell and Goldstein 1998).
    """
    grasps = ranked(sets)
    chosen = [grasps.kind.index(kind) for kind in dict.fromkeys(grasps.kind)][:count]
    left = [row for row in range(len(grasps)) if row not in chosen]
    palms = grasps.T_frame_palm
    distance = np.min([apart(palms, row) for row in chosen], axis=0) if chosen else np.zeros(0)
    while left and len(chosen) < count:
        row = left.pop(int(np.argmax(grasps.score[left] - np.exp(-distance[left]))))
        distance = np.minimum(distance, apart(palms, row))
        chosen.append(row)
    return grasps[np.sort(np.array(chosen, dtype=int))]
