"""Many grasps of one object tried at once, with the executor that runs on the robot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dexgrasp.evaluation.batch.protocol import Protocol, Randomisation
from dexgrasp.evaluation.simulation import SimulationTrial, SimulationVerdict
from dexgrasp.execution import Fault, GraspExecutor, Phase
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel
from dexgrasp.simulation import make_backend
from dexgrasp.types import Array, GraspSet, ObjectPlacement

LOADED = (Phase.LIFT, Phase.HOLD)
LONGEST = 30.0  # [s] of one trial; every phase has its own timeout before that


@dataclass(frozen=True)
class Conditions:
    """What differs between n trials: mass [kg] and friction (n,), the object's displacement.

    offset: (n, 3) metres along x and y and radians about z of the table.  joint_error: (n, J).
    """

    mass: Array
    friction: Array
    offset: Array
    joint_error: Array

    @classmethod
    def nominal(cls, n: int, model: ObjectModel, protocol: Protocol, joints: int) -> Conditions:
        """The protocol's own mass and friction, else the object's, and no error."""
        mass = model.mass if protocol.mass is None else protocol.mass
        friction = model.friction if protocol.friction is None else protocol.friction
        return cls(np.full(n, mass), np.full(n, friction), np.zeros((n, 3)), np.zeros((n, joints)))

    def randomised(
        self, ranges: Randomisation, generators: list[np.random.Generator]
    ) -> Conditions:
        """Each trial varied by its own generator, so that it depends on nothing else."""
        joints = self.joint_error.shape[1]
        draws = [
            (
                g.uniform(*ranges.mass),
                g.uniform(*ranges.friction),
                g.normal(size=3) * [ranges.position, ranges.position, ranges.yaw],
                g.normal(size=joints) * ranges.joints,
            )
            for g in generators
        ]
        mass, friction, offset, error = (np.array(column) for column in zip(*draws, strict=True))
        return Conditions(self.mass * mass, self.friction * friction, offset, error)

    def where(self, chosen: Array, other: Conditions) -> Conditions:
        """`other` in the trials (n,) bool that are chosen, these in the rest."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        wide = [(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in pairs]
        return Conditions(*(np.where(mask, b, a) for mask, a, b in wide))

    def __getitem__(self, rows: Array) -> Conditions:
        """The conditions of the trials at `rows` (a mask or indices)."""
        return Conditions(*(value[rows] for value in vars(self).values()))


@dataclass(frozen=True)
class TrialOutcome:
    """What became of one grasp: the worst of its worlds.

    phase: reached last, or DONE.  drift: of the object in the hand since the lift began [m].
    """

    verdict: SimulationVerdict
    phase: Phase
    fault: Fault
    drift: float


def run_trials(
    hand: HandModel,
    model: ObjectModel,
    grasps: GraspSet,
    conditions: Conditions,
    protocol: Protocol,
    kind: str = "mujoco",
) -> list[TrialOutcome]:
    """Try n grasps (in the object's frame) under n conditions; one outcome each.

    Every grasp gets a world for each acceleration of the protocol and passes when it passes
    in all. Outcomes do not depend on which grasps are tried together.
    """
    count = len(protocol.accelerations)
    worlds = np.repeat(np.arange(len(grasps)), count)
    grasps, conditions = grasps[worlds], conditions[worlds]
    acceleration = np.tile(np.array(protocol.accelerations), (len(worlds) // count, 1))
    simulation = protocol.simulation_config()
    backend = make_backend(kind, hand, simulation, worlds=len(worlds), threads=1)
    try:
        run = _Run(hand, model, grasps, conditions, protocol, acceleration, backend)
        run.loop()
        outcomes = run.outcomes()
    finally:
        backend.close()
    return [
        min(outcomes[i : i + count], key=lambda o: (o.verdict.success, -o.drift))
        for i in range(0, len(outcomes), count)
    ]


class _Run:
    """The worlds of one batch, from the stand-off to the end of the last of them."""

    def __init__(self, hand, model, grasps, conditions, protocol, acceleration, backend) -> None:
        self.backend = backend
        self.protocol = protocol
        self.acceleration = acceleration
        self.execution = protocol.execution_config()
        table = backend.config.table_height
        T_expected = model.T_table_object.copy()
        T_expected[2, 3] += table + protocol.elevation
        grasps = _in_world(grasps, T_expected, conditions.joint_error, hand)
        backend.load([ObjectPlacement(model, T_expected)])
        backend.vary(self._gravity(np.zeros(len(grasps), dtype=bool)), conditions.friction)
        backend.vary(mass=conditions.mass[:, None])
        start = grasps.T_frame_palm.copy()
        start[:, :3, 3] -= self.execution.clearance * grasps.approach
        backend.reset(
            T_world_palm=start,
            joint_position=grasps.pregrasp,
            T_world_object=_displaced(T_expected, conditions.offset)[:, None],
        )
        self.executor = GraspExecutor(hand, self.execution, len(grasps))
        self.executor.start(grasps)
        self.trial = SimulationTrial(table, protocol.criteria)
        self.last_phase = self.executor.phase.copy()
        self.grip = np.full((len(grasps), 4, 4), np.nan)

    def loop(self) -> None:
        """Step the worlds that are still running until none is."""
        executor, period = self.executor, self.protocol.control_period
        self.trial.update(self.backend.truth())
        for _ in range(int(LONGEST / period)):
            running = ~executor.finished & ~self.trial.lost
            if not running.any():
                return
            self.last_phase[running] = executor.phase[running]
            command = executor.step(self.backend.observe())
            self.backend.vary(self._gravity(self._loaded()))
            self.backend.step(command, period, np.flatnonzero(running))
            truth = self.backend.truth()
            self.trial.update(truth, lifting=np.isin(executor.phase, LOADED))
            self._mark_grip(truth)

    def _loaded(self) -> Array:
        """(N,) bool: the fingers have squeezed, so that the load may come."""
        settling = self.executor.phase == Phase.FULL_GRASP
        settling &= self.executor.time_in_phase >= self.execution.squeeze_time
        return settling | (self.executor.phase >= Phase.LIFT)

    def _gravity(self, loaded: Array) -> Array:
        return self.protocol.gravity_at(loaded, self.acceleration)

    def _mark_grip(self, truth) -> None:
        fresh = np.isin(self.executor.phase, LOADED) & np.isnan(self.grip[:, 0, 0])
        if fresh.any():
            self.grip[fresh] = self._in_hand(truth)[fresh]

    def _in_hand(self, truth) -> Array:
        return inverse(self.backend.observe().T_world_palm) @ truth.T_world_object[:, 0]

    def outcomes(self) -> list[TrialOutcome]:
        """One for each world, in their order."""
        in_hand = self._in_hand(self.backend.truth())
        drift = np.linalg.norm(in_hand[:, :3, 3] - self.grip[:, :3, 3], axis=1)
        done = self.executor.phase == Phase.DONE
        phases = np.where(done, Phase.DONE, self.last_phase)
        verdicts = [
            replace(v, success=v.success and bool(ok))
            for v, ok in zip(self.trial.verdicts(), done | self.trial.lost, strict=True)
        ]
        return [
            TrialOutcome(verdict, Phase(int(phase)), Fault(int(fault)), float(gap))
            for verdict, phase, fault, gap in zip(
                verdicts, phases, self.executor.fault, drift, strict=True
            )
        ]


def _in_world(grasps: GraspSet, T_world_object: Array, error: Array, hand: HandModel) -> GraspSet:
    """The grasps at the object's pose, with a constant error (n, J) on every joint target."""
    return replace(
        grasps,
        frame="world",
        T_frame_palm=T_world_object @ grasps.T_frame_palm,
        approach=grasps.approach @ T_world_object[:3, :3].T,
        pregrasp=hand.clip(grasps.pregrasp + error),
        grasp=hand.clip(grasps.grasp + error),
        squeeze=hand.clip(grasps.squeeze + error),
    )


def _displaced(T_world_object: Array, offset: Array) -> Array:
    """(n, 4, 4) poses turned about the vertical through the object's own place, then moved."""
    poses = np.tile(T_world_object, (len(offset), 1, 1))
    cos, sin = np.cos(offset[:, 2]), np.sin(offset[:, 2])
    turn = np.tile(np.eye(3), (len(offset), 1, 1))
    turn[:, 0, 0], turn[:, 0, 1], turn[:, 1, 0], turn[:, 1, 1] = cos, -sin, sin, cos
    poses[:, :3, :3] = turn @ poses[:, :3, :3]
    poses[:, :2, 3] = (turn @ poses[:, :3, 3:])[:, :2, 0] + offset[:, :2]
    return poses
