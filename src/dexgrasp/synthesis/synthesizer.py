"""Grasps for a whole or completed object: propose, refine, filter, squeeze, try, rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from dexgrasp.errors import NoGraspError
from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates, joined
from dexgrasp.synthesis.check import try_in_physics
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.filters import Prepared, diverse, grasp_set, prepare
from dexgrasp.synthesis.generators import GENERATORS
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.refine import refine
from dexgrasp.synthesis.shake import shake
from dexgrasp.types import GraspSet, concatenated

ANYHOW = Condition()
CHECKS = ("lift", "shake")


class GraspSynthesizer(Protocol):
    """Anything that proposes grasps for a hand and a shape."""

    def synthesize(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        count: int,
        seed: int = 0,
        condition: Condition = ANYHOW,
    ) -> GraspSet:
        """At most `count` grasps in the frame `world`, best first. Raises NoGraspError."""
        ...


class GeneratingSynthesizer:
    """A generator of GENERATORS, refined, filtered and tried in physics before it answers.

    check: `lift` tries the best few from the table, for one quick answer about a perceived
    shape; `shake` tries all without a table and goes on until there are enough that held.
    """

    def __init__(self, generator: str, config: SynthesisConfig, check: str = "lift") -> None:
        self.generator = generator
        self.config = config
        self.check = check

    def synthesize(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        count: int,
        seed: int = 0,
        condition: Condition = ANYHOW,
    ) -> GraspSet:
        """See `GraspSynthesizer`. The score says how well the trials in physics held."""
        refuse(geometry, self.config)
        if self.check == "shake":
            return self._shaken(hand, geometry, count, seed, condition)
        candidates = self._proposed(hand, geometry, condition, np.random.default_rng(seed))
        prepared = prepare(hand, geometry, candidates, self.config, condition)
        prepared = diverse(prepared, max(count, self.config.check_candidates))
        grasps = grasp_set(hand, geometry, prepared, self.generator)
        if self.config.check_candidates:
            grasps = try_in_physics(hand, geometry, grasps, self.config)
        return grasps[:count]

    def _proposed(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        condition: Condition,
        rng: np.random.Generator,
    ) -> Candidates:
        return GENERATORS[self.generator](hand, geometry, self.config, condition, rng)

    def _exact(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        condition: Condition,
        rng: np.random.Generator,
    ) -> Prepared:
        """A round of the generator, as proposed and refined, exact to the mesh.

        Raises NoGraspError.
        """
        proposed = self._proposed(hand, geometry, condition, rng)
        refined = refine(hand, geometry, proposed, self.config)
        limit = self.config.refinement.max_penetration
        return prepare(hand, geometry, joined([proposed, refined]), self.config, condition, limit)

    def _shaken(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        count: int,
        seed: int,
        condition: Condition,
    ) -> GraspSet:
        """Rounds of the generator until `count` grasps have held, or no more may be tried."""
        settings = self.config.shake
        found: list[GraspSet] = []
        failure: NoGraspError | None = None
        tried = 0
        for round_ in range(settings.rounds):
            rng = np.random.default_rng([seed, round_])
            try:
                prepared = self._exact(hand, geometry, condition, rng)
            except NoGraspError as error:
                failure = error
                continue
            if not condition.types:  # a pinch is for those who ask for it
                prepared = prepared.take(prepared.contacts >= settings.contacts)
            if not len(prepared):
                continue
            prepared = diverse(prepared, settings.batch)
            grasps = grasp_set(hand, geometry, prepared, self.generator)
            moved = shake(hand, geometry, grasps, settings)
            tried += len(grasps)
            held = np.flatnonzero(moved < 1.0)
            if len(held):
                found.append(replace(grasps, score=1.0 - 0.5 * np.minimum(moved, 1.0))[held])
            if sum(map(len, found)) >= count:
                break
        if not found:
            raise failure or NoGraspError(f"none of {tried} grasps held when it was shaken")
        return ranked(found)[:count]


def ranked(sets: Sequence[GraspSet]) -> GraspSet:
    """The grasps of several sets as one, best first."""
    grasps = concatenated(sets)
    return grasps[np.argsort(-grasps.score, kind="stable")]


def refuse(geometry: GraspGeometry, config: SynthesisConfig) -> None:
    """Raise NoGraspError for an object that is too large or too far away."""
    low, high = geometry.bounds
    size = float((high - low).max())
    if size > config.max_object_extent:
        raise NoGraspError(
            f"the object is {size:.2f} m long; this hand is asked to grasp at most "
            f"{config.max_object_extent} m"
        )
    reach = float(np.linalg.norm(geometry.T_world_object[:2, 3]))
    if reach > config.workspace_radius:
        raise NoGraspError(
            f"the object is {reach:.2f} m from the origin, out of reach; the wrist reaches "
            f"{config.workspace_radius} m"
        )
