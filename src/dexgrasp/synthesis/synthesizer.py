"""Grasps for a whole or completed object: propose, refine, filter, squeeze, try, rank."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import numpy as np

from dexgrasp.errors import NoGraspError
from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates, joined
from dexgrasp.synthesis.check import try_in_physics
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.config import ShakeConfig, SynthesisConfig
from dexgrasp.synthesis.filters import (
    Prepared,
    grasp_set,
    in_order,
    merged,
    prepare,
)
from dexgrasp.synthesis.generators import GENERATORS
from dexgrasp.synthesis.generators.placement import grasp_types
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.guess import certainty
from dexgrasp.synthesis.quality import features
from dexgrasp.synthesis.ranking import RankingModel
from dexgrasp.synthesis.refine import refine
from dexgrasp.synthesis.selection import diverse, ranked, spread, the_best
from dexgrasp.synthesis.shake import held_when_expected, shake
from dexgrasp.synthesis.wishes import touch_where_asked
from dexgrasp.types import GraspSet

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

    def stream(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        count: int,
        seed: int = 0,
        condition: Condition = ANYHOW,
    ) -> Iterator[GraspSet]:
        """The same as they are found: sets of new grasps, each best first.

        Together at least `count` where there are so many. Raises NoGraspError.
        """
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
        self.ranking = RankingModel.load()

    def synthesize(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        count: int,
        seed: int = 0,
        condition: Condition = ANYHOW,
    ) -> GraspSet:
        """See `GraspSynthesizer`.

        The score: after `lift` how steadily those trials went, after `shake` the probability
        of holding under other friction, mass and errors of the palm (docs/ranking.md); of a
        guessed shape times how certain its contacts are (`guess.certainty`).
        """
        return the_best(list(self.stream(hand, geometry, count, seed, condition)), count)

    def stream(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        count: int,
        seed: int = 0,
        condition: Condition = ANYHOW,
    ) -> Iterator[GraspSet]:
        """See `GraspSynthesizer`."""
        refuse(geometry, self.config)
        if self.check == "shake":
            yield from self._shaken(hand, geometry, count, seed, condition)
        else:
            yield from self._lifted(hand, geometry, count, seed, condition)

    def _lifted(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        count: int,
        seed: int,
        condition: Condition,
    ) -> Iterator[GraspSet]:
        """The most promising first, until one does well or enough have been tried.

        What is tried after the first round is chosen among more: what is heavy needs the few
        hands that are strong enough.
        """
        settings = self.config.check
        size = max(count, settings.candidates)
        left = self._enough(hand, geometry, condition, seed)
        for round_ in range(settings.rounds):
            if round_:
                rng = np.random.default_rng([seed, settings.proposals + round_])
                left = self._more(hand, geometry, condition, rng, left)
            if not len(left):
                return
            rows = diverse(left, size)
            grasps = grasp_set(hand, geometry, left.take(rows), self.generator)
            left = left.take(np.delete(np.arange(len(left)), rows))
            grasps = try_in_physics(hand, geometry, grasps, settings)
            yield grasps
            if grasps.score[0] >= settings.good:
                return

    def _more(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        condition: Condition,
        rng: np.random.Generator,
        left: Prepared,
    ) -> Prepared:
        """`left` and what the generator proposes once more, if anything passes."""
        try:
            proposed = self._proposed(hand, geometry, condition, rng)
            new = prepare(hand, geometry, proposed, self.config, condition)
        except NoGraspError:
            return left
        return in_order(geometry, merged([left, new]))

    def _enough(
        self, hand: HandModel, geometry: GraspGeometry, condition: Condition, seed: int
    ) -> Prepared:
        """What the generator proposes, again where that is fewer than are tried at once.

        Raises NoGraspError.
        """
        settings = self.config.check
        proposed: list[Candidates] = []
        prepared: Prepared | None = None
        failure: NoGraspError | None = None
        for round_ in range(settings.proposals):
            rng = np.random.default_rng([seed, round_])
            try:
                proposed.append(self._proposed(hand, geometry, condition, rng))
                prepared = prepare(hand, geometry, joined(proposed), self.config, condition)
            except NoGraspError as error:
                failure = error
                continue
            if len(prepared) >= settings.candidates:
                break
        if prepared is None:
            raise failure or NoGraspError("nothing was proposed")
        return prepared

    def _proposed(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        condition: Condition,
        rng: np.random.Generator,
        effort: float = 1.0,
    ) -> Candidates:
        return GENERATORS[self.generator](hand, geometry, self.config, condition, rng, effort)

    def _exact(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        condition: Condition,
        rng: np.random.Generator,
        effort: float,
    ) -> Prepared:
        """A round of the generator, as proposed and refined, exact to the mesh.

        Raises NoGraspError.
        """
        proposed = self._proposed(hand, geometry, condition, rng, effort)
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
    ) -> Iterator[GraspSet]:
        """Grasps that held, and of a longer list some of each kind that the object allows."""
        settings = self.config.shake
        if not condition.any_fingers:  # a pinch is for those who ask for it
            settings = settings.model_copy(update={"contacts": 0})
        found: set[str] = set()
        for grasps in self._rounds(hand, geometry, count, seed, condition, settings):
            found.update(grasps.kind)
            yield grasps
        if not condition.any_fingers or count <= settings.first_batch:
            return
        for kind in grasp_types(hand, geometry, condition):
            if kind.name in found or len(kind.fingers) < settings.contacts:
                continue
            alone = replace(condition, types=(kind.name,))
            brief = settings.model_copy(update={"patience": 1})
            with suppress(NoGraspError):  # not every kind holds every object
                yield from self._rounds(hand, geometry, brief.first_batch, seed, alone, brief)

    def _rounds(
        self,
        hand: HandModel,
        geometry: GraspGeometry,
        count: int,
        seed: int,
        condition: Condition,
        settings: ShakeConfig,
    ) -> Iterator[GraspSet]:
        """Rounds of the generator until `count` grasps have held, or no more may be tried.

        Until one has held, rounds are short ones, each twice the last: somebody may be waiting
        for a first grasp. Raises NoGraspError.
        """
        failure: NoGraspError | None = None
        tried = found = 0
        idle, harder = 0.0, 1.0
        for round_ in range(settings.rounds):
            if idle > settings.patience:
                break
            rng = np.random.default_rng([seed, round_])
            first = min(settings.first_batch << round_, settings.batch)
            most = settings.batch if found else first
            wanted = settings.spare * (count - found)
            # More is proposed than is tried, so that what is tried can differ.
            effort = (settings.choice if found else 1.0) * min(wanted, most) / settings.batch
            effort = min(1.0, harder * max(settings.least_effort, effort))
            # To try one more costs a tenth of what it takes to propose it.
            batch = min(math.ceil(wanted * (tried + 2) / (found + 1)), most)
            harder *= 2.0  # until a round brings half of what it tries
            idle += effort
            try:
                prepared = self._exact(hand, geometry, condition, rng, effort)
            except NoGraspError as error:
                failure = error
                continue
            prepared = prepared.take(prepared.contacts >= settings.contacts)
            if condition.somewhere:
                asked = touch_where_asked(hand, geometry, prepared.candidates, condition)
                prepared = prepared.take(asked)
            if not len(prepared):
                continue
            likely = self.ranking.probability(features(geometry, prepared))
            prepared = prepared.take(np.argsort(-likely, kind="stable"))
            if not found:  # the first grasps shall hold rather than differ
                prepared = prepared.take(np.arange(min(len(prepared), 2 * batch)))
            prepared = spread(prepared, batch)
            grasps = grasp_set(hand, geometry, prepared, self.generator)
            moved = shake(hand, geometry, grasps, settings)
            tried += len(grasps)
            holds = moved < settings.allowed
            if round_ and found + holds.sum() < settings.scarce * tried:
                holds[~holds] = held_when_expected(hand, geometry, grasps[~holds], settings)
            held = np.flatnonzero(holds)
            if 2 * len(held) >= batch:
                harder = 1.0
            if len(held):
                found, idle = found + len(held), 0.0
                known = features(geometry, prepared.take(held), moved[held])
                score = self.ranking.probability(known)
                if geometry.guessed:
                    score *= certainty(geometry, prepared.candidates.take(held))
                yield ranked([replace(grasps[held], score=score)])
            if found >= count:
                return
        if not found:
            raise failure or NoGraspError(f"none of {tried} grasps held when it was shaken")


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
