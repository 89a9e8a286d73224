"""Any number of grasps, in batches of successive seeds, without duplicates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dexgrasp.errors import NoGraspError
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.synthesizer import GraspSynthesizer
from dexgrasp.types import Array, GraspSet

BATCH = 256  # grasps asked for at once
IDLE = 5  # seeds in a row without a new grasp after which no more is expected
CELL = 0.005  # [m] grasps whose palm and fingertips share cells of this size are one


def batches(
    synthesizer: GraspSynthesizer,
    hand: HandModel,
    geometry: GraspGeometry,
    count: int,
    seed: int,
    condition: Condition,
) -> Iterator[GraspSet]:
    """New grasps in the world until there are `count`, best first within each batch.

    Seeds are seed, seed + 1 ... Ends early when IDLE seeds in a row bring nothing new. What is
    remembered of a grasp is one number. Raises NoGraspError when no seed gives any.
    """
    seen: set[int] = set()
    idle = 0
    while len(seen) < count and idle < IDLE:
        try:
            wanted = min(count - len(seen), BATCH)
            grasps = synthesizer.synthesize(hand, geometry, wanted, seed, condition)
        except NoGraspError:
            idle += 1
            if idle == IDLE and not seen:
                raise
        else:
            fresh = unseen(hand, grasps, seen)
            idle = 0 if fresh.any() else idle + 1
            if fresh.any():
                yield grasps[fresh]
        seed += 1


def unseen(hand: HandModel, grasps: GraspSet, seen: set[int]) -> Array:
    """(n,) bool: grasps whose cells are not in `seen`, which takes them up."""
    tips = transform_points(grasps.T_frame_palm, hand.fingertips(grasps.grasp))
    places = np.concatenate([grasps.T_frame_palm[:, None, :3, 3], tips], axis=1)
    cells = np.round(places / CELL).astype(np.int32)
    fresh = np.zeros(len(grasps), dtype=bool)
    for i, cell in enumerate(cells):
        key = hash(cell.tobytes())
        fresh[i] = key not in seen
        seen.add(key)
    return fresh
