"""Procedural search: palms around the object, points within each finger's contact field.

After Lightning Grasp (arXiv 2511.07418): the points that the fingers of a placed palm can
reach, facing the surface, are looked up in precomputed contact fields; tuples of them that
balance are closed by inverse kinematics. A few steps of the shared descent then settle what
the fields do not know: the rest of the hand, the table, the neighbouring fingers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from dexgrasp.errors import NoGraspError
from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates, joined
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.filters import (
    MAX_FACING,
    SELF_MARGIN,
    Prepared,
    clear_approach,
    static_checks,
    tip_gaps,
)
from dexgrasp.synthesis.generators.contact_fields import ContactFields, contact_fields
from dexgrasp.synthesis.generators.effort import lighter
from dexgrasp.synthesis.generators.inverse_kinematics import reach
from dexgrasp.synthesis.generators.matching import match, residuals_of
from dexgrasp.synthesis.generators.optimize import descend
from dexgrasp.synthesis.generators.search_places import place_palms, taken, touchable
from dexgrasp.synthesis.generators.search_settings import SearchConfig
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.sampling import Starts
from dexgrasp.synthesis.skin import sphere_skin
from dexgrasp.synthesis.squeeze import open_step
from dexgrasp.synthesis.wishes import kept_wishes
from dexgrasp.types import Array

STEEP = np.array([0.5, 0.85])  # cosine to the vertical of an oblique approach, and of a steep one


def propose(
    hand: HandModel,
    geometry: GraspGeometry,
    config: SynthesisConfig,
    condition: Condition,
    rng: np.random.Generator,
    effort: float = 1.0,
) -> Candidates:
    """Well balanced reachable contacts of many palms, the best `kept` of them settled.

    Raises NoGraspError when the fingers find nothing to touch.
    """
    settings = lighter(shipped(), effort, "palms", "matches", "kept")
    return search(hand, geometry, config, condition, rng, settings)


@lru_cache(maxsize=1)
def shipped() -> SearchConfig:
    """The shipped figures, read once."""
    return SearchConfig.load()


def search(
    hand: HandModel,
    geometry: GraspGeometry,
    config: SynthesisConfig,
    condition: Condition,
    rng: np.random.Generator,
    settings: SearchConfig,
) -> Candidates:
    """`propose` with settings of its own."""
    fields = contact_fields(hand, settings.configurations, settings.box, settings.splits)
    points, normals = touchable(hand, geometry, condition, settings, rng)
    starts = place_palms(hand, geometry, condition, points, normals, settings, rng)
    chosen, entries, balance = choose(geometry, fields, starts, points, normals, settings, rng)
    band = bands(hand, starts.palms)
    rows = best_of_each(starts.kinds, band, balance, settings.matches, settings.max_residual)
    if not len(rows):
        raise NoGraspError(
            f"no points of {geometry.model.name} that {hand.name} reaches balance each other, "
            f"of {len(starts.joints)} free palms; allow more grasp types, region or approaches"
        )
    starts, chosen = taken(starts, rows), chosen[rows]
    gaps = close(hand, fields, starts, entries[rows], points[chosen], normals[chosen], settings)
    near = np.flatnonzero(gaps < settings.max_gap)
    if not len(near):
        raise NoGraspError(
            f"inverse kinematics of {hand.name} meets none of {len(rows)} sets of contacts "
            f"within {settings.max_gap} m"
        )
    hopeful = settled(hand, geometry, taken(starts, near), config, condition, settings)
    if not len(hopeful):
        raise NoGraspError(
            f"none of {len(near)} hands of {hand.name} balances {geometry.model.name}, keeps its "
            "fingers apart, can be reached and is as asked"
        )
    band = bands(hand, hopeful.palms)
    rows = best_of_each(hopeful.kinds, band, hopeful.energy, settings.kept, np.inf)
    return hopeful.take(rows)


def settled(
    hand: HandModel,
    geometry: GraspGeometry,
    starts: Starts,
    config: SynthesisConfig,
    condition: Condition,
    settings: SearchConfig,
) -> Candidates:
    """Balanced candidates that are worth refining: the starts as they are, or else descended.

    The descent moves contacts off the places that balance, more so on thin objects.
    """
    found: list[Candidates] = []
    left = np.arange(len(starts.joints))
    for steps in (0, settings.settle_steps):
        moved = descend(
            hand,
            geometry,
            taken(starts, left),
            config,
            sphere_skin(hand),
            steps,
            settings.settle_rates,
        )
        wrenches = pushes(geometry, moved.tips, moved.surfaces, settings.arm)
        moved = replace(moved, energy=residuals_of(wrenches, moved.tips, moved.used))
        rows = np.flatnonzero(moved.energy < settings.max_residual)
        if not steps:
            checks = static_checks(hand, geometry, moved.take(rows), config)
            rows = rows[np.logical_and.reduce(list(checks.values()))]
        rows = rows[promising(hand, geometry, moved.take(rows), config, condition)]
        found.append(moved.take(rows))
        left = np.delete(left, rows)
    return joined(found)


def promising(
    hand: HandModel,
    geometry: GraspGeometry,
    candidates: Candidates,
    config: SynthesisConfig,
    condition: Condition,
) -> Array:
    """Rows worth refining, as seen by the cheap ones of the filters that come after that."""
    facing = (candidates.facings * candidates.surfaces).sum(axis=2)
    good = tip_gaps(geometry, candidates).max(axis=1) < config.max_gap
    good &= np.where(candidates.used, facing, -1.0).max(axis=1) < MAX_FACING
    for kept in kept_wishes(hand, geometry, candidates, condition).values():
        good &= kept
    rows = np.flatnonzero(good)
    rows = rows[hand.self_gap(candidates.joints[rows]) > -config.max_overlap]
    opened = open_hand(hand, candidates.take(rows), config.opening)
    clear = hand.self_gap(opened) > -SELF_MARGIN
    rows, opened = rows[clear], opened[clear]
    nothing = np.zeros(len(rows))
    prepared = Prepared(candidates.take(rows), opened, opened, opened, nothing, nothing, nothing)
    return rows[clear_approach(hand, geometry, prepared, config)]


def open_hand(hand: HandModel, candidates: Candidates, opening: float) -> Array:
    """(n, J) joints [rad] with the touching fingers `opening` [m] off, as the pregrasp has them."""
    jacobians = hand.contact_jacobians(candidates.joints, candidates.palm_points)
    outward = opening * candidates.surfaces @ candidates.palms[:, :3, :3]
    steps = [
        open_step(jacobians[i, used], outward[i, used]) for i, used in enumerate(candidates.used)
    ]
    return hand.clip(candidates.joints + np.reshape(steps, candidates.joints.shape))


def choose(
    geometry: GraspGeometry,
    fields: ContactFields,
    starts: Starts,
    points: Array,
    normals: Array,
    settings: SearchConfig,
    rng: np.random.Generator,
) -> tuple[Array, Array, Array]:
    """The best point (n, F) and field entry (n, F) of each finger, and the residuals (n,)."""
    n, fingers = starts.used.shape
    chosen = np.zeros((n, fingers), dtype=np.int64)
    entries, residuals = np.zeros_like(chosen), np.zeros(n)
    match(
        fields.kernel,
        fields.kernel_tips,
        starts.palms,
        points,
        normals,
        geometry.table - rng.uniform(0.0, settings.table_overlap, n),
        pushes(geometry, points, normals, settings.arm),
        starts.used,
        rng.integers(1, 2**63, n, dtype=np.uint64),
        settings.tries,
        settings.options,
        settings.apart,
        chosen,
        entries,
        residuals,
    )
    return chosen, entries, residuals


def pushes(geometry: GraspGeometry, points: Array, normals: Array, arm: float) -> Array:
    """(..., 6) wrenches of unit pushes into the surface, moments over the lever `arm` [m]."""
    moments = np.cross(points - np.asarray(geometry.model.com), -normals)
    return np.concatenate([-normals, moments / arm], axis=-1)


def close(
    hand: HandModel,
    fields: ContactFields,
    starts: Starts,
    entries: Array,
    points: Array,
    normals: Array,
    settings: SearchConfig,
) -> Array:
    """Move the starts onto their points (n, F, 3) in place; returns the largest gaps (n,) [m]."""
    contacts = hand.kernel_contacts
    sample, contact = np.divmod(entries, len(contacts[2]))
    for f in range(len(hand.finger_names)):
        rows, own = np.flatnonzero(starts.used[:, f]), hand.finger_joint_mask[f]
        starts.joints[np.ix_(rows, own)] = fields.samples[np.ix_(sample[rows, f], own)]
    gaps = np.zeros(starts.used.shape)
    reach(
        hand.kernel_kinematics,
        contacts,
        contact,
        starts.used,
        points,
        normals,
        hand.joint_lower,
        hand.joint_upper,
        settings.iterations,
        settings.damping,
        settings.facing_weight,
        starts.palms,
        starts.joints,
        gaps,
    )
    return gaps.max(axis=1)


def bands(hand: HandModel, palms: Array) -> Array:
    """(n,) 0, 1, 2: palms (n, 4, 4) that come from a side, obliquely, steeply from above."""
    down = -(palms[:, :3, :3] @ hand.T_palm_grasp[:3, 2])[:, 2]
    return np.digitize(down, STEEP)


def best_of_each(
    kinds: Sequence[str] | Array, band: Array, cost: Array, count: int, limit: float
) -> Array:
    """Rows of about `count` least costs below `limit`, as many of each kind where there are.

    Of a kind as many of each of its bands (n,) where there are: a table leaves more hands from
    above than from a side, and better balanced ones.
    """
    kind = np.asarray(kinds, dtype=object)
    rows = np.argsort(cost, kind="stable")
    rows = rows[cost[rows] < limit]
    share = -(-count // max(len(set(kinds)), 1))
    return np.sort(
        np.concatenate(
            [_evenly(rows[kind[rows] == name], band, share) for name in sorted(set(kinds))]
            or [rows]
        )
    )


def _evenly(rows: Array, band: Array, count: int) -> Array:
    """The first `count` of `rows`, the first of each band before those that are further back."""
    place = np.zeros(len(rows), dtype=int)
    for value in np.unique(band[rows]):
        own = band[rows] == value
        place[own] = np.arange(own.sum())
    return rows[np.argsort(place, kind="stable")[:count]]
