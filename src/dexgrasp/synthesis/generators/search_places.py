"""Where the search may touch an object, and palms whose fingers close around such places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import trimesh

from dexgrasp.errors import NoGraspError
from dexgrasp.hands import HandModel
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.generators.matching import clear_palms
from dexgrasp.synthesis.generators.placement import (
    grasp_types,
    spots_at,
    starts_around,
    wanted_rim,
)
from dexgrasp.synthesis.generators.search_settings import SearchConfig
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.sampling import Starts, unit
from dexgrasp.synthesis.walls import Spots
from dexgrasp.types import Array

BACKS = np.array([0.0, 0.03, 0.1])  # [m], the span of `filters.SWEEP`
LOW_SHARE = 0.4  # of a low object's height, from which on tips beside it are tried
FLAT = 0.017  # [m] of an object whose sides are hardly reached above the table:
FLAT_SHARE = 0.6  # the same there, where only the highest tips stay above the table,
SIDE = 0.8  # the largest vertical component of such a side's normal,
DOWNWARD = 0.4  # and the half angle of the cone in which hands come for it [rad]
TIP_SHARE = 0.7  # of a fingertip's radius that must be free: tips reach in beside their middle


def touchable(
    hand: HandModel,
    geometry: GraspGeometry,
    condition: Condition,
    settings: SearchConfig,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """(P, 3) surface points [m] and outward normals with room for a fingertip, where wanted.

    Raises NoGraspError when there are none.
    """
    types = grasp_types(hand, geometry, condition)
    rim = wanted_rim(geometry, condition) if all(k.place == "rim" for k in types) else None
    seed = int(rng.integers(2**31))
    low, high = geometry.bounds
    wanted, free = settings.points, TIP_SHARE * settings.tip_room
    for more in (4, 64):  # a region may be a small share of the surface
        points = trimesh.sample.sample_surface(geometry.model.mesh, more * wanted, seed=seed)[0]
        points = np.asarray(points)
        normals = unit(geometry.model.sdf.query(points)[1])
        if condition.somewhere:
            inside = condition.wanted(points, normals)
            points, normals = points[inside], normals[inside]
        if rim is not None:
            points, normals = (values[rim.near(points)] for values in (points, normals))
        balls = points + settings.tip_room * normals
        gap, _ = geometry.model.sdf.query(balls)
        fits = gap > free
        share = FLAT_SHARE if lies_flat(geometry) else LOW_SHARE
        fits &= balls[:, 2] - geometry.table > min(free, share * (high - low)[2])
        open_ = np.flatnonzero(fits)[:wanted]
        if len(open_) >= wanted // 4:
            break
    if not len(open_):
        raise NoGraspError(
            f"no surface of {geometry.model.name} away from the table"
            + (" lies in the region" if condition.somewhere else " has room for a fingertip")
        )
    return points[open_], normals[open_]


def place_palms(
    hand: HandModel,
    geometry: GraspGeometry,
    condition: Condition,
    points: Array,
    normals: Array,
    settings: SearchConfig,
    rng: np.random.Generator,
) -> Starts:
    """Palms whose fingers close around the touchable points, free there and on the way in.

    points, normals: (P, 3), of `touchable`. Raises UnknownNameError, NoGraspError.
    """
    types = grasp_types(hand, geometry, condition)
    if condition.any_fingers:
        types = [k for k in types if len(k.fingers) >= settings.fingers] or types
    spots = spots_at(geometry, condition, points, normals) if condition.somewhere else None
    if spots is None and lies_flat(geometry):
        spots = narrow_sides(geometry, condition, points, normals)
        condition = downward(condition)
    box = points.min(axis=0), points.max(axis=0)
    count = settings.palms
    starts = starts_around(hand, geometry, condition, types, spots, box, count, rng)
    free = np.zeros(len(starts.joints), dtype=bool)
    centers, radii, links = hand.kernel_spheres
    sdf = geometry.model.sdf
    clear_palms(
        starts.palms,
        centers[links == 0],
        radii[links == 0],
        (sdf.grid, sdf.origin, sdf.spacing),
        geometry.table,
        hand.T_palm_grasp[:3, 2].copy(),
        BACKS,
        settings.overlap,
        free,
    )
    return taken(starts, np.flatnonzero(free))


def lies_flat(geometry: GraspGeometry) -> bool:
    """Whether the object is too low for fingertips to reach its sides freely."""
    return bool(geometry.bounds[1][2] - geometry.table < FLAT)


def narrow_sides(
    geometry: GraspGeometry, condition: Condition, points: Array, normals: Array
) -> Spots | None:
    """Places between two sides of what lies flat, where fingertips close along the table.

    points, normals: (P, 3), of `touchable`. None where it is too wide everywhere.
    """
    side = np.abs(normals[:, 2]) < SIDE
    spots = spots_at(geometry, condition, points[side], normals[side])
    spots = spots.take(np.isfinite(spots.across[:, 0]))
    return spots if len(spots) else None


def downward(condition: Condition) -> Condition:
    """The same with an approach straight from above, where none is asked for."""
    if condition.approach is not None:
        return condition
    return replace(condition, approach=np.array([0.0, 0.0, -1.0]), cone=DOWNWARD)


def taken(starts: Starts, rows: Array) -> Starts:
    """The starts at `rows` (indices), copied."""
    return Starts(
        starts.palms[rows],
        starts.joints[rows],
        starts.references[rows],
        starts.used[rows],
        [starts.kinds[row] for row in rows],
    )
