"""Motions with an object in the hand, and away from one, on a plant that follows at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexgrasp.errors import ExecutionError
from dexgrasp.execution import ExecutionConfig
from dexgrasp.execution.carry import HIGHER, Leg, Motion, carried, placed, withdrawal
from dexgrasp.geometry import rotation_between
from dexgrasp.hands import HandModel
from dexgrasp.types import Command, GraspSet, Observation

HAND = HandModel.load("allegro_right")
CONFIG = ExecutionConfig.load()
PERIOD = 0.01
J = HAND.joint_count
APPROACH = np.array([0.6, 0.0, -0.8])


def pose(x: float, y: float, z: float) -> np.ndarray:
    result = np.eye(4)
    result[:3, 3] = x, y, z
    return result


def command(worlds: int = 1) -> Command:
    return Command(
        np.tile(HAND.postures["precision"], (worlds, 1)), np.tile(pose(0.1, 0, 0.2), (worlds, 1, 1))
    )


def grasps(worlds: int = 1) -> GraspSet:
    joints = np.tile(HAND.postures["precision"], (worlds, 1))
    nan = np.full((worlds, 4, 3), np.nan)
    return GraspSet(
        HAND.name, "world", np.tile(pose(0.1, 0, 0.12), (worlds, 1, 1)),
        np.tile(APPROACH, (worlds, 1)), HAND.clip(joints - 0.3), joints, joints, nan, nan,
        np.ones(worlds), ("power",) * worlds, "test",
    )  # fmt: skip


def observation(now: float, last: Command, force: float | np.ndarray = 2.0) -> Observation:
    worlds = len(last.joint_position)
    zero = np.zeros((worlds, J))
    forces = np.broadcast_to(np.asarray(force, float).reshape(-1, 1), (worlds, 4)).copy()
    return Observation(
        np.full(worlds, now), last.joint_position, zero, zero, last.T_world_palm, forces
    )


def run(
    motion: Motion, start: Command, force: float | np.ndarray = 2.0, limit: float = 60.0
) -> list[Command]:
    """Every command until all worlds have finished."""
    sent = [start]
    for tick in range(int(limit / PERIOD)):
        if motion.finished.all():
            return sent
        sent.append(motion.step(observation(tick * PERIOD, sent[-1], force)))
    raise AssertionError("the motion never ended")


def withdrawn(home: np.ndarray) -> Motion:
    seen = observation(0.0, command())
    return withdrawal(command().joint_position, seen, grasps(), home[None], HAND, CONFIG)


def test_withdrawal_opens_then_backs_out_then_goes_home() -> None:
    home = pose(-0.3, 0.0, 0.5)
    sent = run(withdrawn(home), command(), force=0.0)
    palms = np.array([c.T_world_palm[0, :3, 3] for c in sent])
    first_move = int(np.flatnonzero(np.linalg.norm(palms - palms[0], axis=1) > 1e-6)[0])
    assert np.abs(sent[first_move - 1].joint_position[0] - grasps().pregrasp[0]).max() < 0.02
    # The first decimetre goes along the approach axis, backwards, while it climbs.
    away = palms[first_move + 20] - palms[0]
    assert away @ APPROACH < 0.0
    assert palms[:, 2].min() >= palms[0, 2] - 1e-9
    assert np.allclose(palms[-1], home[:3, 3])
    assert np.allclose(sent[-1].joint_position[0], HAND.postures["open"])


def test_a_blocked_palm_stops_to_press() -> None:
    seen = observation(0.0, command())
    seen.T_world_palm[0, 2, 3] += 0.02  # it could not follow its target
    motion = withdrawal(
        command().joint_position, seen, grasps(), pose(0, 0, 0.5)[None], HAND, CONFIG
    )
    assert np.allclose(motion.step(seen).T_world_palm, seen.T_world_palm)


def test_the_hand_stays_high_until_it_has_backed_out() -> None:
    home = pose(-0.3, 0.0, 0.5)
    sent = run(withdrawn(home), command(), force=0.0)
    palms = np.array([c.T_world_palm[0, :3, 3] for c in sent])
    sideways = np.abs(palms[:, 1]) + np.abs(palms[:, 0] - 0.1)
    assert palms[sideways > CONFIG.clearance + 1e-6, 2].min() > 0.49


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(-3.0, 3.0))
def test_the_object_ends_where_it_is_placed(x: float, y: float, yaw: float) -> None:
    """The object moves with the palm as one rigid body: so its goal follows from the palm's."""
    held, now = grasps(), command()
    now.T_world_palm[:] = pose(0.1, 0.0, 0.42)
    T_world_grasp = held.T_frame_palm
    center = np.array([[0.13, 0.02]])
    legs = placed(now, held, T_world_grasp, center, np.array([[x, y, yaw]]), CONFIG)
    down = legs[1].T_world_palm
    assert down is not None
    T_palm_object = np.linalg.inv(T_world_grasp[0]) @ pose(center[0, 0], center[0, 1], 0.05)
    T_world_object = down[0] @ T_palm_object
    assert T_world_object[:3, 3] == pytest.approx([x, y, 0.05 + HIGHER], abs=1e-9)
    turn = rotation_between(np.eye(4)[None], T_world_object[None])[0]
    assert turn == pytest.approx([0.0, 0.0, yaw], abs=1e-9)
    sent = run(Motion(now, legs, HAND, CONFIG), now, force=np.nan)
    lowest = min(c.T_world_palm[0, 2, 3] for c in sent)
    assert lowest == pytest.approx(down[0, 2, 3], abs=1e-9)
    assert np.allclose(sent[-1].joint_position[0], held.pregrasp[0])
    assert sent[-1].T_world_palm[0, 2, 3] > lowest + 0.05


def test_speeds_keep_their_limits() -> None:
    now = command()
    legs = carried([pose(0.3, 0.2, 0.3)[None], pose(0.0, 0.0, 0.3)[None]], CONFIG)
    legs.append(Leg(joints=grasps().pregrasp - 1.0, holding=False))
    sent = run(Motion(now, legs, HAND, CONFIG), now)
    palms = np.array([c.T_world_palm[0, :3, 3] for c in sent])
    joints = np.array([c.joint_position[0] for c in sent])
    assert (
        np.linalg.norm(np.diff(palms, axis=0), axis=1).max() <= CONFIG.lift_speed * PERIOD * 1.001
    )
    assert np.abs(np.diff(joints, axis=0)).max() <= CONFIG.joint_speed_limit * PERIOD * 1.001


def test_it_holds_for_as_long_as_asked() -> None:
    motion = Motion(command(), carried([], CONFIG, seconds=2.0), HAND, CONFIG)
    assert len(run(motion, command())) * PERIOD == pytest.approx(2.0, abs=3 * PERIOD)
    assert not motion.lost.any()


def test_a_lost_object_stops_its_world_alone() -> None:
    now = command(2)
    goal = np.tile(pose(0.4, 0.0, 0.2), (2, 1, 1))
    motion = Motion(now, carried([goal], CONFIG), HAND, CONFIG)
    sent = run(motion, now, force=np.array([2.0, 0.0]))
    assert motion.lost.tolist() == [False, True]
    assert np.allclose(sent[-1].T_world_palm[0], goal[0])
    assert sent[-1].T_world_palm[1, 0, 3] < 0.3


def test_forces_that_are_not_sensed_are_no_loss() -> None:
    motion = Motion(command(), carried([], CONFIG, seconds=1.0), HAND, CONFIG)
    run(motion, command(), force=np.nan)
    assert not motion.lost.any()


def test_fingers_that_close_on_nothing_are_a_loss_without_a_sensor() -> None:
    motion = Motion(command(), carried([], CONFIG, seconds=1.0), HAND, CONFIG)
    for tick in range(60):
        seen = observation(tick * PERIOD, command(), np.nan)
        if tick > 20:
            seen.joint_position = seen.joint_position + 0.3
        motion.step(seen)
    assert motion.lost.all()


def test_time_that_runs_backwards_advances_nothing() -> None:
    motion = Motion(command(), carried([pose(0.4, 0, 0.2)[None]], CONFIG), HAND, CONFIG)
    for now in (0.0, 0.3):
        before = motion.step(observation(now, command()))
    after = motion.step(observation(0.1, command()))
    assert np.allclose(before.T_world_palm, after.T_world_palm)


@pytest.mark.parametrize("legs", [[], [Leg(np.full((1, 4, 4), np.nan))]])
def test_a_motion_without_a_goal_is_refused(legs: list[Leg]) -> None:
    with pytest.raises(ExecutionError, match="at least one leg"):
        Motion(command(), legs, HAND, CONFIG)
