"""Deliveries with their phases, on a plant that follows at once; pulls and joints that stick."""

from __future__ import annotations

import numpy as np
import pytest

from dexgrasp.errors import ExecutionError
from dexgrasp.execution import ExecutionConfig, Fault, Phase
from dexgrasp.execution.delivery import (
    Held,
    PhasedMotion,
    carry_stages,
    check_on_table,
    check_reach,
    hand_over_stages,
    place_stages,
    staged,
)
from dexgrasp.execution.handover import PULL_FORCE, PULL_TIME, SETTLE_TIME, PullWatch
from dexgrasp.execution.stuck import STUCK_TIME, StuckJoints
from dexgrasp.geometry import rotation_between
from dexgrasp.hands import HandModel
from dexgrasp.types import Command, GraspSet, Observation

HAND = HandModel.load("allegro_right")
CONFIG = ExecutionConfig.load()
PERIOD = 0.01
J = HAND.joint_count
APPROACH = np.array([0.0, 0.6, -0.8])


def pose(x: float, y: float, z: float, yaw: float = 0.0) -> np.ndarray:
    result = np.eye(4)
    result[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    result[:3, 3] = x, y, z
    return result


def held(worlds: int = 1) -> Held:
    joints = np.tile(HAND.postures["precision"], (worlds, 1))
    low = np.tile(pose(0.1, 0.0, 0.12), (worlds, 1, 1))
    nan = np.full((worlds, 4, 3), np.nan)
    grasps = GraspSet(
        HAND.name, "world", low, np.tile(APPROACH, (worlds, 1)), HAND.clip(joints - 0.3), joints,
        joints, nan, nan, np.ones(worlds), ("power",) * worlds, "test",
    )  # fmt: skip
    high = np.tile(pose(0.1, 0.0, 0.42), (worlds, 1, 1))
    return Held(grasps, low, Command(joints, high))


class Plant:
    """Hands that are where they are sent; `pull` (N, J) [rad] moves joints from their targets."""

    def __init__(self, machine: PhasedMotion, start: Held) -> None:
        self.machine, self.sent = machine, start.targets
        self.worlds = len(start.targets.joint_position)
        self.pull = np.zeros((self.worlds, J))
        self.force = np.full((self.worlds, 4), 2.0)
        self.now = 0.0
        self.phases: list[str] = []

    def observe(self) -> Observation:
        zero = np.zeros((self.worlds, J))
        return Observation(
            np.full(self.worlds, self.now), self.sent.joint_position + self.pull, zero, zero,
            self.sent.T_world_palm, self.force,
        )  # fmt: skip

    def step(self) -> None:
        self.sent = self.machine.step(self.observe())
        self.now += PERIOD
        phase = Phase(int(self.machine.phase[0])).name
        if not self.phases or self.phases[-1] != phase:
            self.phases.append(phase)

    def run(self, phase: Phase | None = None, limit: float = 30.0) -> None:
        """Until world 0 is in a phase, or all have ended."""
        end = self.now + limit
        while self.machine.phase[0] != phase and not self.machine.finished.all():
            assert self.now < end, self.phases
            self.step()


def delivery(kind: str, start: Held, timeout: float = 0.0) -> Plant:
    worlds = len(start.targets.joint_position)
    waypoints = [np.tile(pose(0.2, 0.1, 0.4, 0.5), (worlds, 1, 1))]
    stages = carry_stages(waypoints, CONFIG, 0.2)
    if kind == "place":
        where = np.tile([0.3, 0.1, 0.7], (worlds, 1))
        stages += place_stages(start, waypoints, np.zeros((worlds, 2)), where, CONFIG)
    if kind == "hand_over":
        stages += hand_over_stages(start, waypoints, CONFIG, timeout)
    return Plant(staged(start.targets, stages, HAND, CONFIG), start)


def test_a_carried_object_stays_in_the_hand() -> None:
    plant = delivery("carry", held())
    plant.run()
    assert plant.phases == ["CARRY", "DONE"]
    assert plant.machine.holding.all()
    np.testing.assert_allclose(plant.sent.T_world_palm[0], pose(0.2, 0.1, 0.4, 0.5), atol=1e-9)


def test_a_placed_object_is_let_go_where_the_palm_came_down() -> None:
    plant = delivery("place", held())
    plant.run(Phase.RELEASE)
    assert not plant.machine.holding.any()
    assert plant.sent.T_world_palm[0, 2, 3] == pytest.approx(0.12, abs=0.01)
    turned = rotation_between(np.eye(4)[None], plant.sent.T_world_palm)[0]
    np.testing.assert_allclose(turned, [0.0, 0.0, 0.7], atol=1e-6)
    plant.run()
    assert plant.phases == ["CARRY", "PLACE", "RELEASE", "RETREAT", "DONE"]
    np.testing.assert_allclose(plant.sent.joint_position, held().grasps.pregrasp, atol=1e-6)


def test_a_hand_that_waits_lets_go_at_a_pull_alone() -> None:
    start = held(2)
    plant = delivery("hand_over", start)
    plant.run(Phase.HAND_OVER)
    begin = plant.now
    while plant.now < begin + SETTLE_TIME + 5.0:
        plant.step()
    assert plant.machine.holding.all()
    plant.pull[0, 1] = 0.05  # 1.5 N at the tip
    plant.force[0] = 0.0  # and then it is gone: that is what a hand-over is for
    pulled_at = plant.now
    plant.run(Phase.RELEASE, 1.0)
    assert plant.now - pulled_at < PULL_TIME + 0.05
    assert plant.machine.pulled.tolist() == [True, False]
    plant.run(Phase.DONE)
    assert plant.machine.phase.tolist() == [Phase.DONE, Phase.HAND_OVER]
    assert plant.machine.holding.tolist() == [False, True]
    # Backwards along the approach as it is turned now.
    back = plant.sent.T_world_palm[0, :3, 3] - [0.2, 0.1, 0.4]
    turn = pose(0, 0, 0, 0.5)[:3, :3]
    np.testing.assert_allclose(back, -CONFIG.clearance * turn @ APPROACH, atol=1e-6)


def test_after_the_time_it_lets_go_without_a_pull() -> None:
    plant = delivery("hand_over", held(), timeout=2.0)
    plant.run(Phase.HAND_OVER)
    begin = plant.now
    plant.run(Phase.RELEASE)
    assert plant.now - begin == pytest.approx(2.0, abs=3 * PERIOD)
    assert not plant.machine.pulled.any()


@pytest.mark.parametrize("fault", ["lost", "cancelled", "nan", "backwards"])
def test_a_fault_on_the_way_stops_the_hand(fault: str) -> None:
    plant = delivery("place", held())
    for _ in range(60):
        plant.step()
    before = plant.sent
    if fault == "lost":
        plant.force[:] = 0.0
    elif fault == "cancelled":
        plant.machine.cancel()
    elif fault == "nan":
        plant.pull[0, 0] = np.nan
    else:
        plant.now -= 0.5
    plant.run()
    code = {"lost": Fault.OBJECT_LOST, "cancelled": Fault.CANCELLED}
    assert plant.machine.fault[0] == code.get(fault, Fault.BAD_OBSERVATION)
    assert plant.machine.holding[0] == (fault != "lost")
    stopped = plant.sent
    assert np.linalg.norm((stopped.T_world_palm - before.T_world_palm)[0, :3, 3]) < 0.06
    plant.pull[:] = 0.0
    plant.step()
    np.testing.assert_array_equal(plant.sent.T_world_palm, stopped.T_world_palm)


def test_what_cannot_be_reached_is_refused() -> None:
    low, high = np.array([-0.5, -0.5, 0.0]), np.array([0.5, 0.5, 1.0])
    stages = place_stages(held(), [], np.zeros((1, 2)), np.array([[0.5, 0.0, 0.0]]), CONFIG)
    with pytest.raises(ExecutionError, match="CARRY would take the palm"):
        check_reach(stages, low, high)
    check_reach(stages, low, high + 0.2)
    with pytest.raises(ExecutionError, match="not on the table"):
        check_on_table(np.array([[0.5, 0.0, 0.0]]), np.array([0.4, 0.4]))
    with pytest.raises(ExecutionError, match="NaN"):
        check_on_table(np.array([[np.nan, 0.0, 0.0]]), np.array([0.4, 0.4]))


def watched(torque: np.ndarray, times: np.ndarray) -> np.ndarray:
    """What a watch says of one world whose first joint bears `torque` (T,) [Nm]."""
    watch, zero = PullWatch(HAND, 1), np.zeros((1, J))
    said = []
    for now, load in zip(times, torque, strict=True):
        q = zero.copy()
        q[0, 0] -= load / HAND.stiffness[0]
        seen = Observation(np.array([now]), q, zero, zero, np.eye(4)[None], np.full((1, 4), np.nan))
        said.append(bool(watch.update(zero, seen)[0]))
    return np.array(said)


TIMES = np.arange(0.0, 6.0, PERIOD)
LEVER_ARM = 0.10  # [m]


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_pull_is_felt_whatever_the_load_was(sign: float) -> None:
    load = np.where(TIMES < 3.0, 0.3, 0.3 + sign * 2.0 * PULL_FORCE * LEVER_ARM)
    said = watched(load, TIMES)
    assert TIMES[np.argmax(said)] == pytest.approx(3.0 + PULL_TIME, abs=3 * PERIOD)


def test_weak_short_and_slow_changes_are_no_pull() -> None:
    weak = np.where(TIMES < 3.0, 0.3, 0.3 + 0.5 * PULL_FORCE * LEVER_ARM)
    short = np.where((TIMES > 3.0) & (TIMES < 3.0 + 0.5 * PULL_TIME), 0.5, 0.3)
    creep = 0.3 + 0.1 * PULL_FORCE * LEVER_ARM * TIMES
    arrival = np.where(TIMES < 0.5 * SETTLE_TIME, 0.6, 0.3)
    for load in (weak, short, creep, arrival):
        assert not watched(load, TIMES).any()


def test_a_joint_is_stuck_in_the_air_alone_and_only_when_it_stands_still() -> None:
    zero = np.zeros((3, J))
    watch = StuckJoints(HAND, 3)
    sent = zero.copy()
    sent[:, 3] = 0.4
    speed = zero.copy()
    speed[2, 3] = 1.0
    seen = Observation(np.zeros(3), zero, speed, zero, np.tile(np.eye(4), (3, 1, 1)), zero[:, :4])
    free, dt = np.array([True, False, True]), np.full(3, PERIOD)
    said = [watch.update(free, sent, seen, dt) for _ in range(30)]
    assert np.array(said).any(axis=0).tolist() == [True, False, False]
    assert np.argmax(np.array(said)[:, 0]) * PERIOD == pytest.approx(STUCK_TIME, abs=2 * PERIOD)
