"""A pick that fails withdraws, looks again and tries another grasp, in the real simulator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dexgrasp.errors import NoGraspError, SceneError
from dexgrasp.evaluation import pick as pick_module
from dexgrasp.evaluation.disturbance import GRAVITY, Disturbance, delayed, direction
from dexgrasp.evaluation.grip import SLIP_ANGLE, SLIP_DISTANCE, GripWatch
from dexgrasp.evaluation.pick import pick, random_placement
from dexgrasp.evaluation.pick_record import PickRecord
from dexgrasp.execution import ExecutionConfig, Fault, GraspExecutor, Phase
from dexgrasp.execution.attempts import NOT_LIFTED
from dexgrasp.execution.carry import Motion, carried, placed
from dexgrasp.geometry import rotation_between
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.simulation import MujocoBackend, SimulationConfig
from dexgrasp.synthesis import Condition, GraspGeometry, SynthesisConfig, make_synthesizer
from dexgrasp.types import GraspSet, GroundTruth, Observation, concatenated

HAND = HandModel.load("allegro_right")
SIMULATION = SimulationConfig.load()
SEED = 3
HIGH = np.array([0.0, 0.0, 0.15])  # [m]


class Scripted:
    """Real grasps of the can where it stands first; of call k, after `script[k]` changed them."""

    known: GraspSet | None = None  # the same for every test: the can, the view and the seed are

    def __init__(self, *script) -> None:
        self.script = script
        self.seeds: list[int] = []

    def synthesize(self, hand, geometry: GraspGeometry, count, seed=0, condition=Condition()):  # noqa: B008
        if Scripted.known is None:
            shipped = SynthesisConfig.load()
            check = shipped.check.model_copy(update={"candidates": 4, "rounds": 1})
            small = shipped.model_copy(update={"samples": 64, "check": check})
            inner = make_synthesizer("optimize", small)
            Scripted.known = inner.synthesize(hand, geometry, count, seed, condition)
        change = self.script[len(self.seeds)]
        self.seeds.append(seed)
        return change(Scripted.known)

    def stream(self, hand, geometry, count, seed=0, condition=Condition()):  # noqa: B008
        yield self.synthesize(hand, geometry, count, seed, condition)


def unchanged(grasps: GraspSet) -> GraspSet:
    return grasps


def in_the_air(grasps: GraspSet) -> GraspSet:
    """Above the can, with fingers that stay open: they touch neither it nor each other."""
    poses = grasps.T_frame_palm.copy()
    poses[:, :3, 3] += HIGH
    wide = grasps.pregrasp
    return replace(
        grasps, T_frame_palm=poses, grasp=wide, squeeze=wide, kind=("air",) * len(grasps)
    )


def first_in_the_air(grasps: GraspSet) -> GraspSet:
    """A missing grasp before the real ones, with the best one's score."""
    return concatenated([in_the_air(grasps[:1]), grasps])


def run(synthesizer: Scripted, attempts: int, **options) -> tuple[PickRecord, MujocoBackend]:
    backend = MujocoBackend(HAND, SIMULATION, seed=SEED)
    placement = random_placement(load_object("tomato_soup_can"), 0.0, SEED)
    record = pick(
        backend, synthesizer, ExecutionConfig.load(), placement, SEED, 0.0, attempts, **options
    )
    return record, backend


def test_a_closure_on_nothing_is_followed_by_another_seed() -> None:
    synthesizer = Scripted(lambda g: in_the_air(g)[:1], unchanged)
    record, _ = run(synthesizer, attempts=3)
    first, second = record.attempts
    assert (first.error_code, first.phase) == (Fault.NOTHING_GRASPED, Phase.FULL_GRASP.name)
    assert (second.success, second.error_code, second.known) == (True, Fault.NONE, False)
    assert record.success
    assert len(set(synthesizer.seeds)) == 2
    assert record.as_dict()["attempts"][0]["error_msg"] == first.error_msg != ""


def test_the_known_grasps_serve_while_the_object_has_not_moved() -> None:
    synthesizer = Scripted(first_in_the_air)
    record, _ = run(synthesizer, attempts=3)
    first, second = record.attempts
    assert first.error_code == Fault.NOTHING_GRASPED
    assert (second.known, second.success) == (True, True)
    assert second.grasp_kind != "air"
    assert synthesizer.seeds == [SEED]


def test_attempts_end_at_their_limit_and_the_last_one_decides() -> None:
    record, _ = run(Scripted(lambda g: in_the_air(g)[:1]), attempts=1)
    assert [a.error_code for a in record.attempts] == [Fault.NOTHING_GRASPED]
    assert not record.success


def test_no_grasp_is_tried_again_with_another_seed() -> None:
    def none(_grasps: GraspSet) -> GraspSet:
        raise NoGraspError("nothing survived")

    record, _ = run(Scripted(none, unchanged), attempts=3)
    assert [a.error_code for a in record.attempts] == [NoGraspError.code, Fault.NONE]
    assert record.success


def test_an_object_that_left_is_said_to_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    withdraw = pick_module._Picker.withdraw

    def push_off(self) -> None:
        withdraw(self)
        gone = np.eye(4)[None, None].copy()
        gone[0, 0, :3, 3] = 3.0, 0.0, 0.1
        self._backend.reset(T_world_object=gone)

    monkeypatch.setattr(pick_module._Picker, "withdraw", push_off)
    record, _ = run(Scripted(lambda g: in_the_air(g)[:1]), attempts=3)
    assert len(record.attempts) == 2
    assert record.last.error_code == SceneError.code
    assert "left" in record.last.error_msg or "fell" in record.last.error_msg


def test_a_goal_that_ends_well_with_an_empty_hand_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """An executor that is content whatever it feels, and a look that is not."""

    class Content(GraspExecutor):
        def step(self, observation: Observation):
            return super().step(replace(observation, finger_force=self.deceived(observation)))

        def deceived(self, observation: Observation) -> np.ndarray:
            closed = self.phase[0] >= Phase.FULL_GRASP
            return np.full_like(observation.finger_force, 2.0 if closed else 0.0)

    monkeypatch.setattr(pick_module, "GraspExecutor", Content)
    record, _ = run(Scripted(lambda g: in_the_air(g)[:1], unchanged), attempts=2)
    first, second = record.attempts
    assert (first.error_code, first.error_msg) == (Fault.OBJECT_LOST, NOT_LIFTED)
    assert (first.phase, first.success) == (Phase.DONE.name, False)
    assert second.success


def test_the_hand_returns_to_where_it_looked_from() -> None:
    backend = MujocoBackend(HAND, SIMULATION, seed=SEED)
    backend.load([random_placement(load_object("tomato_soup_can"), 0.0, SEED)])
    synthesizer = Scripted(lambda g: in_the_air(g)[:1])
    picker = pick_module._Picker(backend, synthesizer, ExecutionConfig.load(), 0.0, SEED, None)
    before = backend.observe().T_world_palm[0]
    picker.attempt(pick_module.Attempt(), 0)
    assert np.linalg.norm(backend.observe().T_world_palm[0, :3, 3] - before[:3, 3]) > 0.1
    picker.withdraw()
    assert np.linalg.norm(backend.observe().T_world_palm[0, :3, 3] - before[:3, 3]) < 0.02


def test_a_can_is_carried_and_placed_where_it_is_asked_for() -> None:
    config = ExecutionConfig.load()
    backend = MujocoBackend(HAND, SIMULATION, seed=SEED)
    backend.load([random_placement(load_object("tomato_soup_can"), 0.0, SEED)])
    first = backend.truth().T_world_object[0, 0]
    picker = pick_module._Picker(backend, Scripted(unchanged), config, 0.0, SEED, None)
    attempt = pick_module.Attempt()
    picker.attempt(attempt, 0)
    assert attempt.success, attempt
    now = picker._targets
    assert now is not None
    grasped = now.T_world_palm.copy()
    grasped[:, 2, 3] -= config.lift_height
    aside = now.T_world_palm.copy()
    aside[:, 1, 3] += 0.10
    goal = np.array([[-0.05, 0.12, 0.6]])
    grasp = picker._choice.tried[0].grasp
    motion = Motion(
        now,
        [
            *carried([aside], config, seconds=0.5),
            *placed(now, grasp, grasped, first[None, :2, 3], goal, config),
        ],
        HAND,
        config,
    )
    while not motion.finished.all():
        backend.step(motion.step(backend.observe()), pick_module.CONTROL_PERIOD)
    assert not motion.lost.any()
    last = backend.truth().T_world_object[0, 0]
    assert np.linalg.norm(last[:2, 3] - goal[0, :2]) < 0.03
    assert abs(last[2, 3] - first[2, 3]) < 0.01  # it stands again
    turn = rotation_between(first[None], last[None])[0]
    assert abs(turn[2] - 0.6) < np.deg2rad(15.0)
    assert backend.truth().finger_object_force.max() < 0.05
    backend.close()


def test_a_disturbed_pick_runs_with_its_own_mass_and_pose_error() -> None:
    push = Disturbance(push=2.0)
    record, backend = run(Scripted(unchanged), attempts=1, disturbance=push)
    assert record.last.simulation is not None
    assert record.last.phase in {phase.name for phase in Phase}
    backend.close()


def test_the_pose_error_is_as_large_as_it_says() -> None:
    rng = np.random.default_rng(0)
    pose = np.tile(np.eye(4), (1, 1, 1))
    pose[0, :3, 3] = 0.1, 0.0, 0.2
    joints, nan = np.zeros((1, 16)), np.zeros((1, 4, 3))
    grasp = GraspSet(
        HAND.name, "world", pose, np.array([[0.0, 0.0, -1.0]]), joints, joints, joints, nan, nan,
        np.ones(1), ("power",), "test",
    )  # fmt: skip
    center = np.array([0.1, 0.0, 0.2])  # so that the turn moves the palm's origin nowhere
    moved = Disturbance().misplaced(grasp, center, rng)
    assert np.linalg.norm(moved.T_frame_palm[0, :3, 3] - pose[0, :3, 3]) == pytest.approx(0.005)
    turn = np.arccos((np.trace(moved.T_frame_palm[0, :3, :3]) - 1.0) / 2.0)
    assert turn == pytest.approx(np.deg2rad(5.0))
    carried = moved.T_frame_palm[0, :3, :3] @ [0.0, 0.0, -1.0]
    assert np.allclose(moved.approach[0], carried)


def test_the_push_is_a_force_and_lasts_its_time() -> None:
    disturbance = Disturbance(push=5.0, push_start=0.3, push_time=0.3)
    toward = direction(np.random.default_rng(1))
    assert np.linalg.norm(toward) == pytest.approx(1.0)
    pushed = disturbance.acceleration(0.4, toward, mass=0.25)
    assert pushed - GRAVITY == pytest.approx(20.0 * toward[None])
    for outside in (0.29, 0.6):
        assert np.allclose(disturbance.acceleration(outside, toward, 0.25), GRAVITY)


def test_observations_come_late() -> None:
    clock = iter(range(100))
    late = delayed(lambda: next(clock), period=0.01, delay=0.05)  # type: ignore[arg-type,return-value]
    assert [late() for _ in range(9)] == [0, 0, 0, 0, 0, 0, 1, 2, 3]


def truth(position: np.ndarray, turn: float = 0.0) -> GroundTruth:
    pose = np.eye(4)[None, None].copy()
    pose[0, 0, :3, 3] = position
    cos, sin = np.cos(turn), np.sin(turn)
    pose[0, 0, :2, :2] = [[cos, -sin], [sin, cos]]
    return GroundTruth(np.zeros(1), pose, pose[:, :, :3, 3], np.zeros((1, 1, 3)), np.zeros((1, 4)))


@pytest.mark.parametrize("share", [0.9, 1.1])
def test_a_slip_is_motion_in_the_hand(share: float) -> None:
    palm = np.eye(4)[None]
    lifted = palm.copy()
    lifted[0, 2, 3] = 0.3
    for position, turn in (
        ([share * SLIP_DISTANCE, 0, 0.3], 0.0),
        ([0, 0, 0.3], share * SLIP_ANGLE),
    ):
        watch = GripWatch(1)
        assert not watch.watched[0]
        watch.update(palm, truth(np.zeros(3)))
        watch.update(lifted, truth(np.array([0, 0, 0.3])))
        assert (bool(watch.watched[0]), bool(watch.slipped[0])) == (True, False)
        watch.update(lifted, truth(np.array(position), turn))
        watch.update(lifted, truth(np.array([0, 0, 0.3])))  # back again: it slipped all the same
        assert watch.slipped[0] == (share > 1.0)
