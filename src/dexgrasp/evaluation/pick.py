"""A whole pick through the library, as the nodes do it: look, propose, execute, judge."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from dexgrasp.errors import DexgraspError
from dexgrasp.evaluation.plausibility import Plausibility, plausibility
from dexgrasp.evaluation.simulation import SimulationTrial, SimulationVerdict
from dexgrasp.execution import ExecutionConfig, Fault, GraspExecutor, Phase, fault_words
from dexgrasp.geometry import inverse
from dexgrasp.objects import ObjectModel
from dexgrasp.perception import body_spheres, perceive
from dexgrasp.simulation import SimBackend
from dexgrasp.synthesis import GraspGeometry, GraspSynthesizer
from dexgrasp.types import Array, GraspSet, ObjectPlacement

CONTROL_PERIOD = 0.01
GRASP_COUNT = 8


@dataclass
class PickRecord:
    """One trial as it goes into tables and reports. Times in seconds of wall clock."""

    object: str
    hand: str
    seed: int
    phase: str = Phase.IDLE.name
    error_code: int = 0
    error_msg: str = ""
    grasp_kind: str = ""
    grasp_score: float = 0.0
    simulation: SimulationVerdict | None = None
    plausibility: Plausibility | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """Whether the object was lifted and held."""
        return self.simulation is not None and bool(self.simulation.success)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "success": self.success}


def random_placement(model: ObjectModel, table_height: float, seed: int) -> ObjectPlacement:
    """The object in its resting pose, turned at random and up to 4 cm off the centre."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0.0, 2.0 * np.pi)
    T = np.eye(4)
    T[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    T[:2, 3] = rng.uniform(-0.04, 0.04, 2)
    T[2, 3] = table_height
    return ObjectPlacement(model, T @ model.T_table_object)


def pick(
    backend: SimBackend,
    synthesizer: GraspSynthesizer,
    execution: ExecutionConfig,
    placement: ObjectPlacement,
    seed: int,
    table_height: float,
) -> PickRecord:
    """Run one trial in world 0 of `backend`; a fault ends it with its code and words."""
    record = PickRecord(placement.model.name, backend.hand.name, seed)
    backend.load([placement])
    try:
        grasps = _propose(backend, synthesizer, record, seed)
        record.grasp_kind, record.grasp_score = grasps.kind[0], float(grasps.score[0])
        _execute(backend, execution, grasps[0], record, table_height)
    except DexgraspError as error:
        record.error_code, record.error_msg = error.code, str(error)
    return record


def _propose(
    backend: SimBackend, synthesizer: GraspSynthesizer, record: PickRecord, seed: int
) -> GraspSet:
    frame = backend.depth()
    start = time.perf_counter()
    scene = perceive(frame, exclude=body_spheres(backend.hand, backend.observe()))
    seen = time.perf_counter()
    geometry = GraspGeometry.from_detection(scene.objects[0])
    completed = time.perf_counter()
    grasps = synthesizer.synthesize(backend.hand, geometry, GRASP_COUNT, seed)
    record.seconds |= {
        "perception": seen - start,
        "completion": completed - seen,
        "synthesis": time.perf_counter() - completed,
    }
    return grasps


def _execute(
    backend: SimBackend,
    execution: ExecutionConfig,
    grasp: GraspSet,
    record: PickRecord,
    table_height: float,
) -> None:
    start = time.perf_counter()
    executor = GraspExecutor(backend.hand, execution, backend.worlds)
    executor.start(grasp)
    trial = SimulationTrial(table_height)
    while not executor.finished.all():
        phase = Phase(int(executor.phase[0]))
        record.phase = phase.name
        observation = backend.observe()
        backend.step(executor.step(observation), CONTROL_PERIOD)
        trial.update(backend.truth(), lifting=phase in (Phase.LIFT, Phase.HOLD))
        if (
            phase == Phase.FULL_GRASP
            and record.plausibility is None
            and executor.phase[0] == Phase.LIFT
        ):
            record.plausibility = judge_contact(backend, record)
    fault = Fault(int(executor.fault[0]))
    record.error_code = int(fault)
    record.error_msg = "" if fault == Fault.NONE else fault_words(fault)
    if fault == Fault.NONE:
        record.phase = Phase.DONE.name
    record.simulation = trial.verdict()
    record.seconds["execution"] = time.perf_counter() - start


def judge_contact(backend: SimBackend, record: PickRecord) -> Plausibility:
    """Mesh plausibility of what the hand does right now to object 0."""
    observation, truth = backend.observe(), backend.truth()
    T_object_palm: Array = inverse(truth.T_world_object[0, 0]) @ observation.T_world_palm[0]
    model = backend.placements[0].model
    return plausibility(backend.hand, observation.joint_position[0], T_object_palm, model)
