"""Which grasp comes next after an attempt that failed, for the node and for the evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from dexgrasp.errors import NoGraspError, SceneError
from dexgrasp.execution.phases import Fault
from dexgrasp.types import Array, DetectedObject, GraspSet

FAR = 0.03  # [m] between two palms about the object that make two grasps
TURNED = np.deg2rad(30.0)  # between two approaches that make two grasps
# A shift of the cloud by more is a motion of the object; depth noise and sampling stay below.
MOVED = 0.008  # [m]
# The rest of a set is worth a try down to this share of its best score; below, a new look at
# the object with another seed finds better ones.
WORTH = 0.5
SEED_STEP = 1000  # between the seeds of two attempts
LIFTED = 0.10  # [m] above the table, from where on an object no longer stands there
NOT_LIFTED = "the object still stands on the table after the lift"
# Faults that another grasp may mend; the others blame the stack, or are a client's wish.
MENDABLE = frozenset(
    {
        Fault.COVER_TIMEOUT,
        Fault.COVER_BLOCKED,
        Fault.PREGRASP_CLOSURE_TIMEOUT,
        Fault.FULL_GRASP_TIMEOUT,
        Fault.NOTHING_GRASPED,
        Fault.OBJECT_LOST,
        Fault.LIFT_TIMEOUT,
    }
)


@dataclass(frozen=True)
class Tried:
    """A grasp that was tried: a set of one, in the world. center: (3,) of its object then [m]."""

    grasp: GraspSet
    center: Array


def mendable(error_code: int) -> bool:
    """Whether another grasp, or another seed, may do better after this error; see MENDABLE."""
    return error_code in MENDABLE or error_code == NoGraspError.code


def attempt_seed(seed: int, tries: int) -> int:
    """The seed of synthesis after so many attempts; 32 bits, as messages hold."""
    return (seed + SEED_STEP * tries) % 2**32


def differing(grasps: GraspSet, center: Array, tried: Sequence[Tried]) -> Array:
    """(n,) bool: grasps that differ enough from every tried one.

    center: (3,) of the object now [m]. Two grasps differ when their palms are more than FAR
    apart with the objects' centers laid upon one another, when their approaches enclose more
    than TURNED, or when they are of different kinds.
    """
    new = np.ones(len(grasps), dtype=bool)
    for old in tried:
        placed = old.grasp.T_frame_palm[0, :3, 3] + (np.asarray(center) - old.center)
        apart = np.linalg.norm(grasps.T_frame_palm[:, :3, 3] - placed, axis=1)
        turn = np.arccos(np.clip(grasps.approach @ old.grasp.approach[0], -1.0, 1.0))
        other = np.array([kind != old.grasp.kind[0] for kind in grasps.kind], dtype=bool)
        new &= (apart > FAR) | (turn > TURNED) | other
    return new


def next_grasp(
    grasps: GraspSet, center: Array, tried: Sequence[Tried], least_score: float = 0.0
) -> GraspSet:
    """The best-ranked grasp that differs enough from the tried ones, as a set of one.

    least_score: below which none is taken. Raises NoGraspError.
    """
    good = differing(grasps, center, tried) & (grasps.score >= least_score)
    if not good.any():
        raise NoGraspError(
            f"none of {len(grasps)} grasps with a score of {least_score:.2f} or more differs from "
            f"the {len(tried)} tried by {100 * FAR:.0f} cm, {np.rad2deg(TURNED):.0f} degrees or "
            "its kind"
        )
    return grasps[int(np.flatnonzero(good)[0])]


def stayed(before: DetectedObject, now: DetectedObject) -> bool:
    """Whether an object is where it was, by its visible clouds from one view point.

    Both ways, so that neither a part that was hidden nor one that is hidden now decides alone.
    """
    ways = ((before.cloud, now.cloud), (now.cloud, before.cloud))
    return all(np.quantile(KDTree(a).query(b)[0], 0.9) < MOVED for a, b in ways)


def standing(objects: Sequence[DetectedObject]) -> int:
    """How many of the perceived objects stand on the table; what a hand has lifted does not."""
    return sum(float(o.cloud[:, 2].min()) < o.table_height + LIFTED for o in objects)


def seen_again(
    center: Array, count: int, objects: Sequence[DetectedObject], tries: int
) -> DetectedObject:
    """The wanted object in a new view: the one nearest to where it was.

    center: (3,) of it then [m].  count: of the objects seen then.  tries: attempts so far.
    Raises SceneError when fewer are seen now: the missing one may be the wanted one.
    """
    if len(objects) < count:
        raise gone(tries, f"{len(objects)} of {count} objects are seen")
    away = [float(np.linalg.norm(o.T_world_object[:3, 3] - center)) for o in objects]
    return objects[int(np.argmin(away))]


def gone(tries: int, words: str) -> SceneError:
    """The error of a new view without the wanted object, after so many attempts."""
    return SceneError(
        f"the object is no longer seen on the table after {tries} attempts: it fell off, rolled "
        f"out of the workspace or lies behind another ({words})"
    )


class GraspChoice:
    """The grasps of one pick: the last view of the object with its set, and what was tried."""

    def __init__(self) -> None:
        self.tried: list[Tried] = []
        self._known: tuple[DetectedObject, GraspSet] | None = None

    def offers(self, detected: DetectedObject, grasps: GraspSet, score: float) -> bool:
        """Whether a new set holds a grasp of that score that differs from the tried ones."""
        center = detected.T_world_object[:3, 3]
        return bool((differing(grasps, center, self.tried) & (grasps.score >= score)).any())

    def of_known(self, detected: DetectedObject) -> GraspSet | None:
        """The next grasp of the last set, a set of one; None when a new set is needed.

        One is needed when the object has moved, or nothing that is good enough differs enough.
        """
        if self._known is None or not stayed(self._known[0], detected):
            return None
        grasps = self._known[1]
        try:
            return self._take(detected, grasps, WORTH * float(grasps.score.max()))
        except NoGraspError:
            return None

    def of_new(self, detected: DetectedObject, grasps: GraspSet) -> GraspSet:
        """The best of a new set, best first, that differs enough. Raises NoGraspError."""
        self._known = detected, grasps
        return self._take(detected, grasps, 0.0)

    def _take(self, detected: DetectedObject, grasps: GraspSet, least_score: float) -> GraspSet:
        center = detected.T_world_object[:3, 3]
        grasp = next_grasp(grasps, center, self.tried, least_score)
        self.tried.append(Tried(grasp, center))
        return grasp
