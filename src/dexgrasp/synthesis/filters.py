"""Which candidates are grasps: they touch, stay out, balance and can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dexgrasp.errors import NoGraspError
from dexgrasp.evaluation.plausibility import CONTACT_THRESHOLD
from dexgrasp.evaluation.reach import hand_contact
from dexgrasp.hands import HandModel
from dexgrasp.simulation.self_contact import self_overlap
from dexgrasp.synthesis.candidates import Candidates, joined
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.guess import stand_off
from dexgrasp.synthesis.squeeze import GRAVITY, squeeze_and_pregrasp
from dexgrasp.synthesis.wishes import kept_wishes
from dexgrasp.types import Array, GraspSet

SWEEP = np.array([0.0, 0.015, 0.03, 0.05, 0.075, 0.10])
GAP_WEIGHT = 20.0  # of a squared gap [m2] against the residual, in the order of candidates
TILT_WEIGHT = 2.0  # of the weight's torque [Nm]
WEAK_WEIGHT = 1.0  # of the missing share of friction for the weight
MAX_FACING = -0.4  # cosine between the finger's and the object's normal at a contact
TABLE_MARGIN = 0.002  # [m] that covering spheres may reach into the table on the way in
PRESHAPING = np.array([0.25, 0.5, 0.75, 1.0])  # of the way from open to pregrasp
MAX_SELF = 0.0005  # [m] that a hand's links may truly overlap
SELF_MARGIN = 0.001  # [m] that covering spheres of the opened fingers may overlap


@dataclass
class Prepared:
    """Candidates that passed, with the hands (n, J) [rad] of a `GraspSet` and their balance.

    residual, weak: (n,) shares of the squeeze that are not balanced and of the friction for the
    weight that is missing, of `squeeze_and_pregrasp`.
    contacts: (n,) distinct fingertips within 5 mm of the object.
    """

    candidates: Candidates
    grasp: Array
    squeeze: Array
    pregrasp: Array
    residual: Array
    weak: Array
    contacts: Array

    def __len__(self) -> int:
        return len(self.residual)

    def take(self, rows: Array) -> Prepared:
        """Those at `rows`, in that order."""
        values = {k: v[rows] for k, v in vars(self).items() if k != "candidates"}
        return Prepared(self.candidates.take(rows), **values)


def prepare(
    hand: HandModel,
    geometry: GraspGeometry,
    candidates: Candidates,
    config: SynthesisConfig,
    condition: Condition,
    max_penetration: float | None = None,
) -> Prepared:
    """Those candidates that are grasps, best balanced first. Raises NoGraspError with counts.

    max_penetration: of the hand's true surface into the true mesh [m]; None: it is enough that
    the covering spheres stay out, as for shapes that are only guessed.
    """
    keep = static_checks(hand, geometry, candidates, config) | kept_wishes(
        hand, geometry, candidates, condition
    )
    if max_penetration is not None:
        depth, _ = hand_contact(hand, _poses(hand, candidates), geometry.model, 0.0)
        keep["stay out of its mesh"] = depth < max_penetration
    kept = np.logical_and.reduce(list(keep.values()))
    prepared = squeezed(hand, geometry, candidates.take(np.flatnonzero(kept)), config)
    if len(prepared):
        clear = clear_approach(hand, geometry, prepared, config)
        clear &= hand.self_gap(prepared.pregrasp) > -SELF_MARGIN
        balanced = prepared.residual < config.max_residual
        keep |= {"be reached": clear, "balance the object": balanced}
        prepared = prepared.take(np.flatnonzero(clear & balanced))
    if len(prepared) and geometry.guessed:
        margins = config.guess_margin, config.wide_margin
        prepared.grasp, off = stand_off(hand, geometry, prepared.candidates, *margins)
        keep["keep off what is guessed"] = off
        prepared = prepared.take(np.flatnonzero(off))
    if len(prepared):
        keep["keep the fingers off each other"] = apart = apart_on_the_way(hand, prepared)
        prepared = prepared.take(np.flatnonzero(apart))
    if not len(prepared):
        shares = ", ".join(f"{name}: {int(np.sum(ok))}" for name, ok in keep.items())
        raise NoGraspError(f"none of {len(candidates)} candidates passes; how many {shares}")
    return in_order(geometry, prepared)


def in_order(geometry: GraspGeometry, prepared: Prepared) -> Prepared:
    """The same, the most promising first."""
    gaps = (tip_gaps(geometry, prepared.candidates) ** 2).sum(axis=1)
    cost = prepared.residual + GAP_WEIGHT * gaps
    cost += TILT_WEIGHT * tilting(geometry, prepared.candidates) + WEAK_WEIGHT * prepared.weak
    return prepared.take(np.argsort(cost, kind="stable"))


def tilting(geometry: GraspGeometry, candidates: Candidates) -> Array:
    """(n,) torque of the weight about the middle of the contacts, which must not turn [Nm]."""
    share = candidates.used / candidates.used.sum(axis=1, keepdims=True)
    middle = np.einsum("nf,nfi->ni", share, candidates.tips)
    lever = np.linalg.norm(middle[:, :2] - np.asarray(geometry.model.com)[:2], axis=1)
    return GRAVITY * geometry.model.mass * lever


def static_checks(
    hand: HandModel, geometry: GraspGeometry, candidates: Candidates, config: SynthesisConfig
) -> dict[str, Array]:
    """(n,) bool for each condition that a posed hand must meet, by its covering spheres."""
    facing = (candidates.facings * candidates.surfaces).sum(axis=2)
    centers = hand.sphere_positions(candidates.joints)
    placed = np.einsum("nij,nsj->nsi", candidates.palms[:, :3, :3], centers)
    placed += candidates.palms[:, None, :3, 3]
    first, second = hand.self_collision_pairs.T
    apart = np.linalg.norm(centers[:, first] - centers[:, second], axis=2)
    radii, weights = hand.sphere_radii, config.weights
    overlaps = {
        "object": radii + weights.penetration_margin - geometry.model.sdf.query(placed)[0],
        "table": radii + weights.table_margin - (placed[..., 2] - geometry.table),
        "itself": radii[first] + radii[second] - apart,
    }
    total = {k: np.linalg.norm(np.maximum(v, 0.0), axis=1) for k, v in overlaps.items()}
    return {
        "touch the object": tip_gaps(geometry, candidates).max(axis=1) < config.max_gap,
        "face its surface": np.where(candidates.used, facing, -1.0).max(axis=1) < MAX_FACING,
        "stay out of it": total["object"] < 2.0 * config.max_overlap,
        "stay above the table": total["table"] < config.max_overlap,
        "keep the fingers apart": total["itself"] < config.max_overlap,
    }


def tip_gaps(geometry: GraspGeometry, candidates: Candidates) -> Array:
    """(n, F) distance of each used contact from the surface [m], 0 of the others."""
    gap = np.abs(geometry.model.sdf.query(candidates.tips)[0])
    return np.where(candidates.used, gap, 0.0)


def squeezed(
    hand: HandModel, geometry: GraspGeometry, candidates: Candidates, config: SynthesisConfig
) -> Prepared:
    """Every candidate with its hands and how badly its forces balance."""
    n = len(candidates)
    grasp = candidates.joints.copy()
    squeeze, pregrasp = np.zeros_like(grasp), np.zeros_like(grasp)
    residual, weak = np.zeros(n), np.zeros(n)
    if not n:
        nothing = np.zeros(0, dtype=int)
        return Prepared(candidates, grasp, squeeze, pregrasp, residual, weak, nothing)
    jacobians = hand.contact_jacobians(candidates.joints, candidates.palm_points)
    for i in range(n):
        used = candidates.used[i]
        contacts = (candidates.tips[i, used], -candidates.surfaces[i, used], jacobians[i, used])
        joints, palm = candidates.joints[i], candidates.palms[i]
        squeeze[i], pregrasp[i], residual[i], weak[i] = squeeze_and_pregrasp(
            hand, geometry.model, config, joints, palm, contacts
        )
    _, touching = hand_contact(hand, _poses(hand, candidates), geometry.model, CONTACT_THRESHOLD)
    contacts = touching.sum(axis=1)
    return Prepared(candidates, grasp, squeeze, pregrasp, residual, weak, contacts)


def _poses(hand: HandModel, candidates: Candidates) -> Array:
    """T_object_link (n, L, 4, 4)."""
    return candidates.palms[:, None] @ hand.forward(candidates.joints)


def apart_on_the_way(hand: HandModel, prepared: Prepared) -> Array:
    """(n,) bool: no finger presses on another from the open hand to the grasp."""
    opened = hand.postures["open"]
    apart = np.ones(len(prepared), dtype=bool)
    for share in PRESHAPING:
        way = opened + share * (prepared.pregrasp[apart] - opened)
        apart[apart] = self_overlap(hand, way) < MAX_SELF
    apart[apart] = self_overlap(hand, prepared.grasp[apart]) < MAX_SELF
    return apart


def clear_approach(
    hand: HandModel, geometry: GraspGeometry, prepared: Prepared, config: SynthesisConfig
) -> Array:
    """(n,) bool: the opened hand reaches the grasp along its approach without touching."""
    palms = prepared.candidates.palms
    centers = hand.sphere_positions(prepared.pregrasp)
    centers = np.einsum("nij,nsj->nsi", palms[:, :3, :3], centers)
    centers += palms[:, None, :3, 3]
    approach = palms[:, :3, :3] @ hand.T_palm_grasp[:3, 2]
    clear = np.ones(len(prepared), dtype=bool)
    for back in SWEEP:
        moved = centers - back * approach[:, None]
        distance, _ = geometry.model.sdf.query(moved)
        clear &= (hand.sphere_radii - distance).max(axis=1) < config.max_overlap
        clear &= (hand.sphere_radii - (moved[..., 2] - geometry.table)).max(axis=1) < TABLE_MARGIN
    return clear


def merged(parts: Sequence[Prepared]) -> Prepared:
    """All of several batches, in their order."""
    names = [name for name in vars(parts[0]) if name != "candidates"]
    values = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Prepared(joined([part.candidates for part in parts]), **values)


def grasp_set(
    hand: HandModel, geometry: GraspGeometry, prepared: Prepared, source: str
) -> GraspSet:
    """The candidates as grasps in the world, scored by their balance."""
    T, candidates = geometry.T_world_object, prepared.candidates
    turn = T[:3, :3].T
    unused = ~candidates.used[..., None]
    approach = candidates.palms[:, :3, :3] @ hand.T_palm_grasp[:3, 2]
    return GraspSet(
        hand=hand.name,
        frame="world",
        T_frame_palm=T @ candidates.palms,
        approach=approach @ turn,
        pregrasp=prepared.pregrasp,
        grasp=prepared.grasp,
        squeeze=prepared.squeeze,
        contact_points=np.where(unused, np.nan, candidates.tips @ turn + T[:3, 3]),
        contact_normals=np.where(unused, np.nan, -candidates.surfaces @ turn),
        score=1.0 / (1.0 + prepared.residual / 0.1),
        kind=tuple(candidates.kinds),
        source=source,
    )
