"""Picks over objects x seeds x hands through the library, in parallel processes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dexgrasp.errors import ConfigError, DexgraspError
from dexgrasp.evaluation.disturbance import Disturbance
from dexgrasp.evaluation.pick import pick, random_placement
from dexgrasp.evaluation.pick_record import Attempt, PickRecord
from dexgrasp.evaluation.pool import in_processes
from dexgrasp.evaluation.results import TrialResult, result_of_pick
from dexgrasp.execution import ExecutionConfig
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.simulation import SimulationConfig, make_backend
from dexgrasp.synthesis import make_synthesizer

MESH_SUFFIXES = (".obj", ".stl", ".ply")


@dataclass(frozen=True)
class ObjectChoice:
    """An object of the catalogue, or a mesh file with its mass [kg] (None: by density)."""

    name: str
    mass: float | None = None


@dataclass(frozen=True)
class PickJob:
    """One trial to run.

    attempts: at most so many.  synthesizer, check: of `make_synthesizer`.  disturbed: with the
    errors of `Disturbance`.  controller: of `dexgrasp.execution.control.CONTROLLERS`.  tactile:
    the executor is given the fingers' forces, as from tactile sensors.  backend: see
    `make_backend`.
    """

    hand: str
    object: ObjectChoice
    seed: int
    attempts: int = 1
    synthesizer: str = "search"
    check: str = "lift"
    disturbed: bool = False
    controller: str = "reactive"
    tactile: bool = True
    backend: str = "mujoco"


def mesh_choices(folder: Path) -> list[ObjectChoice]:
    """Every mesh of a folder, with `published_mass_kg` of its index.json where there is one.

    Raises ConfigError when the folder holds no mesh.
    """
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in MESH_SUFFIXES)
    if not files:
        raise ConfigError(f"{folder} holds no {', '.join(MESH_SUFFIXES)} file")
    index = folder / "index.json"
    facts = json.loads(index.read_text()) if index.is_file() else {}
    return [ObjectChoice(str(p), facts.get(p.stem, {}).get("published_mass_kg")) for p in files]


def make_jobs(
    hands: Sequence[str], objects: Sequence[ObjectChoice], seeds: int, backend: str = "mujoco"
) -> list[PickJob]:
    """Every combination, seed by seed, so that an interrupted run has covered all objects.

    Raises ConfigError when there is none.
    """
    if not hands or not objects:
        raise ConfigError("nothing to pick: no hand or no object is given")
    return [
        PickJob(hand, choice, seed, backend=backend)
        for seed in range(seeds)
        for hand in hands
        for choice in objects
    ]


def run_jobs(
    jobs: Sequence[PickJob], processes: int, on_result: Callable[[TrialResult], None]
) -> list[TrialResult]:
    """Run `jobs` in `processes` processes; results in the order of the jobs.

    Each process runs the first job once before it begins, so that no latency holds imports
    and compilation. Raises BackendError when processes die again and again.
    """
    results: dict[int, TrialResult] = {}
    for index, result in in_processes(run_job, jobs, processes, warm_up=(jobs[0],)):
        results[index] = result
        on_result(result)
    return [results[index] for index in range(len(jobs))]


def run_job(job: PickJob) -> TrialResult:
    """One trial in a world of its own, so that its outcome depends on its job alone.

    A fault of the program becomes a failed result with the exception in words.
    """
    return result_of_pick(run_record(job))


def run_record(job: PickJob) -> PickRecord:
    """The same with all of its attempts."""
    try:
        return _run(job)
    except Exception as error:
        logging.getLogger(__name__).exception("%s failed", job)
        failed = Attempt()
        failed.fail(getattr(error, "code", DexgraspError.code), f"{type(error).__name__}: {error}")
        return PickRecord(Path(job.object.name).stem, job.hand, job.seed, [failed])


def _run(job: PickJob) -> PickRecord:
    hand, simulation = _shared(job.hand)
    model = load_object(job.object.name, mass=job.object.mass)
    backend = make_backend(job.backend, hand, simulation, seed=job.seed)
    try:
        return pick(
            backend,
            make_synthesizer(job.synthesizer, check=job.check),
            ExecutionConfig.load(),
            random_placement(model, simulation.table_height, job.seed),
            job.seed,
            simulation.table_height,
            job.attempts,
            Disturbance() if job.disturbed else None,
            job.controller,
            job.tactile,
        )
    finally:
        backend.close()


@cache
def _shared(hand: str) -> tuple[HandModel, SimulationConfig]:
    """What trials of one hand share within a process."""
    return HandModel.load(hand), SimulationConfig.load()
