"""Batched optimisation of contact, closure and penetration: the energy-based generator."""

from __future__ import annotations

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.kernels import optimise
from dexgrasp.synthesis.sampling import Starts, sample_starts
from dexgrasp.synthesis.skin import Skin, sphere_skin


def propose(
    hand: HandModel,
    geometry: GraspGeometry,
    config: SynthesisConfig,
    condition: Condition,
    rng: np.random.Generator,
) -> Candidates:
    """`config.samples` starts of every grasp type around the object, each optimised."""
    low, high = geometry.bounds
    center, size = 0.5 * (low + high), high - low
    types = condition.grasp_types(hand)
    starts = sample_starts(hand, types, center, size, geometry.table, config.samples, rng)
    return descend(hand, geometry, starts, config, sphere_skin(hand), config.steps, config.rates)


def descend(
    hand: HandModel,
    geometry: GraspGeometry,
    starts: Starts,
    config: SynthesisConfig,
    skin: Skin,
    steps: int,
    rates: tuple[float, float, float],
    margin: float | None = None,
) -> Candidates:
    """Run the compiled optimisation from `starts`.

    skin: what stays `margin` [m] out of the object; None: the configuration's own margin.
    """
    n, fingers = starts.used.shape
    low, high = geometry.bounds
    palms, joints = starts.palms.copy(), starts.joints.copy()
    tips, facings, surfaces = (np.zeros((n, fingers, 3)) for _ in range(3))
    reports = np.zeros((n, 7))
    weights = config.weights.model_dump()
    weights["penetration_margin"] = weights["penetration_margin"] if margin is None else margin
    sdf = geometry.model.sdf
    optimise(
        hand.kernel_kinematics,
        hand.kernel_spheres,
        skin,
        hand.self_collision_pairs,
        hand.kernel_contacts,
        (sdf.grid, sdf.origin, sdf.spacing),
        geometry.table,
        np.asarray(geometry.model.com, float),
        float(0.5 * np.linalg.norm(high - low)),
        np.array(list(weights.values())),
        steps,
        np.array(rates),
        hand.joint_lower,
        hand.joint_upper,
        palms,
        joints,
        starts.references,
        starts.used,
        tips,
        facings,
        surfaces,
        reports,
    )
    kinds = np.array(starts.kinds, dtype=object)
    return Candidates(palms, joints, starts.used, tips, facings, surfaces, kinds, reports[:, 6])
