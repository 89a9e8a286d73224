"""Simulated annealing on eigengrasps: the classical baseline of GraspIt!, for comparison.

Ciocarlie and Allen (IJRR 2009): a hand is searched in the few dimensions of its postural
synergies and the six of its palm, for small distances and opposed normals of its contacts.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.config import load_config, resource_path
from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.generators.anneal_kernels import anneal
from dexgrasp.synthesis.generators.effort import lighter
from dexgrasp.synthesis.generators.eigengrasps import Eigengrasps
from dexgrasp.synthesis.generators.placement import (
    aimed_palms,
    grasp_types,
    region_spots,
    spots_at,
    touching,
)
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.sampling import unit
from dexgrasp.types import Array

STANDOFF = 0.05  # [m] by which a chain begins short of its target, clear of the object


class AnnealConfig(BaseModel):
    """Figures of `config/synthesis/generators/anneal.yaml`, explained there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chains: int = Field(ge=1)
    steps: int = Field(ge=1)
    eigengrasps: int = Field(ge=1)
    first_step: int = Field(ge=0)
    last_step: int = Field(ge=1)
    temperature: float = Field(gt=0.0)
    cooling: float = Field(gt=0.0)
    dimensions: int = Field(ge=1)
    energy_scale: float = Field(gt=0.0)
    normal_weight: float = Field(ge=0.0)
    penetration_weight: float = Field(ge=0.0)
    jumps: tuple[float, float, float]
    reach: float = Field(gt=0.0)

    @classmethod
    def load(cls) -> AnnealConfig:
        """Read the shipped file. Raises ConfigError."""
        return load_config(resource_path("config", "synthesis", "generators", "anneal.yaml"), cls)

    @property
    def schedule(self) -> Array:
        """(6,) as `anneal_kernels.anneal` takes it."""
        figures = (self.first_step, self.last_step, self.temperature, self.cooling)
        return np.array([*figures, self.dimensions, self.energy_scale], dtype=float)


@lru_cache(maxsize=1)
def settings() -> AnnealConfig:
    """The shipped figures, read once."""
    return AnnealConfig.load()


def propose(
    hand: HandModel,
    geometry: GraspGeometry,
    config: SynthesisConfig,
    condition: Condition,
    rng: np.random.Generator,
    effort: float = 1.0,
) -> Candidates:
    """The states in which the chains end. Raises NoGraspError for wishes that none can keep."""
    return annealed(hand, geometry, condition, lighter(settings(), effort, "chains"), rng)


def annealed(
    hand: HandModel,
    geometry: GraspGeometry,
    condition: Condition,
    figures: AnnealConfig,
    rng: np.random.Generator,
) -> Candidates:
    """One candidate per chain; the grasp types in turn say which fingers shall touch."""
    types = grasp_types(hand, geometry, condition)
    kinds = [types[n % len(types)] for n in range(figures.chains)]
    used = np.array([[f in kind.fingers for f in hand.finger_names] for kind in kinds])
    synergies = Eigengrasps.of(hand, figures.eigengrasps)
    amplitudes = synergies.amplitudes(np.array([hand.postures[kind.posture] for kind in kinds]))
    points, normals, spacing = region_spots(geometry, condition, rng)
    spots = spots_at(geometry, condition, points, normals) if len(points) else None
    tips = hand.fingertips(hand.clip(synergies.joints(amplitudes)))
    palms = aimed_palms(hand, geometry, condition, kinds, tips, used, spots, geometry.bounds, rng)
    palms[:, :3, 3] -= STANDOFF * palms[:, :3, :3] @ hand.T_palm_grasp[:3, 2]
    energies = np.zeros(figures.chains)
    sdf, (low, high) = geometry.model.sdf, geometry.bounds
    anneal(
        hand.kernel_kinematics,
        hand.kernel_spheres,
        hand.kernel_contacts,
        (sdf.grid, sdf.origin, sdf.spacing),
        (points, spacing),
        geometry.table,
        np.array([figures.normal_weight, figures.penetration_weight]),
        (synergies.mean, synergies.directions, synergies.lower, synergies.upper),
        (hand.joint_lower, hand.joint_upper),
        np.array([low - figures.reach, high + figures.reach]),
        cone_of(hand, condition),
        np.array(figures.jumps),
        figures.schedule,
        figures.steps,
        rng.integers(2**31, size=figures.chains),
        palms,
        amplitudes,
        used,
        energies,
    )
    joints = hand.clip(synergies.joints(amplitudes))
    names = np.array([kind.name for kind in kinds], dtype=object)
    return touching(hand, geometry, palms, joints, used, names, energies)


def cone_of(hand: HandModel, condition: Condition) -> tuple[Array, Array, float]:
    """Approach in the palm (3,), axis asked for (3,) and least cosine; -2 allows all."""
    inward = np.ascontiguousarray(hand.T_palm_grasp[:3, 2])
    if condition.approach is None:
        return inward, inward.copy(), -2.0
    return inward, unit(np.asarray(condition.approach, dtype=float)), float(np.cos(condition.cone))
