"""Every control paradigm behind the executor: what it sends stays sane whatever it sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexgrasp.execution import ExecutionConfig, GraspExecutor, Phase
from dexgrasp.execution.control import CONTROLLERS
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.types import Command, GraspSet, Observation

CONFIG = ExecutionConfig.load()
HANDS = {name: HandModel.load(name) for name in hand_names()}
PERIOD = 0.01
ODD = (np.nan, np.inf, -np.inf, 1e9, -1e9)


def grasps(hand: HandModel, count: int = 1) -> GraspSet:
    """From above; every finger touches with its tip, but for the ring finger."""
    pose = np.tile(np.eye(4), (count, 1, 1))
    pose[:, :3, :3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]
    pose[:, :3, 3] = [0.0, 0.0, 0.15]
    grasp = np.tile(hand.postures["precision"], (count, 1))
    points = transform_points(pose, hand.fingertips(grasp))
    normals = points.mean(axis=1, keepdims=True) - points
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    points[:, 2], normals[:, 2] = np.nan, np.nan
    return GraspSet(
        hand.name, "world", pose, np.tile([0.0, 0.0, -1.0], (count, 1)), hand.clip(grasp - 0.3),
        grasp, hand.clip(grasp + 0.1), points, normals, np.ones(count), ("tripod",) * count, "test",
    )  # fmt: skip


class Plant:
    """Joints follow as far as an object lets them, which all fingers meet at the grasp."""

    def __init__(self, hand: HandModel, worlds: int = 1) -> None:
        self.hand, self.time = hand, np.zeros(worlds)
        self.joints = np.tile(hand.postures["open"], (worlds, 1))
        self.sent = self.joints.copy()
        self.palm = np.tile(np.eye(4), (worlds, 1, 1))
        self.palm[:, :3, 3] = [-0.3, 0.0, 0.5]
        self.closed = hand.postures["precision"]

    def observe(self) -> Observation:
        effort = self.hand.stiffness * (self.sent - self.joints)
        own = np.where(self.hand.finger_joint_mask, np.abs(effort)[:, None], 0.0)
        force = own.max(axis=2) / 0.1
        return Observation(
            self.time.copy(), self.joints.copy(), np.zeros_like(self.joints), effort,
            self.palm.copy(), force,
        )  # fmt: skip

    def apply(self, command: Command) -> None:
        self.time = self.time + PERIOD
        self.sent = command.joint_position
        self.joints = np.minimum(self.sent, self.closed + 0.02)
        self.palm = command.T_world_palm


def squeezing(hand: HandModel, controller: str, worlds: int = 1) -> tuple[GraspExecutor, Plant]:
    """An executor that has just lifted, and its plant."""
    executor, plant = GraspExecutor(hand, CONFIG, worlds, controller), Plant(hand, worlds)
    executor.start(grasps(hand, worlds))
    for _ in range(2000):
        if executor.phase[0] == Phase.HOLD:
            return executor, plant
        plant.apply(executor.step(plant.observe()))
    raise AssertionError(f"never held anything: {Phase(int(executor.phase[0])).name}")


@pytest.mark.parametrize("hand", HANDS.values(), ids=HANDS.keys())
@pytest.mark.parametrize("controller", ["impedance", "mpc"])
@given(seed=st.integers(0, 2**31 - 1))
@settings(max_examples=4, deadline=None)
def test_no_observation_makes_a_command_leave_limits_or_speed(
    hand: HandModel, controller: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    executor, plant = squeezing(hand, controller)
    previous = plant.sent
    for _ in range(60):
        seen = plant.observe()
        for name in ("joint_position", "joint_velocity", "joint_effort", "finger_force"):
            value = getattr(seen, name)
            value += rng.normal(0.0, 0.3, value.shape)
            if rng.random() < 0.1 and (name != "joint_position" or executor.phase[0] == Phase.HOLD):
                value[0, rng.integers(value.shape[1])] = rng.choice(ODD)
        command = executor.step(seen)
        sent = command.joint_position
        assert np.isfinite(sent).all()
        assert np.isfinite(command.T_world_palm).all()
        assert (sent == hand.clip(sent)).all()
        assert np.abs(sent - previous).max() <= CONFIG.joint_speed_limit * PERIOD + 1e-6
        previous = sent
        plant.apply(command)


@pytest.mark.parametrize("controller", ["impedance", "mpc"])
def test_worlds_are_independent(controller: str) -> None:
    hand = HANDS["allegro_right"]
    _, alone = squeezing(hand, controller)
    _, many = squeezing(hand, controller, 3)
    np.testing.assert_allclose(many.sent, np.tile(alone.sent, (3, 1)), atol=1e-12)


@pytest.mark.parametrize("controller", sorted(CONTROLLERS))
def test_fingers_that_touch_are_squeezed_and_the_others_follow_the_plan(controller: str) -> None:
    hand = HANDS["allegro_right"]
    _, plant = squeezing(hand, controller)
    torque = hand.stiffness * (plant.sent[0] - plant.joints[0])
    for finger, own in enumerate(hand.finger_joint_mask):
        assert np.abs(torque[own]).max() > 0.05, hand.finger_names[finger]
        assert np.abs(torque[own]).max() <= hand.effort_limit[own].max() + 1e-9
