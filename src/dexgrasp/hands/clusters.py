"""Points in small groups, so that a whole group can be passed over at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexgrasp.types import Array

EDGE = 0.010  # [m] of the cubes that points are grouped by: about 20 points of an object each


@dataclass(frozen=True)
class Clusters:
    """k points in C groups; points start[c] to start[c + 1] are in ball c.

    points: (k, 3) [m], ordered by group.  label: (k,) what the caller labelled them with.
    start: (C + 1,).  center: (C, 3) [m].  radius: (C,) [m].
    """

    points: Array
    label: Array
    start: Array
    center: Array
    radius: Array

    @classmethod
    def of(cls, points: Array, label: Array | None = None, edge: float = EDGE) -> Clusters:
        """Group points (k, 3) by cubes of `edge` [m] and by label (k,), which a group shares."""
        label = np.zeros(len(points), dtype=np.int64) if label is None else label
        cell = np.floor(points / edge).astype(np.int64)
        key = np.column_stack([label, cell])
        order = np.lexsort(key.T[::-1])
        points, key = np.ascontiguousarray(points[order]), key[order]
        first = np.flatnonzero(np.r_[True, (key[1:] != key[:-1]).any(axis=1)])
        start = np.r_[first, len(points)]
        size = np.diff(start)
        center = np.add.reduceat(points, first) / size[:, None]
        away = np.linalg.norm(points - np.repeat(center, size, axis=0), axis=1)
        return cls(points, label[order], start, center, np.maximum.reduceat(away, first))
