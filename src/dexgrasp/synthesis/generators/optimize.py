"""Batched optimisation of contact, closure and penetration: the energy-based generator."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.generators.effort import lighter
from dexgrasp.synthesis.generators.optimize_settings import ConeConfig, MalaConfig, OptimizeConfig
from dexgrasp.synthesis.generators.placement import (
    grasp_types,
    region_spots,
    spots_at,
    starts_around,
)
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.kernels import descent, langevin
from dexgrasp.synthesis.sampling import Starts
from dexgrasp.synthesis.skin import Skin, sphere_skin
from dexgrasp.types import Array


@lru_cache(maxsize=1)
def settings() -> OptimizeConfig:
    """The shipped figures, read once."""
    return OptimizeConfig.load()


def propose(
    hand: HandModel,
    geometry: GraspGeometry,
    config: SynthesisConfig,
    condition: Condition,
    rng: np.random.Generator,
    effort: float = 1.0,
) -> Candidates:
    """`config.samples` starts of every grasp type around the object, each descended by Adam."""
    return _descended(hand, geometry, config, condition, rng, effort, None)


def propose_cone(
    hand: HandModel,
    geometry: GraspGeometry,
    config: SynthesisConfig,
    condition: Condition,
    rng: np.random.Generator,
    effort: float = 1.0,
) -> Candidates:
    """The same with closure by forces in friction cones, found at each few steps."""
    return _descended(hand, geometry, config, condition, rng, effort, settings().cone)


def _descended(
    hand: HandModel,
    geometry: GraspGeometry,
    config: SynthesisConfig,
    condition: Condition,
    rng: np.random.Generator,
    effort: float,
    cone: ConeConfig | None,
) -> Candidates:
    gradient, config = settings().gradient, lighter(config, effort, "samples")
    starts = starts_for(hand, geometry, config, condition, rng)
    skin = sphere_skin(hand)
    return descend(hand, geometry, starts, config, skin, gradient.steps, gradient.rates, cone=cone)


def propose_mala(
    hand: HandModel,
    geometry: GraspGeometry,
    config: SynthesisConfig,
    condition: Condition,
    rng: np.random.Generator,
    effort: float = 1.0,
) -> Candidates:
    """The same starts, each the beginning of an annealed Langevin chain."""
    config = lighter(config, effort, "samples")
    starts = starts_for(hand, geometry, config, condition, rng)
    seeds = rng.integers(2**31, size=len(starts.joints))
    return sampled(hand, geometry, starts, config, settings().mala, seeds)[0]


def starts_for(
    hand: HandModel,
    geometry: GraspGeometry,
    config: SynthesisConfig,
    condition: Condition,
    rng: np.random.Generator,
) -> Starts:
    """`config.samples` starts of every grasp type that the condition allows."""
    types = grasp_types(hand, geometry, condition)
    points, normals, _ = region_spots(geometry, condition, rng)
    spots = spots_at(geometry, condition, points, normals) if len(points) else None
    box, count = geometry.bounds, config.samples
    return starts_around(hand, geometry, condition, types, spots, box, count, rng)


def descend(
    hand: HandModel,
    geometry: GraspGeometry,
    starts: Starts,
    config: SynthesisConfig,
    skin: Skin,
    steps: int,
    rates: tuple[float, float, float],
    margin: float | None = None,
    cone: ConeConfig | None = None,
) -> Candidates:
    """Run the compiled descent from `starts`.

    skin: what stays `margin` [m] out of the object; None: the configuration's own margin.
    cone: closure by forces in friction cones; None: by pushes along the normals.
    """
    ends = copied(starts)
    asked = problem(hand, geometry, skin, weights(config, margin, cone), cone)
    limits = hand.joint_lower, hand.joint_upper
    arguments = (*asked, steps, np.array(rates), limits, *ends)
    descent.descend(*arguments)
    return found(starts, *ends)


def sampled(
    hand: HandModel,
    geometry: GraspGeometry,
    starts: Starts,
    config: SynthesisConfig,
    mala: MalaConfig,
    seeds: Array,
) -> tuple[Candidates, Array]:
    """The states in which chains from `starts` end, and their shares (n,) of accepted steps."""
    ends, accepted = copied(starts), np.zeros(len(seeds))
    asked = problem(hand, geometry, sphere_skin(hand), weights(config, None, None), None)
    schedule = mala.steps, np.array(mala.jumps), np.array(mala.temperatures)
    limits = hand.joint_lower, hand.joint_upper
    arguments = (*asked, *schedule, limits, seeds, *ends, accepted)
    langevin.sample(*arguments)
    return found(starts, *ends), accepted


def weights(config: SynthesisConfig, margin: float | None, cone: ConeConfig | None) -> Array:
    """(9,) `terms` of the kernels."""
    values = config.weights.model_dump()
    if margin is not None:
        values["penetration_margin"] = margin
    if cone:
        values["closure"] = cone.weight
    return np.array(list(values.values()))


def problem(
    hand: HandModel, geometry: GraspGeometry, skin: Skin, terms: Array, cone: ConeConfig | None
) -> tuple[Any, ...]:
    """What both kernels take first: the hand, the scene and the energy."""
    low, high = geometry.bounds
    sdf = geometry.model.sdf
    return (
        hand.kernel_kinematics,
        hand.kernel_spheres,
        hand.self_collision_pairs,
        hand.kernel_contacts,
        skin,
        (sdf.grid, sdf.origin, sdf.spacing),
        geometry.table,
        np.asarray(geometry.model.com, float),
        float(0.5 * np.linalg.norm(high - low)),
        terms,
        cone.figures if cone else np.zeros(0),
    )


def copied(starts: Starts) -> tuple[Any, ...]:
    """The samples, palms and joints to be moved, and contacts and energies to be filled."""
    n, fingers = starts.used.shape
    contacts = tuple(np.zeros((n, fingers, 3)) for _ in range(3))
    places = starts.palms.copy(), starts.joints.copy()
    return *places, starts.references, starts.used, contacts, np.zeros(n)


def found(
    starts: Starts,
    palms: Array,
    joints: Array,
    references: Array,
    used: Array,
    contacts: tuple[Array, Array, Array],
    energies: Array,
) -> Candidates:
    """What the kernels have filled, as candidates."""
    kinds = np.array(starts.kinds, dtype=object)
    return Candidates(palms, joints, used, *contacts, kinds, energies)
