"""A policy acts at its rate and within its bounds; else the phase machine's targets are sent."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from policies import HAND, J, constant, counter, linear, values, written

from dexgrasp.errors import ConfigError
from dexgrasp.execution import ExecutionConfig, GraspExecutor, Phase
from dexgrasp.execution.control import Learned, Sees, fallback_words, make_controller
from dexgrasp.execution.policy import Failure, PolicyController, PolicyInputs, read_manifest
from dexgrasp.execution.policy.inputs import POINTS
from dexgrasp.types import Array, Command, GraspSet, Observation

CONFIG = ExecutionConfig.load()
NOMINAL = 0.5  # [rad] what the phase machine wants
PERIOD = 0.008  # [s] of the control loop in the node
HALF = HAND.clip(np.full(J, 0.4))


def grasps(count: int = 1, contacts: float = 0.0) -> GraspSet:
    pose = np.tile(np.eye(4), (count, 1, 1))
    q = np.tile(HAND.postures["precision"], (count, 1))
    points = np.full((count, len(HAND.finger_names), 3), contacts)
    down = np.tile([0.0, 0.0, -1.0], (count, 1))
    return GraspSet(HAND.name, "world", pose, down, q, q, q, points, np.zeros_like(points),
                    np.ones(count), ("tripod",) * count, "test")  # fmt: skip


def observed(now: float, joints: Array | float = 0.0, worlds: int = 1) -> Observation:
    q = np.broadcast_to(joints, (worlds, J)).astype(float)
    force = np.full((worlds, len(HAND.finger_names)), np.nan)
    return Observation(np.full(worlds, now), q, 0.0 * q, 0.0 * q,
                       np.tile(np.eye(4), (worlds, 1, 1)), force)  # fmt: skip


def loaded(path: Path, worlds: int = 1) -> PolicyController:
    controller = PolicyController.load(str(path), HAND, worlds)
    controller.start(np.arange(worlds), grasps(worlds))
    return controller


def send(
    controller: PolicyController,
    now: float,
    joints: Array | float = 0.0,
    phase: Phase = Phase.LIFT,
    worlds: int = 1,
) -> Array:
    """(N, J) targets at one instant."""
    nominal = Command(np.full((worlds, J), NOMINAL), np.tile(np.eye(4), (worlds, 1, 1)))
    phases = np.full(worlds, phase)
    command = controller.command(phases, nominal, observed(now, joints, worlds))
    np.testing.assert_array_equal(command.T_world_palm, nominal.T_world_palm)
    return command.joint_position


def doubled() -> Any:
    return linear(2.0 * np.eye(J), np.zeros(J))


def test_a_full_policy_replaces_the_targets_in_its_phases(tmp_path: Path) -> None:
    controller = loaded(written(tmp_path, constant(0.3)))
    assert np.allclose(send(controller, 0.0, phase=Phase.COVER), NOMINAL)
    assert np.allclose(send(controller, 0.1), 0.3)
    assert np.allclose(send(controller, 0.2, phase=Phase.RELEASE), NOMINAL)
    assert not controller.failed.any()


def test_a_residual_is_added(tmp_path: Path) -> None:
    scaled = values()["action"] | {"scale": 0.1, "offset": 0.02}
    controller = loaded(written(tmp_path, constant(0.5), mode="residual", action=scaled))
    assert np.allclose(send(controller, 0.0), NOMINAL + 0.02 + 0.1 * 0.5)


def test_a_delta_adds_up_from_the_last_target(tmp_path: Path) -> None:
    changed = values()["action"] | {"kind": "delta"}
    controller = loaded(written(tmp_path, constant(0.01), action=changed))
    send(controller, 0.0, phase=Phase.COVER)
    sent = [send(controller, 0.1 * k)[0, 0] for k in range(1, 4)]
    np.testing.assert_allclose(sent, NOMINAL + 0.01 * np.arange(1, 4), atol=1e-6)


def test_inputs_and_actions_are_in_the_manifest_s_order(tmp_path: Path) -> None:
    turned = list(HAND.joint_names[::-1])
    weight = np.zeros((J, J))
    weight[0] = np.arange(J)  # what is seen of the manifest's first joint goes to all, scaled
    controller = loaded(written(tmp_path, linear(weight, np.zeros(J)), joints=turned))
    q = np.zeros(J)
    q[-1] = 0.1  # the canonical last joint is the manifest's first
    np.testing.assert_allclose(send(controller, 0.0, q)[0], 0.1 * np.arange(J)[::-1], atol=1e-6)


def test_normalisation_and_clipping(tmp_path: Path) -> None:
    terms = [{"name": "joint_position", "size": J, "unit": "rad", "mean": 0.1, "scale": 0.5,
              "clip": 1.0}]  # fmt: skip
    path = written(tmp_path, linear(np.eye(J), np.zeros(J)), observation={"terms": terms})
    q = np.zeros(J)
    q[1], q[2] = 0.2, 5.0
    expected = np.full(J, -0.2)
    expected[1], expected[2] = 0.2, 1.0
    np.testing.assert_allclose(send(loaded(path), 0.0, q)[0], expected, atol=1e-6)


@pytest.mark.parametrize("period", [0.008, 0.01, 0.002])
def test_sixty_hertz_on_the_average_and_held_between(tmp_path: Path, period: float) -> None:
    controller = loaded(written(tmp_path, doubled()))
    times = np.arange(0.0, 1.0, period)
    sent = np.array([send(controller, t, 0.2 * t)[0, 0] for t in times])
    steps = 1 + np.count_nonzero(np.diff(sent))
    assert 58 <= steps <= 61
    fresh = np.flatnonzero(np.diff(sent)) + 1
    np.testing.assert_allclose(sent[fresh], 0.4 * times[fresh], atol=1e-6)
    assert np.diff(times[fresh]).max() <= 1.0 / 60.0 + period


def test_after_a_gap_no_burst_follows(tmp_path: Path) -> None:
    controller = loaded(written(tmp_path, doubled()))
    send(controller, 0.0)
    send(controller, 1.0, 0.1)
    assert np.allclose(send(controller, 1.0 + PERIOD, 0.3), 0.2)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [(np.nan, Failure.NAN), (np.inf, Failure.NAN), (2.1, Failure.BOUNDS), (-1.1, Failure.BOUNDS)],
)
def test_a_bad_answer_of_one_joint_ends_its_part(
    tmp_path: Path, answer: float, failure: Failure
) -> None:
    answers = np.full(J, 0.3)
    answers[5] = answer
    controller = loaded(written(tmp_path, constant(answers)))
    for k in range(5):
        assert np.allclose(send(controller, 0.1 * k), NOMINAL)
    assert controller.failures == {failure: 1}
    assert fallback_words(controller) == failure.value
    controller.start(np.array([0]), grasps())
    assert not controller.failed.any()
    assert fallback_words(controller) == ""


def test_worlds_fail_alone(tmp_path: Path) -> None:
    controller = loaded(written(tmp_path, doubled()), worlds=3)
    joints = np.zeros((3, J))
    joints[1] = 1.5  # twice that is out of bounds
    joints[2] = 0.2
    sent = send(controller, 0.0, joints, worlds=3)
    np.testing.assert_allclose(sent[:, 0], [0.0, NOMINAL, 0.4], atol=1e-6)
    np.testing.assert_array_equal(controller.failed, [False, True, False])
    sent = send(controller, 0.1, 0.1, worlds=3)  # well again, but not in this attempt
    np.testing.assert_allclose(sent[:, 0], [0.2, NOMINAL, 0.2], atol=1e-6)


def test_a_late_inference_ends_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = loaded(written(tmp_path, constant(0.3)))
    wall = Wall(0.9 / 60.0)
    monkeypatch.setattr(time, "perf_counter", wall.now)
    controller.clock = lambda: 0.0
    assert np.allclose(send(controller, 0.0), 0.3)
    wall.step = 1.1 / 60.0
    assert np.allclose(send(controller, 0.1), NOMINAL)
    wall.step = 0.0
    assert np.allclose(send(controller, 0.2), NOMINAL)
    assert controller.failures == {Failure.LATE: 1}
    assert fallback_words(controller).startswith(Failure.LATE.value)


class Wall:
    """A clock that goes on by `step` [s] whenever somebody looks."""

    def __init__(self, step: float) -> None:
        self.step, self.time = step, 0.0

    def now(self) -> float:
        self.time += self.step
        return self.time


def work(seconds: float) -> None:
    """Keep the processor busy for so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_where_a_simulator_waits_only_the_processor_s_time_counts(tmp_path: Path) -> None:
    controller = loaded(written(tmp_path, constant(0.3)))
    network = controller._network
    answer, waits = network.run, [time.sleep, work]

    def slowly(inputs, states):
        waits.pop(0)(1.2 / 60.0)
        return answer(inputs, states)

    network.run = slowly
    assert np.allclose(send(controller, 0.0), 0.3)
    assert np.allclose(send(controller, 0.1), NOMINAL)
    assert controller.failures == {Failure.LATE: 1}


def test_a_stale_observation_ends_its_part(tmp_path: Path) -> None:
    controller = loaded(written(tmp_path, constant(0.3)))
    now = 10.0
    controller.clock = lambda: now
    assert np.allclose(send(controller, 9.96), 0.3)
    now = 10.02
    assert np.allclose(send(controller, 9.96), NOMINAL)  # 60 ms old, also between inferences
    assert controller.failures == {Failure.STALE: 1}


def test_staleness_before_its_phases_does_not_count(tmp_path: Path) -> None:
    controller = loaded(written(tmp_path, constant(0.3)))
    controller.clock = lambda: 10.0
    send(controller, 1.0, phase=Phase.APPROACH)
    assert np.allclose(send(controller, 10.0), 0.3)


def test_an_input_that_nobody_senses_ends_its_part(tmp_path: Path) -> None:
    terms = [{"name": "finger_force", "size": 4, "unit": "N"}]
    controller = loaded(written(tmp_path, constant(0.3, 4), observation={"terms": terms}))
    assert np.allclose(send(controller, 0.0), NOMINAL)
    assert "finger_force" in fallback_words(controller)


def test_a_network_that_breaks_ends_its_part(tmp_path: Path) -> None:
    controller = loaded(written(tmp_path, constant(0.3)))

    def broken(inputs, states):
        raise ConfigError("out of memory")

    controller._network.run = broken
    assert np.allclose(send(controller, 0.0), NOMINAL)
    assert controller.failures == {Failure.BROKEN: 1}


def test_recurrent_states_are_kept_and_begin_anew(tmp_path: Path) -> None:
    scaled = values()["action"] | {"scale": 0.1}
    path = written(tmp_path, counter(J), recurrent={"h_in": "h_out"}, action=scaled)
    controller = loaded(path, worlds=2)
    sent = [send(controller, 0.1 * k, worlds=2)[:, 0] for k in range(3)]
    np.testing.assert_allclose(sent, [[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]], atol=1e-6)
    controller.start(np.array([1]), grasps())
    np.testing.assert_allclose(send(controller, 0.3, worlds=2)[:, 0], [0.4, 0.1], atol=1e-6)


def test_commands_pass_the_executor_s_limits(tmp_path: Path) -> None:
    """The policy jumps; what is sent moves at the limit of speed and stops at the joint's."""
    path = written(tmp_path, constant(1.99))
    executor = GraspExecutor(HAND, CONFIG, 1, f"policy:{path}")
    assert isinstance(executor.controller, Sees)
    assert isinstance(executor.controller, Learned)
    executor.start(grasps())
    executor.phase[:] = Phase.LIFT
    sent = [executor.step(observed(PERIOD * k)).joint_position[0] for k in range(200)]
    limit = np.minimum(CONFIG.joint_speed_limit, HAND.velocity_limit)
    assert (np.abs(np.diff(sent, axis=0)) <= limit * PERIOD + 1e-9).all()
    assert (sent[-1] <= HAND.joint_upper + 1e-9).all()


def test_the_cloud_or_else_the_contacts_are_what_a_policy_sees(tmp_path: Path) -> None:
    size = 4 * len(HAND.finger_names) + 6
    terms = [{"name": "cloud_features", "size": size, "unit": "m"}]
    path = written(tmp_path, constant(0.3, size), observation={"terms": terms})
    inputs = PolicyInputs(read_manifest(path), HAND, 1)
    tips = HAND.fingertips(HALF[None])[0]
    seen = observed(0.0, HALF)

    def features() -> Array:
        inputs.begin(np.array([Phase.LIFT]), HALF[None], seen)
        return inputs.assemble(np.array([0]), seen)[0]

    inputs.start(np.array([0]), grasps(contacts=0.05))
    per_finger = features()[: 4 * len(tips)].reshape(-1, 4)
    np.testing.assert_allclose(per_finger[:, :3], 0.05 - tips, atol=1e-6)
    np.testing.assert_allclose(per_finger[:, 3], np.linalg.norm(0.05 - tips, axis=1), atol=1e-6)
    up = np.array([0.0, 0.0, 0.01])
    cloud = np.concatenate([tips + up, tips - 3.0 * up])
    inputs.see(np.array([0]), [cloud])
    result = features()
    np.testing.assert_allclose(
        result[: 4 * len(tips)].reshape(-1, 4), [[0.0, 0.0, 0.01, 0.01]] * 4, atol=1e-6
    )
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    np.testing.assert_allclose(result[-6:], [*(low + high) / 2.0, *(high - low)], atol=1e-6)
    inputs.see(np.array([0]), [np.random.default_rng(0).normal(size=(10 * POINTS, 3))])
    assert np.isfinite(features()).all()
    inputs.see(np.array([0]), [np.full((4, 3), np.nan)])
    assert inputs.unknown(inputs.assemble(np.array([0]), seen)) == "cloud_features"


def test_other_controllers_never_give_way() -> None:
    assert fallback_words(make_controller("reactive", HAND, CONFIG, 1)) == ""
