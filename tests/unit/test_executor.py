"""The phase machine on an ideal plant that follows every command at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexgrasp.errors import ConfigError, ExecutionError, GraspError
from dexgrasp.execution import ExecutionConfig, Fault, GraspExecutor, Phase, fault_words
from dexgrasp.execution.phases import FAULT_WORDS
from dexgrasp.hands import HandModel
from dexgrasp.types import Command, GraspSet, Observation

HAND = HandModel.load("allegro_right")
CONFIG = ExecutionConfig.load()
PERIOD = 0.02
J = HAND.joint_count


def grasps(count: int = 1, hand: str = "allegro_right") -> GraspSet:
    pose = np.tile(np.eye(4), (count, 1, 1))
    pose[:, :3, :3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]
    pose[:, :3, 3] = [0.0, 0.0, 0.15]
    grasp = np.tile(HAND.postures["precision"], (count, 1))
    nan = np.full((count, 4, 3), np.nan)
    return GraspSet(
        hand, "world", pose, np.tile([0.0, 0.0, -1.0], (count, 1)), HAND.clip(grasp - 0.3), grasp,
        HAND.clip(grasp + 0.1), nan, nan, np.ones(count), ("tripod",) * count, "test",
    )  # fmt: skip


class Plant:
    """Follows commands exactly; fingers feel 2 N from the given stroke of the closure on."""

    def __init__(self, worlds: int = 1, touch: bool = True, blocked: bool = False) -> None:
        self.time = np.zeros(worlds)
        self.joints = np.tile(HAND.postures["open"], (worlds, 1))
        self.palm = np.tile(np.eye(4), (worlds, 1, 1))
        self.palm[:, :3, 3] = [-0.3, 0.0, 0.5]
        self.touch, self.blocked = touch, blocked

    def observe(self) -> Observation:
        closed = self.joints[:, 1:2] > HAND.postures["precision"][1] - 0.1
        force = np.where(closed & self.touch, 2.0, 0.0) * np.ones(4)
        return Observation(
            self.time.copy(), self.joints.copy(), np.zeros_like(self.joints),
            np.zeros_like(self.joints), self.palm.copy(), force,
        )  # fmt: skip

    def apply(self, command: Command) -> None:
        self.time = self.time + PERIOD
        self.joints = command.joint_position
        if not self.blocked:
            self.palm = command.T_world_palm


class LaggingPlant(Plant):
    """Its joints trail their targets, by 0.04 rad in a closure."""

    def apply(self, command: Command) -> None:
        super().apply(command)
        self.joints = self._was + 0.3 * (command.joint_position - self._was)

    def observe(self) -> Observation:
        self._was = self.joints
        return super().observe()


def run(executor: GraspExecutor, plant: Plant, until: Phase | None = None) -> list[Phase]:
    """Step until all worlds finish or world 0 reaches a phase; the phases it went through."""
    seen: list[Phase] = []
    for _ in range(3000):
        phase = Phase(int(executor.phase[0]))
        if not seen or seen[-1] != phase:
            seen.append(phase)
        if executor.finished.all() or phase == until:
            return seen
        plant.apply(executor.step(plant.observe()))
    raise AssertionError(f"never ended; phases {seen}")


def started(plant_worlds: int = 1, place_back: bool = False) -> GraspExecutor:
    executor = GraspExecutor(HAND, CONFIG, plant_worlds)
    executor.start(grasps(plant_worlds), place_back=place_back)
    return executor


def test_phases_in_the_survey_order() -> None:
    executor = started()
    assert run(executor, Plant()) == [
        Phase.APPROACH, Phase.COVER, Phase.PREGRASP_CLOSURE, Phase.FULL_GRASP, Phase.LIFT,
        Phase.HOLD, Phase.DONE,
    ]  # fmt: skip
    assert executor.fault[0] == Fault.NONE


def test_a_finger_that_touches_waits_where_it_is() -> None:
    plant, executor = LaggingPlant(), started()
    run(executor, plant, Phase.PREGRASP_CLOSURE)
    while not executor.touching.any():
        plant.apply(executor.step(plant.observe()))
    at_touch = plant.joints.copy()
    run(executor, plant, Phase.FULL_GRASP)
    np.testing.assert_allclose(plant.joints, at_touch, atol=0.01)


def test_place_back_ends_at_the_stand_off_with_open_fingers() -> None:
    executor, plant = started(place_back=True), Plant()
    seen = run(executor, plant)
    assert seen[-4:] == [Phase.PLACE, Phase.RELEASE, Phase.RETREAT, Phase.DONE]
    assert plant.palm[0, 2, 3] == pytest.approx(0.15 + CONFIG.clearance, abs=1e-6)
    np.testing.assert_allclose(plant.joints[0], grasps().pregrasp[0], atol=1e-6)


def test_release_after_done() -> None:
    executor, plant = started(), Plant()
    run(executor, plant)
    assert plant.palm[0, 2, 3] == pytest.approx(0.15 + CONFIG.lift_height, abs=1e-6)
    plant.time += 60.0  # held for a while, in which nobody steps
    executor.release()
    assert run(executor, plant) == [Phase.PLACE, Phase.RELEASE, Phase.RETREAT, Phase.DONE]


@pytest.mark.parametrize(
    "phase",
    [Phase.APPROACH, Phase.COVER, Phase.PREGRASP_CLOSURE, Phase.FULL_GRASP, Phase.LIFT, Phase.HOLD,
     Phase.PLACE, Phase.RELEASE, Phase.RETREAT],
)  # fmt: skip
def test_cancel_at_every_phase_is_safe_and_the_next_goal_works(phase: Phase) -> None:
    executor, plant = started(place_back=True), Plant()
    run(executor, plant, until=phase)
    plant.apply(executor.step(plant.observe()))
    executor.cancel()
    run(executor, plant)
    assert executor.phase[0] == Phase.FAILED
    assert executor.fault[0] == Fault.CANCELLED
    if phase >= Phase.FULL_GRASP:
        assert plant.palm[0, 2, 3] < 0.15 + CONFIG.clearance + 1e-6
    executor.start(grasps())
    assert run(executor, plant)[-1] == Phase.DONE


def test_a_held_target_after_failure() -> None:
    executor, plant = started(), Plant()
    run(executor, plant, until=Phase.COVER)
    executor.cancel()
    first = executor.step(plant.observe())
    for _ in range(10):
        plant.apply(first)
        later = executor.step(plant.observe())
    np.testing.assert_array_equal(first.joint_position, later.joint_position)
    np.testing.assert_array_equal(first.T_world_palm, later.T_world_palm)


def test_nothing_grasped() -> None:
    executor = started()
    assert run(executor, Plant(touch=False))[-1] == Phase.FAILED
    assert executor.fault[0] == Fault.NOTHING_GRASPED


def test_object_lost_during_the_lift() -> None:
    executor, plant = started(), Plant()
    run(executor, plant, until=Phase.LIFT)
    plant.touch = False
    run(executor, plant)
    assert executor.fault[0] == Fault.OBJECT_LOST


def test_a_palm_that_does_not_move_times_out_or_is_blocked() -> None:
    executor = started()
    run(executor, Plant(blocked=True))
    assert executor.fault[0] == Fault.APPROACH_TIMEOUT
    executor, plant = started(), Plant()
    run(executor, plant, until=Phase.COVER)
    plant.blocked = True
    run(executor, plant)
    assert executor.fault[0] == Fault.COVER_BLOCKED


@pytest.mark.parametrize("field", ["joint_position", "T_world_palm"])
def test_nan_observation_fails_and_holds_the_last_target(field: str) -> None:
    executor, plant = started(), Plant()
    run(executor, plant, until=Phase.COVER)
    good = executor.step(plant.observe())
    bad = plant.observe()
    bad.time += PERIOD
    getattr(bad, field)[0, 0] = np.nan
    command = executor.step(bad)
    assert executor.fault[0] == Fault.BAD_OBSERVATION
    np.testing.assert_array_equal(command.joint_position, good.joint_position)
    np.testing.assert_array_equal(command.T_world_palm, good.T_world_palm)


def test_time_that_runs_backwards_fails() -> None:
    executor, plant = started(), Plant()
    run(executor, plant, until=Phase.COVER)
    plant.time -= 1.0
    executor.step(plant.observe())
    assert executor.fault[0] == Fault.BAD_OBSERVATION


def test_refused_goals() -> None:
    executor = started()
    with pytest.raises(ExecutionError, match="still running"):
        executor.start(grasps())
    fresh = GraspExecutor(HAND, CONFIG, 1)
    with pytest.raises(ExecutionError, match="leap_right"):
        fresh.start(grasps(hand="leap_right"))
    with pytest.raises(ExecutionError, match="2 grasps given for 1 worlds"):
        fresh.start(grasps(2), worlds=np.array([0]))
    broken = grasps()
    broken.squeeze[0, 3] = np.nan
    with pytest.raises(GraspError, match="squeeze of grasp 0 is not finite"):
        fresh.start(broken)
    assert fresh.finished.all()


def test_worlds_are_independent_and_equal_to_one_alone() -> None:
    alone, many = started(1), started(3)
    one, three = Plant(1), Plant(3)
    for step in range(400):
        if step == 60:
            many.cancel(np.array([2]))
        first, second = alone.step(one.observe()), many.step(three.observe())
        np.testing.assert_allclose(second.joint_position[0], first.joint_position[0], atol=1e-12)
        np.testing.assert_allclose(second.T_world_palm[1], first.T_world_palm[0], atol=1e-12)
        one.apply(first)
        three.apply(second)
    assert many.fault[2] == Fault.CANCELLED
    assert many.phase[0] == alone.phase[0]


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=15, deadline=None)
def test_no_observation_makes_it_leave_limits_or_speed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    executor, plant = started(), Plant()
    previous = None
    for step in range(120):
        seen = plant.observe()
        seen.joint_position += rng.normal(0.0, 0.5, seen.joint_position.shape)
        seen.T_world_palm[:, :3, 3] += rng.normal(0.0, 0.05, 3)
        seen.finger_force = rng.exponential(1.0, (1, 4))
        if step and rng.random() < 0.02:
            seen.joint_position[0, rng.integers(J)] = np.nan
        command = executor.step(seen)
        assert np.isfinite(command.joint_position).all()
        assert (command.joint_position >= HAND.joint_lower).all()
        assert (command.joint_position <= HAND.joint_upper).all()
        if previous is not None:
            speed = np.abs(command.joint_position - previous).max() / PERIOD
            assert speed <= CONFIG.joint_speed_limit + 1e-6
        previous = command.joint_position
        plant.apply(command)
        if executor.finished.all():
            executor.start(grasps())


def test_nothing_is_commanded_from_an_unusable_first_observation() -> None:
    executor, seen = started(), Plant().observe()
    seen.joint_position[0, 3] = np.nan
    with pytest.raises(ExecutionError, match="first observation"):
        executor.step(seen)
    assert executor.finished.all()
    executor.start(grasps())
    usable = Plant().observe()
    command = executor.step(usable)
    np.testing.assert_allclose(command.joint_position, HAND.clip(usable.joint_position))


def test_every_fault_has_words() -> None:
    for fault in Fault:
        assert fault_words(fault)
    assert "ran out of time" in fault_words(Fault.LIFT_TIMEOUT)
    assert set(FAULT_WORDS) < set(Fault)


def test_open_loop_goes_by_the_clock_and_ends_at_the_planned_squeeze() -> None:
    executor, plant = GraspExecutor(HAND, CONFIG, 1, "open_loop"), Plant(touch=False)
    executor.start(grasps())
    assert run(executor, plant)[-1] == Phase.DONE
    np.testing.assert_allclose(plant.joints[0], grasps().squeeze[0], atol=1e-6)


def test_an_unknown_controller_is_refused() -> None:
    with pytest.raises(ConfigError, match="known: open_loop, reactive"):
        GraspExecutor(HAND, CONFIG, 1, "telepathy")
