"""Trials in which a teacher or a student closes the hand while the teacher says what it would do.

The teacher is the reactive phase machine with what only a simulator knows: the forces between
fingers and object. The student acts on proprioception and the seen cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dexgrasp.evaluation.disturbance import Disturbance
from dexgrasp.execution import ExecutionConfig, GraspExecutor, Phase
from dexgrasp.execution.policy.controller import Rate
from dexgrasp.execution.policy.inputs import PolicyInputs
from dexgrasp.execution.policy.manifest import PolicyManifest
from dexgrasp.hands import HandModel
from dexgrasp.learning.lessons import Lesson
from dexgrasp.simulation import MujocoBackend, SimulationConfig
from dexgrasp.synthesis import SynthesisConfig
from dexgrasp.types import Array, Command, GraspSet, Observation

CONTROL_PERIOD = 0.008  # [s], the node's own
LONGEST = 8.0  # [s] of one trial
LIFT = 0.12  # [m]
UNSEEN = 0.25  # share of the trials in which the student knows only the grasp's contact points
MASS, FRICTION = (0.7, 1.3), (0.5, 1.0)  # factors of the object's own
MISPLACED = 0.005, np.deg2rad(5.0)  # [m, rad] at most, of the palm about the object
NOISE = 0.03  # [rad] constant error of a teacher's targets: shows what mends a small one

Student = Callable[[Array], Array]
"""Joint targets (n, J) [rad] for observations (n, D) in the units of their terms."""


@dataclass(frozen=True)
class Records:
    """What was seen, (n, D) float32 in the terms' units, and what the teacher would do, (n, J)."""

    seen: Array
    wanted: Array

    @classmethod
    def joined(cls, parts: Sequence[Records]) -> Records:
        """All of them as one."""
        seen, wanted = ([getattr(p, name) for p in parts] for name in ("seen", "wanted"))
        return cls(np.concatenate(seen), np.concatenate(wanted))


class Apprentice:
    """A `Controller` that records; the student acts where it is not `taught` (N,).

    error: (N, J) added to the teacher's targets [rad].
    """

    feels = True
    holds = False

    def __init__(
        self, raw: PolicyManifest, hand: HandModel, student: Student | None, taught: Array,
        error: Array,
    ) -> None:  # fmt: skip
        """raw: a manifest that does not normalise."""
        self.records: list[Records] = []
        self._inputs = PolicyInputs(raw, hand, len(taught))
        self._rate = Rate(raw.period, len(taught))
        self._student, self._taught, self._error = student, taught, error
        self._value = np.zeros_like(error)

    def start(self, rows: Array, grasps: GraspSet) -> None:
        """See `Controller`."""
        self._inputs.start(rows, grasps)

    def see(self, rows: Array, clouds: Sequence[Array]) -> None:
        """See `Sees`."""
        self._inputs.see(rows, clouds)

    def command(self, phase: Array, nominal: Command, observation: Observation) -> Command:
        """See `Controller`."""
        inputs, joints = self._inputs, nominal.joint_position
        inputs.begin(phase, joints, observation)
        self._rate.restart(np.flatnonzero(inputs.fresh))
        rows = np.flatnonzero(inputs.acting & self._rate.due(observation.time))
        if len(rows):
            seen = inputs.assemble(rows, observation)
            self.records.append(Records(seen, joints[rows].astype(np.float32)))
            if self._student is not None:
                self._value[rows] = self._student(seen)
        taught = np.where(self._taught[:, None], joints + self._error, self._value)
        targets = np.where(inputs.acting[:, None], taught, joints)
        inputs.commanded(targets)
        return Command(targets, nominal.T_world_palm)


def training_execution() -> ExecutionConfig:
    """The executor's own figures with a short way to the object, lift and hold."""
    return ExecutionConfig.load().model_copy(
        update={
            "clearance": 0.04,
            "travel_height": 0.0,
            "cover_speed": 0.25,
            "lift_height": LIFT,
            "hold_time": 0.5,
        }
    )


def practise(
    hand: HandModel,
    lesson: Lesson,
    raw: PolicyManifest,
    student: Student | None,
    share_taught: float,
    rng: np.random.Generator,
) -> tuple[Records, Array, Array]:
    """Try every grasp of a lesson; records, taught (N,) bool and success (N,) bool.

    share_taught: of the worlds in which the teacher acts; all of them without a student.
    """
    count = len(lesson.grasps)
    taught = np.full(count, True) if student is None else rng.random(count) < share_taught
    noise = NOISE * rng.normal(size=(count, hand.joint_count)) * (rng.random(count) < 0.5)[:, None]
    execution = training_execution()
    grasps = misplaced(lesson, rng)
    backend = _world(hand, lesson, grasps, execution, rng)
    try:
        executor = GraspExecutor(hand, execution, count)
        apprentice = executor.controller = Apprentice(raw, hand, student, taught, noise)
        seen = [
            points if rng.random() < UNSEEN else lesson.cloud for points in grasps.contact_points
        ]
        executor.start(grasps, clouds=seen)
        success = _run(backend, executor)
    finally:
        backend.close()
    return Records.joined(apprentice.records), taught, success


def misplaced(lesson: Lesson, rng: np.random.Generator) -> GraspSet:
    """The grasps as a hand would execute them that is not quite where it should be."""
    center = lesson.cloud.mean(axis=0)
    poses, approaches = [], []
    for index in range(len(lesson.grasps)):
        share = rng.random()
        error = Disturbance(position=share * MISPLACED[0], angle=share * MISPLACED[1])
        moved = error.misplaced(lesson.grasps[index], center, rng)
        poses.append(moved.T_frame_palm[0])
        approaches.append(moved.approach[0])
    return replace(lesson.grasps, T_frame_palm=np.array(poses), approach=np.array(approaches))


def _world(
    hand: HandModel,
    lesson: Lesson,
    grasps: GraspSet,
    execution: ExecutionConfig,
    rng: np.random.Generator,
) -> MujocoBackend:
    """One world for each grasp, the hand at its stand-off."""
    count = len(grasps)
    # As in the synthesizer's own check: creep does not show in three seconds.
    faster = {"noslip_iterations": 0, "timestep": SynthesisConfig.load().check.timestep}
    simulation = SimulationConfig.load().model_copy(update=faster)
    backend = MujocoBackend(hand, simulation, worlds=count, threads=1)
    placement = lesson.placement
    backend.load([placement])
    backend.vary(
        friction=placement.model.friction * rng.uniform(*FRICTION, count),
        mass=placement.model.mass * rng.uniform(*MASS, (count, 1)),
    )
    away = grasps.T_frame_palm.copy()
    away[:, :3, 3] -= execution.clearance * grasps.approach
    backend.reset(T_world_palm=away, joint_position=grasps.pregrasp)
    return backend


def _run(backend: MujocoBackend, executor: GraspExecutor) -> Array:
    """(N,) bool: the object is lifted when the goal ends well."""
    before = backend.truth().object_com[:, 0, 2]
    for _ in range(int(LONGEST / CONTROL_PERIOD)):
        running = np.flatnonzero(~executor.finished)
        if not len(running):
            break
        known = replace(backend.observe(), finger_force=backend.truth().finger_object_force)
        backend.step(executor.step(known), CONTROL_PERIOD, running.tolist())
    rise = backend.truth().object_com[:, 0, 2] - before
    return (executor.phase == Phase.DONE) & (rise > 0.8 * LIFT)
