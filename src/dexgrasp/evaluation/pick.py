"""A whole pick through the library, as the nodes do it: look, propose, execute, judge, retry."""

from __future__ import annotations

import time

import numpy as np

from dexgrasp.errors import DexgraspError, SceneError
from dexgrasp.evaluation.disturbance import GRAVITY, Disturbance, delayed, direction, numb
from dexgrasp.evaluation.grip import GripWatch
from dexgrasp.evaluation.pick_record import Attempt, PickRecord
from dexgrasp.evaluation.plausibility import Plausibility, plausibility
from dexgrasp.evaluation.simulation import SimulationTrial
from dexgrasp.execution import ExecutionConfig, Fault, GraspExecutor, Phase, fault_words
from dexgrasp.execution.attempts import (
    NOT_LIFTED,
    GraspChoice,
    attempt_seed,
    gone,
    mendable,
    standing,
)
from dexgrasp.execution.carry import withdrawal
from dexgrasp.execution.control import fallback_words
from dexgrasp.execution.safety import SafetyFilter, SafetyLimits
from dexgrasp.geometry import inverse
from dexgrasp.objects import ObjectModel
from dexgrasp.perception import PerceivedScene, body_spheres, perceive
from dexgrasp.simulation import SimBackend
from dexgrasp.synthesis import GraspGeometry, GraspSynthesizer
from dexgrasp.types import (
    Array,
    Command,
    DetectedObject,
    GraspSet,
    ObjectPlacement,
    Observation,
)

CONTROL_PERIOD = 0.01
GRASP_COUNT = 8


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
    attempts: int = 1,
    disturbance: Disturbance | None = None,
    controller: str = "reactive",
    tactile: bool = True,
) -> PickRecord:
    """Try to lift an object alone on the table of a backend of one world.

    A fault ends an attempt with its code and words. After one that another grasp may mend the
    hand withdraws and looks again, until it has tried `attempts` times.
    controller: see `dexgrasp.execution.control.make_controller`.
    tactile: without it the executor is given no finger forces, and feels with the motors alone.
    """
    backend.load([placement])
    picker = _Picker(
        backend, synthesizer, execution, table_height, seed, disturbance, controller, tactile
    )
    record = PickRecord(placement.model.name, backend.hand.name, seed)
    for index in range(attempts):
        if index:
            picker.withdraw()
        attempt = Attempt()
        record.attempts.append(attempt)
        try:
            picker.attempt(attempt, index)
        except DexgraspError as error:
            attempt.fail(error.code, str(error))
        if not mendable(attempt.error_code):
            break
    return record


class _Picker:
    """What the attempts of one pick share."""

    def __init__(
        self,
        backend: SimBackend,
        synthesizer: GraspSynthesizer,
        execution: ExecutionConfig,
        table_height: float,
        seed: int,
        disturbance: Disturbance | None = None,
        controller: str = "reactive",
        tactile: bool = True,
    ) -> None:
        self._controller = controller
        self._observe = backend.observe if tactile else lambda: numb(backend.observe())
        self._backend, self._synthesizer, self._execution = backend, synthesizer, execution
        self._table_height, self._seed, self._disturbance = table_height, seed, disturbance
        self._rng = np.random.default_rng([seed, 5])
        self._first_palm = backend.observe().T_world_palm
        self._choice = GraspChoice()
        self._targets: Command | None = None
        limits = SafetyLimits.load().model_copy(update={"table_height": table_height})
        self._safety = SafetyFilter(backend.hand, limits, backend.worlds)
        if disturbance is not None:
            disturbance.vary(backend, self._rng)

    def attempt(self, attempt: Attempt, index: int) -> None:
        """Look, choose a grasp, execute it, look again. Raises DexgraspError."""
        scene = self._timed_look(attempt)
        detected = scene.objects[0]
        grasp = self._choose(attempt, detected, index)
        attempt.grasp_kind, attempt.grasp_score = grasp.kind[0], float(grasp.score[0])
        if self._disturbance is not None:
            center = detected.T_world_object[:3, 3]
            grasp = self._disturbance.misplaced(grasp, center, self._rng)
        start = time.perf_counter()
        self._execute(attempt, grasp, detected)
        attempt.seconds["execution"] = time.perf_counter() - start
        if not attempt.error_code and self._still_there(standing(scene.objects)):
            attempt.fail(Fault.OBJECT_LOST, NOT_LIFTED)

    def withdraw(self) -> None:
        """Open, back out and go to where the first look was, if the hand has moved at all."""
        if self._targets is None:
            return
        backend, hand = self._backend, self._backend.hand
        grasp = self._choice.tried[-1].grasp
        motion = withdrawal(
            self._targets.joint_position,
            backend.observe(),
            grasp,
            self._first_palm,
            hand,
            self._execution,
        )
        while not motion.finished.all():
            observation = backend.observe()
            self._step(motion.step(observation), observation)
        self._targets = None

    def _step(self, command: Command, observation: Observation) -> bool:
        """Send what the safety limits let through; whether they changed anything.

        observation: what the command was made of, which may be old by now.
        """
        now = self._backend.observe().time
        allowed, flags = self._safety.filter(command, observation, now)
        self._backend.step(allowed, CONTROL_PERIOD)
        return bool(flags.any())

    def _look(self) -> PerceivedScene:
        body = body_spheres(self._backend.hand, self._backend.observe())
        return perceive(self._backend.depth(), exclude=body)

    def _timed_look(self, attempt: Attempt) -> PerceivedScene:
        start = time.perf_counter()
        try:
            scene = self._look()
        except SceneError as error:
            if not self._choice.tried:
                raise
            raise gone(len(self._choice.tried), str(error)) from error
        attempt.seconds["perception"] = time.perf_counter() - start
        return scene

    def _choose(self, attempt: Attempt, detected: DetectedObject, index: int) -> GraspSet:
        """The next grasp of the known set, else of a new one. Raises DexgraspError."""
        known = self._choice.of_known(detected)
        if known is not None:
            attempt.known = True
            return known
        start = time.perf_counter()
        geometry = GraspGeometry.from_detection(detected)
        completed = time.perf_counter()
        seed = attempt_seed(self._seed, index)
        grasps = self._synthesizer.synthesize(self._backend.hand, geometry, GRASP_COUNT, seed)
        attempt.seconds |= {
            "completion": completed - start,
            "synthesis": time.perf_counter() - completed,
        }
        return self._choice.of_new(detected, grasps)

    def _execute(self, attempt: Attempt, grasp: GraspSet, detected: DetectedObject) -> None:
        """Run the phases and judge what becomes of the object."""
        backend = self._backend
        executor = GraspExecutor(backend.hand, self._execution, backend.worlds, self._controller)
        executor.start(grasp, clouds=[detected.cloud])
        trial, grip = SimulationTrial(self._table_height), GripWatch(backend.worlds)
        observe = self._observe
        if self._disturbance is not None:
            observe = delayed(self._observe, CONTROL_PERIOD, self._disturbance.delay)
        toward = direction(self._rng)
        while not executor.finished.all():
            phase = Phase(int(executor.phase[0]))
            attempt.phase = phase.name
            observation = observe()
            self._targets = executor.step(observation)
            if phase == Phase.HOLD and self._disturbance is not None:
                self._push(float(executor.time_in_phase[0]), toward)
            attempt.interventions += self._step(self._targets, observation)
            truth = backend.truth()
            lifting = phase in (Phase.LIFT, Phase.HOLD)
            trial.update(truth, lifting=lifting)
            if lifting:
                grip.update(backend.observe().T_world_palm, truth)
            if phase == Phase.FULL_GRASP and executor.phase[0] == Phase.LIFT:
                attempt.plausibility = judge_contact(backend)
        backend.vary(gravity=GRAVITY[None])
        attempt.fallback = fallback_words(executor.controller)
        fault = Fault(int(executor.fault[0]))
        attempt.phase = Phase.DONE.name if fault == Fault.NONE else attempt.phase
        attempt.fail(fault, "" if fault == Fault.NONE else fault_words(fault))
        attempt.simulation = trial.verdict()
        if grip.watched[0]:
            attempt.drift, attempt.turn = float(grip.drift[0]), float(grip.turn[0])
            attempt.slipped = bool(grip.slipped[0])

    def _push(self, time_in_hold: float, toward: Array) -> None:
        mass = self._backend.placements[0].model.mass
        assert self._disturbance is not None
        self._backend.vary(gravity=self._disturbance.acceleration(time_in_hold, toward, mass))

    def _still_there(self, before: int) -> bool:
        """Whether as many objects stand on the table as before; the held one is above it."""
        try:
            return standing(self._look().objects) >= before
        except SceneError:
            return False


def judge_contact(backend: SimBackend) -> Plausibility:
    """Mesh plausibility of what the hand does right now to object 0."""
    observation, truth = backend.observe(), backend.truth()
    T_object_palm: Array = inverse(truth.T_world_object[0, 0]) @ observation.T_world_palm[0]
    model = backend.placements[0].model
    return plausibility(backend.hand, observation.joint_position[0], T_object_palm, model)
