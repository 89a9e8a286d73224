"""IsaacLab 3 with Newton physics on the processor: the same promises as MuJoCo, both hands."""

from __future__ import annotations

import numpy as np
import pytest

from dexgrasp.config import resource_root
from dexgrasp.evaluation.pick import random_placement
from dexgrasp.execution import ExecutionConfig, GraspExecutor, Phase
from dexgrasp.geometry import pose_from_quaternion
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.simulation import SimulationConfig, check_backend, make_backend
from dexgrasp.synthesis import GraspGeometry, make_synthesizer
from dexgrasp.types import Command, GraspSet, ObjectPlacement

PYTHON = resource_root() / ".venv-isaaclab" / "bin" / "python"

pytest.importorskip("pxr", reason="the extra 'usd' is not installed")
pytestmark = [
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-isaaclab: run `make isaaclab`"),
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # a first start compiles kernels for minutes
]


@pytest.fixture(scope="module")
def placement():
    return random_placement(load_object("tomato_soup_can"), 0.0, seed=1)


@pytest.mark.parametrize("name", hand_names())
def test_every_promise_holds(name: str, placement) -> None:
    hand, config = HandModel.load(name), SimulationConfig.load()
    checked = check_backend(
        lambda worlds: make_backend("isaaclab", hand, config, worlds), placement, worlds=2
    )
    assert len(checked) == 20


def test_it_moves_as_mujoco_does(placement) -> None:
    """A turn with four different numbers and a closing hand: poses and joints agree."""
    hand, config = HandModel.load("allegro_right"), SimulationConfig.load()
    palm = pose_from_quaternion(
        np.array([-0.2, 0.1, 0.4]), np.array([0.6, 0.2, 0.7, np.sqrt(1.0 - 0.89)])
    )
    ends = []
    for kind in ("mujoco", "isaaclab"):
        backend = make_backend(kind, hand, config)
        backend.load([placement])
        backend.reset(T_world_palm=palm[None])
        seen = backend.observe()
        goal = hand.clip(seen.joint_position + 0.3)
        target = palm.copy()
        target[:3, 3] += [0.03, -0.05, 0.02]
        for _ in range(25):
            backend.step(Command(goal, target[None]), 0.02)
        ends.append(backend.observe())
        backend.close()
    assert np.abs(ends[0].joint_position - ends[1].joint_position).max() < 5e-3
    assert np.abs(ends[0].T_world_palm - ends[1].T_world_palm).max() < 1e-3
    assert np.abs(ends[0].joint_position - seen.joint_position).max() > 0.1


def test_the_camera_sees_what_mujoco_renders(placement) -> None:
    hand = HandModel.load("allegro_right")
    config = SimulationConfig.load().model_copy(update={"depth_noise": False})
    images = []
    for kind in ("mujoco", "isaaclab"):
        backend = make_backend(kind, hand, config)
        backend.load([placement])
        images.append(backend.depth().depth)
        backend.close()
    both = (images[0] > 0.0) & (images[1] > 0.0)
    assert both.mean() > 0.9
    off = np.abs(images[0] - images[1])[both]
    assert np.median(off) < 5e-4
    assert (off > 0.005).mean() < 0.02  # edges


@pytest.fixture(scope="module")
def bottle() -> tuple[ObjectPlacement, GraspSet]:
    """One that stands, with grasps of it in the world that held on trial."""
    model = load_object("mustard_bottle")
    geometry = GraspGeometry(model, model.T_table_object, 0.0)
    grasps = make_synthesizer("search").synthesize(HandModel.load("allegro_right"), geometry, 3)
    return ObjectPlacement(model, model.T_table_object), grasps


@pytest.mark.parametrize("kind", ["mujoco", "isaaclab"])
def test_a_bottle_is_lifted_and_the_forces_on_it_carry_its_weight(kind: str, bottle) -> None:
    """Its parts are found by their boxes, which were turned with Newton's axes of inertia."""
    placement, grasps = bottle
    hand, config = HandModel.load(grasps.hand), SimulationConfig.load()
    backend = make_backend(kind, hand, config)
    backend.load([placement])
    for k in range(len(grasps)):
        start = grasps.T_frame_palm[[k]].copy()
        start[:, :3, 3] -= 0.1 * grasps.approach[k]
        backend.reset(T_world_palm=start, joint_position=grasps.pregrasp[[k]])
        executor = GraspExecutor(hand, ExecutionConfig.load(), 1)
        executor.start(grasps[[k]])
        while executor.phase[0] != Phase.HOLD or executor.time_in_phase[0] < 0.8:
            assert not executor.finished[0], (k, executor.fault)
            backend.step(executor.step(backend.observe()), 0.02)
        contacts = [c for c in backend.contacts() if c.other == placement.model.name]
        pushes = np.sum([c.push for c in contacts], axis=0)
        assert sum(c.force for c in contacts) > 10.0
        assert np.linalg.norm(pushes - [0.0, 0.0, 9.81 * placement.model.mass]) < 0.06
        assert backend.truth().object_com[0, 0, 2] > 0.25
    backend.close()


def test_several_worlds_are_stepped_one_by_one(placement) -> None:
    """The kernels of mujoco_warp: another solver than one world's. World 0 moves alone.

    Then each is pulled along the table by the same force, and only the slippery one slides.
    """
    hand, config = HandModel.load("leap_right"), SimulationConfig.load()
    backend = make_backend("isaaclab", hand, config, worlds=2)
    backend.load([placement])
    start = backend.observe()
    target = start.T_world_palm.copy()
    target[:, :3, 3] += [0.0, 0.01, -0.02]
    for _ in range(10):
        backend.step(Command(start.joint_position, target), 0.02, [0])
    seen, truth = backend.observe(), backend.truth()
    np.testing.assert_allclose(seen.time, [0.2, 0.0])
    np.testing.assert_allclose(seen.T_world_palm[1], start.T_world_palm[1], atol=1e-5)
    assert np.abs(seen.T_world_palm[0] - target[0]).max() < 0.005
    np.testing.assert_allclose(truth.T_world_object[0, 0], placement.T_world_object, atol=2e-3)
    backend.vary(friction=np.array([0.2, 0.9]))
    pull = 0.5 * 9.81 * placement.model.mass
    backend.vary(push=np.tile([pull, 0.0, 0.0], (2, 1, 1)))
    for _ in range(10):
        backend.step(Command(start.joint_position, target), 0.02)
    slid = (backend.truth().object_com - truth.object_com)[:, 0, 0]
    assert slid[0] > 0.02
    assert abs(slid[1]) < 0.005
    backend.close()
