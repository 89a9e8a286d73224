"""The labelled surface of an object, and where the hand touches it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import trimesh

from dexgrasp.evaluation.intention.config import ContactConfig
from dexgrasp.evaluation.solids import Solids, distances
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel, SurfaceLabels
from dexgrasp.types import Array

DRAWN = 10  # points drawn for each that is kept, so that small parts have theirs


@dataclass(frozen=True, eq=False)
class LabelledSurface:
    """Points that stand for an object's surface.

    points: (n, 3) [m].  normals: (n, 3) unit, into the object.  area: (n,) [m2] that each
    stands for.  label: (n,) index into `names`, -1 for no part.  names: parts that show.
    """

    points: Array
    normals: Array
    area: Array
    label: Array
    names: tuple[str, ...]

    def mask(self, parts: tuple[str, ...]) -> Array:
        """(n,) bool: which points are on any of these parts."""
        return np.isin(self.label, [self.names.index(p) for p in parts if p in self.names])


@lru_cache(maxsize=64)
def labelled_surface(
    model: ObjectModel, labels: SurfaceLabels | None, count: int, least: int
) -> LabelledSurface:
    """About `count` points spread evenly, and more on parts that would have fewer than `least`."""
    sample = trimesh.sample.sample_surface(model.mesh, DRAWN * count, seed=0)
    points, normals = np.asarray(sample[0]), -np.asarray(model.mesh.face_normals)[sample[1]]
    label = labels.label_points(points) if labels is not None else np.full(len(points), -1)
    rows, area = [], []
    for part in np.unique(label):
        own = np.flatnonzero(label == part)  # drawn in random order: the first are even as well
        kept = own[: max(round(len(own) / DRAWN), least)]
        rows.append(kept)
        area.append(np.full(len(kept), model.mesh.area * len(own) / (len(points) * len(kept))))
    row, names = np.concatenate(rows), labels.names if labels is not None else ()
    showing = [k for k in range(len(names)) if (label == k).any()]
    renumbered = np.full(len(names) + 1, -1)
    renumbered[showing] = np.arange(len(showing))
    return LabelledSurface(
        points[row],
        normals[row],
        np.concatenate(area),
        renumbered[label[row]],
        tuple(names[k] for k in showing),
    )


@dataclass(frozen=True, eq=False)
class Touch:
    """Distances [m] of surface points to the hand, exact within `reach` [m] and inf beyond.

    finger: (F, n) to each finger.  palm: (n,) to what belongs to no finger.
    """

    finger: Array
    palm: Array

    @property
    def nearest(self) -> Array:
        """(n,) to the whole hand."""
        return np.minimum(self.finger.min(axis=0), self.palm)


def touch(hand: HandModel, T_object_link: Array, points: Array, reach: float) -> Touch:
    """How close each finger and the palm come; links at T_object_link (L, 4, 4)."""
    rows = []
    for shapes in _limbs(hand):
        distance = np.full(len(points), np.inf)
        if shapes:
            distance = distances(Solids.posed(shapes, T_object_link[None]), points, reach)[0]
        rows.append(np.where(distance <= reach, distance, np.inf))
    return Touch(np.array(rows[:-1]), rows[-1])


@lru_cache(maxsize=8)
def _limbs(hand: HandModel) -> list[list]:
    """Primitives of each finger, then of the palm."""
    finger = np.full(len(hand.links), len(hand.distal_links))
    for index, link in enumerate(hand.distal_links):
        while link > 0:
            finger[link] = index
            link = hand.links[link].parent
    return [
        [p for p in hand.primitives if finger[p.link] == index]
        for index in range(len(hand.distal_links) + 1)
    ]


def contact_map(distance: Array, config: ContactConfig) -> Array:
    """(n,) in [0, 1] from distances (n,) [m]: 1 up to `full`, 0 from `none`, linear between."""
    return np.clip((config.none - distance) / (config.none - config.full), 0.0, 1.0)


def ramp(value: float, pair: tuple[float, float]) -> float:
    """0 at the first figure and 1 at the second, linear between, whichever is the larger."""
    return float(np.clip((value - pair[0]) / (pair[1] - pair[0]), 0.0, 1.0))
