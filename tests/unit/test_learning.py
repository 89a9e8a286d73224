"""The student's network learns, is written as it is, and begins at the grasp's own joints."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from dexgrasp.execution.policy import OnnxNetwork, read_manifest
from dexgrasp.hands import HandModel
from dexgrasp.learning.mlp import Mlp, fit, write_onnx
from dexgrasp.learning.rollout import Apprentice, Records
from dexgrasp.learning.train import Learner, columns, raw_manifest, write_policy
from dexgrasp.types import Command, GraspSet, Observation

HAND = HandModel.load("leap_right")
J = HAND.joint_count


def network(sizes: tuple[int, ...] = (5, 8, 7, 3), seed: int = 0) -> Mlp:
    rng = np.random.default_rng(seed)
    made = Mlp(sizes, rng.normal(size=(sizes[0], sizes[-1])), rng)
    for parameter in made.parameters:  # biases too, and a last layer of the size of the others
        parameter += (0.3 * rng.normal(size=parameter.shape)).astype(np.float32)
    return made


def test_the_gradient_is_that_of_finite_differences() -> None:
    made, rng = network(), np.random.default_rng(1)
    made.parameters = [p.astype(float) for p in made.parameters]
    x, y = rng.normal(size=(6, 5)), rng.normal(size=(6, 3))
    _, gradients = made.gradient(x, y)
    for parameter, gradient in zip(made.parameters, gradients, strict=True):
        index = tuple(rng.integers(size) for size in parameter.shape)
        losses = []
        for step in (1e-6, -1e-6):
            parameter[index] += step
            losses.append(made.gradient(x, y)[0])
            parameter[index] -= step
        difference = (losses[0] - losses[1]) / 2e-6
        assert gradient[index] == pytest.approx(difference, abs=1e-6)


def test_a_fit_learns_what_a_line_cannot_say() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-1.0, 1.0, (4000, 2)).astype(np.float32)
    y = np.abs(x[:, :1]) * np.sign(x[:, 1:])
    made = Mlp((2, 32, 32, 1), np.zeros((2, 1)), rng)
    steps: list[None] = []
    loss = fit(made, x, y, 1500, rng, batch=128, advance=lambda: steps.append(None))
    line = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)[1][0] / len(x)
    assert loss < 0.1 * line
    assert len(steps) == 1500


def test_two_fits_with_one_seed_are_equal() -> None:
    x = np.random.default_rng(3).normal(size=(200, 5)).astype(np.float32)
    results = []
    for _ in range(2):
        rng = np.random.default_rng(4)
        made = Mlp((5, 8, 3), np.zeros((5, 3)), rng)
        fit(made, x, x[:, :3], 50, rng)
        results.append(made(x))
    np.testing.assert_array_equal(*results)


def records() -> Records:
    rng = np.random.default_rng(5)
    manifest = raw_manifest(HAND)
    seen = rng.normal(size=(50, manifest.observation.size)).astype(np.float32)
    return Records(seen, np.zeros((50, J), np.float32))


def test_a_fresh_learner_answers_with_the_grasp() -> None:
    known = records()
    learner = Learner.fresh(HAND, known, np.random.default_rng(6))
    for parameter in learner.network.parameters:
        parameter[:] = 0.0
    wanted = known.seen[:, columns(HAND)["grasp"]]
    np.testing.assert_allclose(learner(known.seen), wanted, atol=1e-4)


def test_a_policy_is_written_as_it_was_learned(tmp_path: Path) -> None:
    """Manifest and ONNX together give the targets that the learner gives."""
    known = records()
    learner = Learner.fresh(HAND, known, np.random.default_rng(7))
    write_policy(HAND, learner, tmp_path, {"seed": 7})
    manifest = read_manifest(tmp_path / "leap_right.yaml")
    content = (tmp_path / "leap_right.onnx").read_bytes()
    assert manifest.sha256 == hashlib.sha256(content).hexdigest()
    onnx = OnnxNetwork(tmp_path / "leap_right.onnx", manifest)
    terms = manifest.observation.terms
    mean, scale = (np.concatenate([getattr(t, name) for t in terms]) for name in ("mean", "scale"))
    clip = terms[0].clip
    assert clip is not None
    inputs = np.clip((known.seen - mean) / scale, -clip, clip).astype(np.float32)
    answer = onnx.run(inputs, ())[0] + np.asarray(manifest.action.offset)
    np.testing.assert_allclose(answer, learner(known.seen), atol=1e-4)


def test_the_same_network_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_onnx(network(), tmp_path / name, "same")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_apprentice_records_the_teacher_while_the_student_acts() -> None:
    taught, error = np.array([True, False]), np.full((2, J), 0.01)
    apprentice = Apprentice(raw_manifest(HAND), HAND, lambda seen: np.full((len(seen), J), 0.2),
                            taught, error)  # fmt: skip
    q = np.tile(HAND.postures["open"], (2, 1))
    points = np.zeros((2, len(HAND.finger_names), 3))
    pose, down = np.tile(np.eye(4), (2, 1, 1)), np.tile([0.0, 0.0, -1.0], (2, 1))
    apprentice.start(np.arange(2), GraspSet(HAND.name, "world", pose, down, q, q, q, points, points,
                                            np.ones(2), ("power",) * 2, "test"))  # fmt: skip
    force = np.full((2, len(HAND.finger_names)), np.nan)
    observation = Observation(np.zeros(2), q, 0.0 * q, 0.0 * q, pose, force)
    nominal = Command(np.full((2, J), 0.4), pose)
    sent = apprentice.command(np.full(2, 3), nominal, observation).joint_position
    np.testing.assert_allclose(sent, [[0.41] * J, [0.2] * J])
    assert len(apprentice.records) == 1
    np.testing.assert_allclose(apprentice.records[0].wanted, 0.4)
