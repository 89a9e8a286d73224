"""The safety filter: what nominal motion passes, and that nothing leaves the limits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexgrasp.config import load_config
from dexgrasp.errors import ConfigError, ExecutionError
from dexgrasp.execution.clearance import Body, lowest_point, place_spheres, self_gap
from dexgrasp.execution.safety import Intervention, SafetyFilter, SafetyLimits
from dexgrasp.execution.safety_config import REFUSALS, REJECTIONS, WORDS, intervention_words
from dexgrasp.geometry import rotation_between
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, Observation

HAND, LEAP = HandModel.load("allegro_right"), HandModel.load("leap_right")
LIMITS = SafetyLimits.load()
PERIOD = 0.004
OPEN = HAND.postures["open"]
BAND = LIMITS.effort_share * HAND.effort_limit / HAND.stiffness
HOME = np.eye(4)
HOME[:3, :3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]
HOME[:3, 3] = [0.0, 0.0, 0.4]


def turned(angle: float, pose: Array = HOME) -> Array:
    """`pose` turned about the vertical [rad]."""
    result, c, s = pose.copy(), np.cos(angle), np.sin(angle)
    result[:3, :3] = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ pose[:3, :3]
    return result


def moved(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Array:
    pose = HOME.copy()
    pose[:3, 3] += [x, y, z]
    return pose


def seen(joints: Array, palm: Array, time: Array | float) -> Observation:
    joints, palm = np.atleast_2d(joints).copy(), palm.reshape(-1, 4, 4).copy()
    none = np.zeros_like(joints)
    times = np.broadcast_to(np.asarray(time, float), len(joints)).copy()
    return Observation(times, joints, none, none, palm, np.full((len(joints), 4), np.nan))


class Rig:
    """A filter in front of a hand that follows its targets at once, unless told where it is."""

    def __init__(self, joints: Array = OPEN, palm: Array = HOME, hand: HandModel = HAND) -> None:
        self.filter = SafetyFilter(hand, LIMITS)
        self.time, self.command_time = 0.0, 0.0
        self.joints, self.palm = joints, palm
        self.send(joints, palm)

    def send(
        self, joints: Array | None = None, palm: Array | None = None, at: Array | None = None,
        fresh: bool = True, dt: float = PERIOD,
    ) -> Intervention:  # fmt: skip
        """One step; `at`: where the joints are instead of where they were sent."""
        self.time += dt
        if fresh:
            self.command_time = self.time
        command = Command(
            (self.joints if joints is None else joints)[None],
            (self.palm if palm is None else palm)[None],
        )
        where = self.joints if at is None else at
        sent, flags = self.filter.filter(
            command, seen(where, self.palm, self.time), self.time, self.command_time
        )
        self.joints, self.palm = sent.joint_position[0], sent.T_world_palm[0]
        return Intervention(int(flags[0]))

    def repeat(self, count: int, **wish) -> Intervention:
        """Some steps; the flags of all together."""
        flags = Intervention.NONE
        for _ in range(count):
            flags |= self.send(**wish)
        return flags


def test_a_nominal_motion_passes_unchanged() -> None:
    rig = Rig()
    for k in range(400):
        s = 0.5 - 0.5 * np.cos(k / 400 * np.pi)
        joints = OPEN + s * (HAND.postures["precision"] - OPEN)
        palm = turned(0.5 * s, moved(0.2 * s, 0.0, -0.1 * s))
        flags = rig.send(joints, palm)
        assert flags == Intervention.NONE, flags
        np.testing.assert_array_equal(rig.joints, joints)
        np.testing.assert_array_equal(rig.palm, palm)


@pytest.mark.parametrize("hand", [HAND, LEAP], ids=lambda h: h.name)
def test_clearances_equal_the_models(hand: HandModel) -> None:
    q = np.random.default_rng(0).uniform(hand.joint_lower, hand.joint_upper, (40, 16))
    body = Body.of(hand)
    placed, balls = np.empty((len(body.link), 3)), np.empty((len(hand.links), 3))
    lowest = (hand.sphere_positions(q)[..., 2] - hand.sphere_radii).min(axis=1)
    for posture, gap, low in zip(q, hand.self_gap(q), lowest, strict=True):
        place_spheres(body, posture, placed, balls)
        assert self_gap(body, placed, balls, 1.0) == pytest.approx(gap, abs=1e-12)
        assert self_gap(body, placed, balls, -0.01) == pytest.approx(min(gap, -0.01), abs=1e-12)
        assert lowest_point(body, placed, np.eye(4)) == pytest.approx(low, abs=1e-12)


def test_targets_beyond_joint_limits_are_clamped() -> None:
    beyond = OPEN.copy()
    beyond[0], start = HAND.joint_upper[0] + 0.2, OPEN.copy()
    start[0] = HAND.joint_upper[0] - 0.05
    rig = Rig(start)
    flags = rig.repeat(30, joints=beyond)
    assert Intervention.JOINT_LIMIT in flags
    assert rig.joints[0] == HAND.joint_upper[0]


def asked_far_ahead(rig: Rig) -> Array:
    """Targets 0.6 rad ahead of what is sent, asked for step by step: the joints do not follow."""
    asked = OPEN.copy()
    for _ in range(round((LIMITS.joint_jump + 0.3) / 0.02)):
        asked[1] += 0.02
        flags = rig.send(asked, at=OPEN)
        assert Intervention.JUMP not in flags
    assert Intervention.EFFORT in flags
    assert asked[1] - rig.joints[1] > LIMITS.joint_jump
    return asked


def test_a_steady_motion_that_the_joints_cannot_follow_is_no_jump() -> None:
    rig = Rig()
    asked = asked_far_ahead(rig)
    assert Intervention.JUMP not in rig.repeat(100, joints=asked)
    np.testing.assert_allclose(rig.joints, asked)


@pytest.mark.parametrize("stop", ["e-stop", "silence"])
def test_after_a_stop_the_targets_that_were_sent_count(stop: str) -> None:
    rig = Rig()
    asked = asked_far_ahead(rig)
    if stop == "e-stop":
        rig.filter.e_stop()
        rig.repeat(3, joints=rig.joints, at=OPEN)
        rig.filter.reset()
    else:
        rig.repeat(round(1.5 * LIMITS.heartbeat / PERIOD), fresh=False, at=OPEN)
    assert Intervention.JUMP in rig.send(asked, at=OPEN)


def test_fast_targets_are_slowed_and_far_ones_refused() -> None:
    rig = Rig()
    near, far = OPEN.copy(), OPEN.copy()
    near[1] += 0.2
    far[1] += LIMITS.joint_jump + 0.01
    assert rig.send(near) == Intervention.JOINT_SPEED
    step = min(LIMITS.joint_speed, HAND.velocity_limit[1]) * PERIOD
    assert rig.joints[1] == pytest.approx(OPEN[1] + step)
    before = rig.joints
    far[1] = near[1] + LIMITS.joint_jump + 0.01
    assert rig.send(far) == Intervention.JUMP
    np.testing.assert_array_equal(rig.joints, before)
    far[1] = before[1] + LIMITS.joint_jump + 0.01  # what was refused is forgotten: so is `near`
    assert rig.send(far) == Intervention.JUMP
    assert rig.send(palm=moved(LIMITS.palm_jump + 0.01)) == Intervention.JUMP
    assert rig.send(palm=turned(LIMITS.palm_turn_jump + 0.01)) == Intervention.JUMP
    np.testing.assert_array_equal(rig.palm, HOME)


def test_a_squeeze_is_bounded_by_the_effort_limit() -> None:
    rig, pressed = Rig(), OPEN.copy()
    pressed[2] += 0.4
    flags = rig.repeat(60, joints=pressed, at=OPEN)
    assert flags & Intervention.EFFORT
    effort = (rig.joints - OPEN) * HAND.stiffness
    assert effort[2] == pytest.approx(LIMITS.effort_share * HAND.effort_limit[2])


def test_the_palm_keeps_to_its_speeds_and_workspace() -> None:
    rig = Rig()
    assert rig.send(palm=turned(0.3, moved(0.05))) == Intervention.PALM_SPEED
    assert rig.palm[0, 3] == pytest.approx(LIMITS.palm_speed * PERIOD)
    turn = rotation_between(HOME[None], rig.palm[None])[0]
    assert np.linalg.norm(turn) == pytest.approx(LIMITS.palm_turn_speed * PERIOD, rel=1e-6)
    edge = moved(LIMITS.workspace_high[0] - 0.01)
    rig = Rig(palm=edge)
    outside = edge.copy()
    outside[0, 3] += 0.05
    assert Intervention.WORKSPACE in rig.repeat(30, palm=outside)
    assert rig.palm[0, 3] == pytest.approx(LIMITS.workspace_high[0])


def test_a_hand_outside_the_workspace_may_come_in_and_go_no_farther() -> None:
    outside = moved(LIMITS.workspace_high[0] + 0.1)
    rig, farther = Rig(palm=outside), outside.copy()
    farther[0, 3] += 0.05
    rig.repeat(10, palm=farther)
    assert rig.palm[0, 3] == outside[0, 3]
    assert rig.send() == Intervention.NONE  # nothing moves it in but a command
    inwards = outside.copy()
    inwards[0, 3] -= 0.001
    assert rig.send(palm=inwards) == Intervention.NONE


def lowest(joints: Array, palm: Array) -> float:
    points = HAND.sphere_positions(joints) @ palm[2, :3] + palm[2, 3]
    return float((points - HAND.sphere_radii).min())


def test_the_hand_stops_above_the_table_and_may_leave_it() -> None:
    rig, wish = Rig(), HOME.copy()
    flags = Intervention.NONE
    while wish[2, 3] > HOME[2, 3] - 0.35:
        wish = wish.copy()
        wish[2, 3] -= 0.001
        flags |= rig.send(palm=wish)
    assert Intervention.TABLE in flags
    floor = LIMITS.table_height - LIMITS.table_depth
    assert floor <= lowest(rig.joints, rig.palm) < floor + 0.0011
    up = rig.palm.copy()
    up[2, 3] += 0.001
    assert rig.send(palm=up) == Intervention.NONE


def test_fingers_stop_before_they_meet_and_may_part() -> None:
    rig = Rig(HAND.postures["precision"])
    fist = HAND.postures["precision"].copy()
    fist[[1, 5, 9]] += 0.6
    fist[[13, 14, 15]] = HAND.clip(fist + 1.2)[[13, 14, 15]]
    flags = Intervention.NONE
    for k in range(1500):
        wish = rig.joints + np.clip(fist - rig.joints, -0.002, 0.002)
        flags |= rig.send(wish)
        assert HAND.self_gap(rig.joints)[0] >= -LIMITS.max_overlap - 1e-6, k
    assert Intervention.SELF_COLLISION in flags
    opening = rig.joints + np.clip(OPEN - rig.joints, -0.01, 0.01)
    assert rig.send(opening) == Intervention.NONE


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_commands_that_are_no_numbers_are_refused(value: float) -> None:
    rig, joints, palm = Rig(), OPEN.copy(), HOME.copy()
    joints[3] = palm[0, 3] = value
    assert rig.send(joints) == Intervention.INVALID_COMMAND
    assert rig.send(palm=palm) == Intervention.INVALID_COMMAND
    assert rig.send(palm=np.diag([1.0, 1.0, -1.0, 1.0])) == Intervention.INVALID_COMMAND
    np.testing.assert_array_equal(rig.joints, OPEN)


def test_silence_holds_and_then_relaxes() -> None:
    rig, squeezed = Rig(), OPEN.copy()
    squeezed[2] += 0.2
    rig.repeat(60, joints=squeezed, at=OPEN)
    held = rig.joints
    assert rig.send(at=OPEN, fresh=False, dt=LIMITS.heartbeat - 0.01) == Intervention.NONE
    assert rig.send(at=OPEN, fresh=False, dt=0.02) == Intervention.STALE_COMMAND
    steps = int(LIMITS.relax_after / PERIOD)
    assert rig.repeat(steps - 10, at=OPEN, fresh=False) == Intervention.STALE_COMMAND
    np.testing.assert_array_equal(rig.joints, held)
    flags = rig.repeat(20, at=OPEN, fresh=False)
    assert Intervention.RELAXED in flags
    assert 0.0 < held[2] - rig.joints[2] <= 20 * LIMITS.relax_speed * PERIOD
    rig.repeat(int(0.3 / LIMITS.relax_speed / PERIOD), at=OPEN, fresh=False)
    np.testing.assert_allclose(rig.joints, OPEN)
    assert rig.send(OPEN) == Intervention.NONE


def test_old_and_absent_states() -> None:
    rig = Rig()
    command = Command(OPEN[None] + 0.001, HOME[None])
    time = rig.time + PERIOD
    _, flags = rig.filter.filter(command, seen(OPEN, HOME, time - 0.06), time)
    assert flags[0] == Intervention.STALE_STATE
    sent, flags = rig.filter.filter(command, seen(OPEN, HOME, time - 0.2), time)
    assert flags[0] == Intervention.STALE_STATE | Intervention.INVALID_STATE
    sent, flags = rig.filter.filter(command, seen(OPEN * np.nan, HOME, time), time)
    assert flags[0] == Intervention.INVALID_STATE
    np.testing.assert_array_equal(sent.joint_position, command.joint_position)
    with pytest.raises(ExecutionError, match="first observation"):
        SafetyFilter(HAND, LIMITS).filter(command, seen(OPEN * np.nan, HOME, 0.0), 0.0)


def test_warm_motors_weaken_and_hot_ones_hold() -> None:
    rig, pressed = Rig(), OPEN.copy()
    pressed[2] += 0.4
    unknown = np.full((1, HAND.joint_count), np.nan)
    low, high = LIMITS.motors.temperature
    warm = unknown.copy()
    warm[0, 2] = 0.5 * (low + high)
    rig.filter.report_motors(warm, unknown)
    flags = rig.repeat(60, joints=pressed, at=OPEN)
    assert flags & Intervention.DERATED
    assert not flags & Intervention.OVERLOAD
    share = 0.5 * (1.0 + LIMITS.motors.least_effort)
    assert rig.joints[2] - OPEN[2] == pytest.approx(share * BAND[2])
    strong = unknown.copy()
    strong[0, 5] = -LIMITS.motors.current[1] - 0.01
    rig.filter.report_motors(unknown, strong)
    assert rig.send(OPEN, at=OPEN) & Intervention.OVERLOAD
    rig.filter.report_motors(unknown, unknown)
    assert rig.send(OPEN, at=OPEN) & (Intervention.OVERLOAD | Intervention.DERATED) == 0


def test_an_emergency_stop_freezes_until_the_reset() -> None:
    rig = Rig()
    rig.send(OPEN + 0.01)
    held = rig.joints
    rig.filter.e_stop()
    for shift in (0.02, 0.5, -0.02):
        assert Intervention.E_STOP in rig.send(held + shift, moved(0.01), at=held + 0.4)
        np.testing.assert_array_equal(rig.joints, held)
        np.testing.assert_array_equal(rig.palm, HOME)
    rig.filter.reset()
    assert rig.send(held + 0.01, at=held) == Intervention.NONE


def test_after_silence_targets_begin_where_the_hand_is() -> None:
    rig = Rig()
    elsewhere = moved(0.3)
    rig.repeat(30, fresh=False)
    rig.palm = elsewhere  # somebody else moved the hand
    assert rig.send(OPEN, elsewhere) == Intervention.NONE
    np.testing.assert_array_equal(rig.palm, elsewhere)


def test_a_hand_that_was_put_elsewhere_is_commanded_from_there() -> None:
    rig = Rig()
    elsewhere = moved(0.3)
    rig.palm = elsewhere
    assert Intervention.JUMP in rig.send(OPEN, elsewhere)
    rig.filter.forget()
    rig.palm = elsewhere
    assert rig.send(OPEN, elsewhere) == Intervention.NONE
    np.testing.assert_array_equal(rig.palm, elsewhere)


def test_an_emergency_stop_outlasts_that_and_holds_there() -> None:
    rig = Rig()
    rig.filter.e_stop()
    rig.send(OPEN)
    rig.filter.forget()
    rig.palm = moved(0.3)
    assert Intervention.E_STOP in rig.send(OPEN, HOME)
    np.testing.assert_array_equal(rig.palm, moved(0.3))


def test_worlds_are_independent() -> None:
    alone, many = SafetyFilter(HAND, LIMITS), SafetyFilter(HAND, LIMITS, 3)
    for k in range(50):
        time, joints = k * PERIOD, np.tile(OPEN + 0.002 * k, (3, 1))
        joints[1, 3] = np.nan if k % 7 == 0 else joints[1, 3]
        palm = np.tile(moved(0.001 * k), (3, 1, 1))
        if k == 20:
            many.e_stop(np.array([2]))
        state = seen(np.tile(OPEN, (3, 1)), np.tile(HOME, (3, 1, 1)), time)
        one, _ = alone.filter(Command(joints[:1], palm[:1]), seen(OPEN, HOME, time), time)
        sent, flags = many.filter(Command(joints, palm), state, time)
        np.testing.assert_array_equal(sent.joint_position[0], one.joint_position[0])
        np.testing.assert_array_equal(sent.T_world_palm[0], one.T_world_palm[0])
    assert many.estopped.tolist() == [False, False, True]
    assert flags[2] & Intervention.E_STOP


def within_limits(before: Command, after: Command, q: Array, v: Array, dt: float) -> None:
    """Assert every promise on two commands sent one after the other."""
    joints, last = after.joint_position[0], before.joint_position[0]
    assert np.isfinite(joints).all()
    assert (joints >= HAND.joint_lower).all()
    assert (joints <= HAND.joint_upper).all()
    dt = min(max(dt, 0.0), LIMITS.longest_period)
    speed = np.minimum(LIMITS.joint_speed, HAND.velocity_limit)
    assert (np.abs(joints - last) <= speed * dt + 1e-9).all()
    # What already asks for too much, because the hand was moved, never asks for more.
    assert (np.abs(joints - q) <= np.maximum(BAND, np.abs(last - q)) + 1e-9).all()
    palm, old = after.T_world_palm[0], before.T_world_palm[0]
    assert np.abs(palm[:3, :3] @ palm[:3, :3].T - np.eye(3)).max() < 2e-3
    step = np.linalg.norm(palm[:3, 3] - old[:3, 3])
    assert step <= LIMITS.palm_speed * dt + 1e-8
    turn = np.linalg.norm(rotation_between(old[None], palm[None])[0])
    assert turn <= LIMITS.palm_turn_speed * dt + 1e-6
    assert (palm[:3, 3] >= np.minimum(LIMITS.workspace_low, old[:3, 3]) - 1e-12).all()
    assert (palm[:3, 3] <= np.maximum(LIMITS.workspace_high, old[:3, 3]) + 1e-12).all()
    reach = LIMITS.look_ahead + LIMITS.look_time * np.abs(v)
    ahead, kept = q + np.clip(joints - q, -reach, reach), q + np.clip(last - q, -reach, reach)
    gap, gap_kept = HAND.self_gap(np.stack([ahead, kept]))
    assert gap >= min(-LIMITS.max_overlap, gap_kept) - 1e-8
    floor = LIMITS.table_height - LIMITS.table_depth
    assert lowest(ahead, palm) >= min(floor, lowest(ahead, old)) - 1e-8


STEPS = (PERIOD, 0.02, 0.2, 5.0, -1.0, np.nan)


def wild_command(rng: np.random.Generator, last: Command) -> Command:
    """Near the last targets, far from them, or nonsense."""
    reach = rng.choice([0.01, 0.1, 0.45, 2.0])
    joints = last.joint_position + rng.normal(0.0, reach, (1, HAND.joint_count))
    palm = last.T_world_palm.copy()
    palm[0, :3, 3] += rng.normal(0.0, rng.choice([0.002, 0.03, 0.5]), 3)
    palm[0] = turned(rng.normal(0.0, rng.choice([0.01, 0.2, 2.0])), palm[0])
    for _ in range(rng.integers(0, 2)):
        joints[0, rng.integers(16)] = rng.choice([np.nan, np.inf, -np.inf, 1e300])
    if rng.random() < 0.1:
        palm[0, rng.integers(4), rng.integers(4)] = rng.choice([np.nan, np.inf, 7.0])
    return Command(joints, palm)


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=25, deadline=None)
def test_no_input_sequence_makes_it_leave_the_limits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    safety = SafetyFilter(HAND, LIMITS)
    now, start = 10.0, moved(z=-rng.uniform(0.0, 0.25))
    safety.filter(Command(OPEN[None], start[None]), seen(OPEN, start, now), now)
    assert safety.started[0]
    q, stopped = OPEN.copy(), False
    for _ in range(120):
        before, then = safety.last, now
        if rng.random() < 0.05:
            stopped = not stopped
            (safety.e_stop if stopped else safety.reset)()
        now += rng.choice(STEPS, p=[0.6, 0.2, 0.1, 0.02, 0.06, 0.02])
        q = q + np.clip(before.joint_position[0] - q, -0.05, 0.05) + rng.normal(0.0, 0.01, 16)
        state = seen(q, before.T_world_palm, now - rng.choice([0.0, 0.06, 0.3]))
        state.joint_position[0, 0] = rng.choice([q[0], np.nan], p=[0.97, 0.03])
        state.joint_velocity[:] = rng.normal(0.0, 2.0, 16)
        command = wild_command(rng, before)
        came = now - rng.choice([0.0, 0.05, 0.2, -1.0], p=[0.7, 0.1, 0.1, 0.1])
        sent, flags = safety.filter(command, state, now, came)
        if stopped:
            np.testing.assert_array_equal(sent.joint_position, before.joint_position)
            np.testing.assert_array_equal(sent.T_world_palm, before.T_world_palm)
        elif flags[0] & Intervention.INVALID_STATE and np.isnan(state.joint_position).any():
            np.testing.assert_array_equal(sent.T_world_palm, before.T_world_palm)
        else:
            dt = now - then if np.isfinite(now) else 0.0
            within_limits(before, sent, q, state.joint_velocity[0], dt)
        now = now if np.isfinite(now) else then


def test_every_intervention_has_words() -> None:
    assert set(WORDS) == set(Intervention) - {Intervention.NONE}
    both = intervention_words(Intervention.JUMP | Intervention.EFFORT)
    assert both == f"{WORDS[Intervention.EFFORT]}; {WORDS[Intervention.JUMP]}"
    assert intervention_words(0) == ""
    assert Intervention.EFFORT not in REFUSALS
    assert REJECTIONS & REFUSALS == REJECTIONS


def test_bits_do_not_overlap() -> None:
    values = sorted(int(flag) for flag in Intervention if flag)
    assert all(b == 2 * a for a, b in pairwise(values))


def test_unknown_and_senseless_limits_are_refused(tmp_path) -> None:
    file = tmp_path / "safety.yaml"
    values = LIMITS.model_dump(mode="json")
    for change in ({"speed": 1.0}, {"heartbeat": -1.0}, {"effort_share": 1.5}):
        file.write_text(str({**values, **change}))
        with pytest.raises(ConfigError, match=next(iter(change))):
            load_config(file, SafetyLimits)
    file.write_text(str({**values, "motors": {**values["motors"], "current": [0.6, 0.5]}}))
    with pytest.raises(ConfigError, match="does not rise"):
        load_config(file, SafetyLimits)
