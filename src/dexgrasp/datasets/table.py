"""Grasps of one hand as a table, and the check that every row of every file passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np

from dexgrasp.errors import GraspError
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

ROTATION_TOLERANCE = 1e-3  # largest entry of R Rt - 1, and distance of a quaternion from unit
# Isaac's Allegro reaches up to 0.23 rad beyond the vendor's limits (allegro_facts.json); what
# lies farther out is an angle in degrees or another joint order.
CLIP_LIMIT = 0.3  # [rad]
CLIP_NOTICE = 1e-3  # a joint moved by more than this counts as clipped [rad]


@dataclass(frozen=True)
class RejectedRow:
    """A row of a source that is not used: its index there, and why, naming the file."""

    row: int
    words: str


@dataclass(frozen=True)
class RawRows:
    """n grasps as a reader found them, before any check.

    objects: n mesh names.  T_object_palm: (n, 4, 4).  grasp, pregrasp, squeeze: (n, J) [rad],
    or n vectors of any length, or None where the source has none.  scale, score: (n,) or None.
    row: (n,) index in the source, 0 ... n - 1 if None.  faults: position -> why the reader
    itself refuses that row.
    """

    objects: Sequence[str]
    T_object_palm: Array
    grasp: Array | Sequence[Array]
    pregrasp: Array | Sequence[Array] | None = None
    squeeze: Array | Sequence[Array] | None = None
    scale: Array | None = None
    score: Array | None = None
    row: Array | None = None
    faults: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GraspTable:
    """n grasps of one hand on any objects.

    hand: its name.  objects: n mesh names or paths as the source writes them.
    scale: (n,) factor on the mesh.  T_object_palm: (n, 4, 4) palm frame (docs/conventions.md)
    in the object's mesh frame after scaling [m].
    pregrasp, grasp, squeeze: (n, J) [rad], canonical order, within the limits; pregrasp and
    squeeze rows are NaN where the source gives none.  score: (n,), NaN where none.
    row: (n,) index in the source; over a folder it counts through its files in order of name.
    source: path and format.  rejected: rows that are not here.
    clipped: (n,) bool, rows in which a grasp's joint was moved to its limit.
    """

    hand: str
    objects: tuple[str, ...]
    scale: Array
    T_object_palm: Array
    pregrasp: Array
    grasp: Array
    squeeze: Array
    score: Array
    row: Array
    source: str
    rejected: tuple[RejectedRow, ...]
    clipped: Array

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, index: object) -> GraspTable:
        """The rows at `index` (an int, a slice, a mask or indices), still as a table."""
        rows = np.atleast_1d(np.arange(len(self))[index])  # type: ignore[index]
        arrays = {
            f.name: getattr(self, f.name)[rows]
            for f in fields(self)
            if isinstance(getattr(self, f.name), np.ndarray)
        }
        return replace(self, objects=tuple(self.objects[i] for i in rows), **arrays)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Rows read, objects, rows clipped and rows rejected."""
        return {
            "read": len(self),
            "objects": len(set(self.objects)),
            "clipped": int(self.clipped.sum()),
            "rejected": len(self.rejected),
        }


def checked_table(rows: RawRows, hand: HandModel, file: str, source: str) -> GraspTable:
    """The usable rows of `file`; those that are not become `rejected`.

    A grasp beyond a joint limit by no more than CLIP_LIMIT is clipped and counted; farther out
    it is rejected. Pre-grasps and squeezes are clipped without a count: a squeeze is a target
    of position servos and lies beyond the limits by design (BODex: 2 grasp - pre-grasp).
    Raises GraspError where no row can be used.
    """
    count = len(rows.objects)
    index = np.arange(count) if rows.row is None else np.asarray(rows.row)
    scale = np.ones(count) if rows.scale is None else np.asarray(rows.scale, float)
    score = np.full(count, np.nan) if rows.score is None else np.asarray(rows.score, float)
    poses = np.array(rows.T_object_palm, float).reshape(count, 4, 4)
    faults = dict(rows.faults)
    joints = {
        name: _joint_matrix(getattr(rows, name), name, count, hand, faults)
        for name in ("pregrasp", "grasp", "squeeze")
    }
    for position, words in _faults(poses, joints["grasp"], scale, hand):
        faults.setdefault(position, words)
    good = np.array([i for i in range(count) if i not in faults], dtype=int)
    rejected = tuple(
        RejectedRow(int(index[i]), f"{file} row {index[i]}: {faults[i]}") for i in sorted(faults)
    )
    if not len(good):
        why = f"; the first: {rejected[0].words}" if rejected else ""
        raise GraspError(f"{file} holds no usable grasp of {hand.name} ({count} rows){why}")
    moved = np.abs(hand.clip(joints["grasp"][good]) - joints["grasp"][good]).max(axis=1)
    return GraspTable(
        hand=hand.name,
        objects=tuple(str(rows.objects[i]) for i in good),
        scale=scale[good],
        T_object_palm=nearest_rigid(poses[good]),
        score=score[good],
        row=index[good],
        source=source,
        rejected=rejected,
        clipped=moved > CLIP_NOTICE,
        **{name: hand.clip(values[good]) for name, values in joints.items()},
    )


def concatenate(
    tables: Sequence[tuple[int, GraspTable]], failed: Sequence[RejectedRow], source: str
) -> GraspTable:
    """One table of several of the same hand, each with the number that its rows start from.

    failed: rejected rows besides those of the tables. Raises GraspError for several hands.
    """
    hands = sorted({table.hand for _, table in tables})
    if len(hands) != 1:
        raise GraspError(f"{source}: tables of {', '.join(hands) or 'no hand'} cannot be joined")
    rejected = [*failed]
    for start, table in tables:
        rejected += [RejectedRow(r.row + start, r.words) for r in table.rejected]
    arrays = {
        f.name: np.concatenate([getattr(table, f.name) for _, table in tables])
        for f in fields(GraspTable)
        if isinstance(getattr(tables[0][1], f.name), np.ndarray)
    }
    arrays["row"] = np.concatenate([table.row + start for start, table in tables])
    return GraspTable(
        hand=hands[0],
        objects=tuple(name for _, table in tables for name in table.objects),
        source=source,
        rejected=tuple(sorted(rejected, key=lambda r: r.row)),
        **arrays,
    )


def nearest_rigid(poses: Array) -> Array:
    """Poses (n, 4, 4) with their rotations made exactly orthogonal (nearest in Frobenius)."""
    result = np.zeros_like(poses)
    u, _, vt = np.linalg.svd(poses[:, :3, :3])
    result[:, :3, :3] = u @ vt
    result[:, :3, 3] = poses[:, :3, 3]
    result[:, 3, 3] = 1.0
    return result


def _joint_matrix(
    values: Array | Sequence[Array] | None,
    name: str,
    count: int,
    hand: HandModel,
    faults: dict[int, str],
) -> Array:
    """(n, J) of joint vectors of any length; NaN, and a fault, where one cannot be used."""
    matrix = np.full((count, hand.joint_count), np.nan)
    if values is None:
        return matrix
    for i, value in enumerate(values):
        vector = np.asarray(value, float).reshape(-1)
        if len(vector) == hand.joint_count:
            matrix[i] = vector
        else:
            words = f"{name} has {len(vector)} joints; {hand.name} has {hand.joint_count}"
            faults.setdefault(i, words)
    finite = np.isfinite(matrix)
    whole = finite.all(axis=1) if name == "grasp" else finite.all(axis=1) | ~finite.any(axis=1)
    for i in np.flatnonzero(~whole):
        faults.setdefault(int(i), f"{name} has joints that are not finite")
    return matrix


def _faults(poses: Array, grasp: Array, scale: Array, hand: HandModel) -> Iterator[tuple[int, str]]:
    """Position and words of every row whose pose, scale or joints cannot be used."""
    turns = poses[:, :3, :3]
    drift = np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2), initial=0.0)
    excess = np.nan_to_num(np.abs(hand.clip(grasp) - grasp))
    for i in np.flatnonzero(~np.isfinite(poses[:, :3, 3]).all(axis=1)):
        yield int(i), "the palm's position is not finite"
    for i in np.flatnonzero(np.isnan(drift)):
        words = f"not finite, or a quaternion that is not unit within {ROTATION_TOLERANCE}"
        yield int(i), f"the palm's rotation is none: {words}"
    for i in np.flatnonzero(
        (drift > ROTATION_TOLERANCE) | (np.linalg.det(np.nan_to_num(turns)) < 0.0)
    ):
        yield int(i), f"the palm's rotation is none: off by {drift[i]:.3g}, mirrored or scaled"
    for i in np.flatnonzero(~(np.isfinite(scale) & (scale > 0.0))):
        yield int(i), f"the mesh's scale is {scale[i]}; it must be positive"
    for i in np.flatnonzero(excess.max(axis=1, initial=0.0) > CLIP_LIMIT):
        joint = int(excess[i].argmax())
        yield (
            int(i),
            f"{hand.joint_names[joint]} is {grasp[i, joint]:.3g} rad, {excess[i, joint]:.3g} "
            f"beyond its limit ({CLIP_LIMIT} are clipped): degrees, or another joint order?",
        )
