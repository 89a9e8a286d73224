"""What the benchmarks of synthesis share: objects, timed calls, and the judge of issue 4."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import trimesh

from dexgrasp.errors import NoGraspError
from dexgrasp.evaluation.batch.protocol import Protocol
from dexgrasp.evaluation.batch.trials import Conditions, run_trials
from dexgrasp.evaluation.plausibility import MIN_CONTACTS, plausibilities
from dexgrasp.evaluation.pool import in_processes
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel, load_object
from dexgrasp.synthesis import Condition, GraspGeometry, GraspSynthesizer, make_synthesizer
from dexgrasp.types import Array, GraspSet

MAX_DEPTH = 1e-3  # [m] of penetration into the true mesh that a valid grasp may have (issue 4)
FRICTION, SLIPPERY = 0.6, 0.3  # issue 4
PROCESSES = 2  # that judge at once; nothing is timed meanwhile
WARM_SIZE = (0.05, 0.06, 0.09)  # [m] of a box that no measured object is


@dataclass(frozen=True)
class Thing:
    """An object that is measured: mesh file or name of the catalogue, and its mass [kg]."""

    name: str
    source: str
    mass: float | None = None

    def load(self) -> ObjectModel:
        """The object; nothing is computed for a mesh file. Raises MeshError."""
        return load_object(self.source, mass=self.mass)


@dataclass(frozen=True)
class Setup:
    """The options of `benchmarks/synthesis.py`, explained there."""

    hands: tuple[str, ...]
    things: tuple[Thing, ...]
    method: str
    check: str
    count: int
    judged: int
    views: int
    seed: int

    def synthesizer(self, method: str = "") -> GraspSynthesizer:
        """The one that is measured, or another generator with the same check."""
        return make_synthesizer(method or self.method, check=self.check)


@dataclass(frozen=True)
class Job:
    """Grasps in the frame of the object's mesh, for the judge. slippery: at 0.3, too."""

    hand: str
    thing: Thing
    grasps: GraspSet
    slippery: bool = False


@dataclass(frozen=True)
class Verdicts:
    """Of n grasps: held in all six directions (n,) at 0.6 and at 0.3 (None: not tried).

    depth: (n,) [m] into the true mesh.  contacts: (n,) distinct fingertips within 5 mm of it.
    """

    held: Array
    held_slippery: Array | None
    depth: Array
    contacts: Array

    @property
    def touching(self) -> Array:
        """(n,) bool: held, with enough fingertips on the object."""
        return self.held & (self.contacts >= MIN_CONTACTS)

    @property
    def valid(self) -> Array:
        """(n,) bool: issue 4's definition, touching and at most MAX_DEPTH inside."""
        return self.touching & (self.depth <= MAX_DEPTH)


def verdicts(jobs: Sequence[Job], what: str) -> list[Verdicts]:
    """Of every job, in their order."""
    found: dict[int, Verdicts] = {}
    for index, verdict in in_processes(judge, jobs, PROCESSES):
        found[index] = verdict
        tell(f"{what}: judged {len(found)} of {len(jobs)}")
    return [found[index] for index in range(len(jobs))]


def judge(job: Job) -> Verdicts:
    """Six directions, penetration and contacts on the true mesh, as `dexgrasp evaluate` has them.

    A pregrasp deeper inside than the protocol allows is not held.
    """
    hand, model, grasps = loaded_hand(job.hand), _loaded(job.thing), job.grasps
    protocol = Protocol.load("six_directions").changed({"friction": FRICTION})
    opened = plausibilities(hand, grasps.pregrasp, grasps.T_frame_palm, model)
    limit = np.inf if protocol.max_penetration is None else protocol.max_penetration
    clear = np.array([max(p.penetration_depth, p.self_penetration) <= limit for p in opened])
    closed = plausibilities(hand, grasps.grasp, grasps.T_frame_palm, model)
    slippery = protocol.changed({"friction": SLIPPERY})
    return Verdicts(
        held=clear & _holds(hand, model, grasps, protocol),
        held_slippery=clear & _holds(hand, model, grasps, slippery) if job.slippery else None,
        depth=np.array([p.penetration_depth for p in closed]),
        contacts=np.array([p.contact_count for p in closed]),
    )


def _holds(hand: HandModel, model: ObjectModel, grasps: GraspSet, protocol: Protocol) -> Array:
    conditions = Conditions.nominal(len(grasps), model, protocol, hand.joint_count)
    outcomes = run_trials(hand, model, grasps, conditions, protocol)
    return np.array([outcome.verdict.success for outcome in outcomes])


@lru_cache(maxsize=8)
def loaded_hand(name: str) -> HandModel:
    """The hand, once for a process: what is computed for a hand is kept with it."""
    return HandModel.load(name)


@lru_cache(maxsize=4)
def _loaded(thing: Thing) -> ObjectModel:
    return thing.load()


def warm_up(setup: Setup, hand: HandModel, method: str = "") -> None:
    """Compile and load what every object shares; whether a grasp comes does not matter."""
    box = ObjectModel.from_mesh("warm-up", trimesh.creation.box(WARM_SIZE))
    geometry = GraspGeometry(box, box.T_table_object, 0.0)
    timed(setup.synthesizer(method), hand, geometry, 1, setup.seed)


@dataclass(frozen=True)
class Found:
    """What a timed call brought: grasps or why there are none, and its processor time [s]."""

    grasps: GraspSet | None
    words: str
    cpu: float


def timed(
    synthesizer: GraspSynthesizer,
    hand: HandModel,
    geometry: GraspGeometry,
    count: int,
    seed: int,
    condition: Condition | None = None,
) -> Found:
    """`synthesize` with its cost, also of a failure."""
    start = time.process_time()
    try:
        grasps = synthesizer.synthesize(hand, geometry, count, seed, condition or Condition())
    except NoGraspError as error:
        return Found(None, str(error), time.process_time() - start)
    return Found(grasps, "", time.process_time() - start)


def timed_sets(sets: Iterator[GraspSet], start: float) -> tuple[list[tuple[float, GraspSet]], str]:
    """Every set with the wall clock [s] since `start`, and why there is none."""
    found: list[tuple[float, GraspSet]] = []
    try:
        for grasps in sets:
            found.append((time.perf_counter() - start, grasps))
    except NoGraspError as error:
        return found, str(error)
    return found, ""


def spread(count: int, most: int) -> Array:
    """At most `most` of `count` rows, evenly from first to last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def tell(words: str) -> None:
    """A line of progress."""
    print(words, flush=True)
