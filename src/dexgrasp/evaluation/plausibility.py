"""The mesh-plausibility modality: does the hand touch the object, and not enter it?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import trimesh

from dexgrasp.evaluation import metrics
from dexgrasp.evaluation.solids import Solids, cells_inside, distances
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel, exact_signed_distance
from dexgrasp.types import Array

CONTACT_THRESHOLD = 0.005  # [m], DexGraspBench's rule for fingertips
MAX_VOLUME = 1e-5  # [m3], the survey, section 6
MIN_CONTACTS = 3  # distinct fingertips, the survey, section 6
HAND_POINTS = 6000
SURFACE_DENSITY = 5e5  # points per m2 of object surface: one per 2 mm2
MAX_SURFACE_POINTS = 20_000
GRID_ERROR = 0.003  # [m] that the distance grid may be off where the mesh decides


@dataclass(frozen=True)
class Plausibility:
    """Figures of one posed hand against the true mesh.

    penetration_volume [m3], penetration_depth [m], contact_count: distinct fingertips,
    contact_area [m2], passed: little penetration and at least three fingertips.
    """

    penetration_volume: float
    penetration_depth: float
    contact_count: int
    contact_area: float
    passed: bool


def plausibility(
    hand: HandModel,
    q: Array,
    T_object_palm: Array,
    model: ObjectModel,
    contact_threshold: float = CONTACT_THRESHOLD,
) -> Plausibility:
    """Judge joints q (J,) [rad] with the palm at T_object_palm (4, 4) in the object's frame.

    Raises GraspError for a joint vector of the wrong length or with NaN.
    """
    T_object_link = T_object_palm @ hand.forward(np.asarray(q)[None])[0]
    solids = Solids.posed(hand.primitives, T_object_link)
    voxels = model.voxels
    cells = cells_inside(solids, voxels)
    depth, gaps = _from_hand(hand, T_object_link, model, contact_threshold)
    near = distances(solids, _surface(model), contact_threshold)
    volume = metrics.penetration_volume(cells, voxels.edge)
    count = metrics.contact_count(gaps, contact_threshold)
    return Plausibility(
        penetration_volume=volume,
        penetration_depth=depth,
        contact_count=count,
        contact_area=metrics.contact_area(near, float(model.mesh.area), contact_threshold),
        passed=volume < MAX_VOLUME and count >= MIN_CONTACTS,
    )


def _from_hand(
    hand: HandModel, T_object_link: Array, model: ObjectModel, threshold: float
) -> tuple[float, Array]:
    """Penetration depth [m] and the gap of each fingertip (F,) [m] from points on the hand.

    The grid tells which points cannot matter; the mesh itself decides on the others.
    """
    points, links = _hand_points(hand)
    points = transform_points(T_object_link[links], points[:, None])[:, 0]
    distance = model.sdf.query(points)[0]
    decisive = np.abs(distance - threshold) < GRID_ERROR
    decisive |= (distance < GRID_ERROR) & (distance < distance.min() + 2.0 * GRID_ERROR)
    if decisive.any():
        distance[decisive] = exact_signed_distance(model.mesh, points[decisive])
    gaps = np.array([distance[links == link].min() for link in hand.distal_links])
    return metrics.penetration_depth(distance), gaps


@lru_cache(maxsize=8)
def _hand_points(hand: HandModel) -> tuple[Array, Array]:
    points, _, links = hand.surface_points(HAND_POINTS)
    return points, links


@lru_cache(maxsize=32)
def _surface(model: ObjectModel) -> Array:
    """Points spread evenly over the object's surface."""
    count = int(np.clip(model.mesh.area * SURFACE_DENSITY, 1000, MAX_SURFACE_POINTS))
    return np.asarray(trimesh.sample.sample_surface(model.mesh, count, seed=0)[0])
