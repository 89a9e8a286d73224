"""Curriculum, actions and palm of the task for reinforcement learning, without a simulator.

Run as test_rewards.py.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from dexgrasp.errors import ConfigError
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.simulation.isaaclab.rl import palm
from dexgrasp.simulation.isaaclab.rl.curriculum import advanced, stages
from dexgrasp.simulation.isaaclab.rl.fingers import Fingers
from dexgrasp.simulation.isaaclab.rl.task import OBJECTS, TaskConfig, finger_basis


def test_levels_go_from_large_light_and_rough_to_small_heavy_and_slippery() -> None:
    models = [load_object(name) for name in OBJECTS]
    found = stages(models)
    sizes = [float(models[stage.index].mesh.extents.prod()) for stage in found]
    assert len(found) == 9
    for first in range(0, 9, 3):
        assert sizes[first] > sizes[first + 1] > sizes[first + 2]
        assert len({(s.mass, s.friction) for s in found[first : first + 3]}) == 1
    assert found[0].mass < found[3].mass < found[6].mass
    assert found[0].friction > found[3].friction > found[6].friction


def test_success_leads_up_failure_down_and_none_out_of_the_levels() -> None:
    rng = torch.Generator().manual_seed(0)
    level = torch.tensor([0, 0, 4, 4, 8])
    success = torch.tensor([False, True, False, True, True])
    after = advanced(level, success, 9, rng)
    assert after[:4].tolist() == [0, 1, 3, 5]
    last = advanced(torch.full((1000,), 8), torch.ones(1000, dtype=torch.bool), 9, rng)
    assert set(last.tolist()) == set(range(9))
    assert last.dtype == level.dtype


@pytest.mark.parametrize("name", hand_names())
@pytest.mark.parametrize("actions", ["joints", "eigengrasps"])
def test_the_reference_closes_by_the_clock_and_actions_correct_it(name: str, actions: str) -> None:
    hand = HandModel.load(name)
    task = TaskConfig.model_validate({"hand": name, "actions": actions})
    basis = finger_basis(hand, task)
    assert basis.shape == (16 if actions == "joints" else 4, 16)
    fingers = Fingers(basis, hand.joint_lower, hand.joint_upper, (0.0, 1.0))
    pregrasp = torch.tensor(np.tile(hand.postures["open"], (3, 1)), dtype=torch.float32)
    squeeze = torch.tensor(np.tile(hand.postures["power"], (3, 1)), dtype=torch.float32)
    time = torch.tensor([[0.0], [0.5], [3.0]])
    none = torch.zeros(3, fingers.size)
    expected = torch.stack([pregrasp[0], 0.5 * (pregrasp[0] + squeeze[0]), squeeze[0]])
    torch.testing.assert_close(fingers(none, pregrasp, squeeze, time), expected)
    one = torch.zeros(3, fingers.size)
    one[:, 0] = 1.0
    moved = fingers.wanted(one, pregrasp, squeeze, time) - expected
    torch.testing.assert_close(moved, fingers.basis[0].expand(3, -1))
    torch.testing.assert_close(fingers(9.0 * one, pregrasp, squeeze, time),
                               fingers(one, pregrasp, squeeze, time))  # fmt: skip
    wild = fingers(torch.ones(3, fingers.size), pregrasp, squeeze, time)
    assert (wild >= fingers.lower).all()
    assert (wild <= fingers.upper).all()


def test_more_eigengrasps_than_postures_are_refused() -> None:
    task = TaskConfig(hand="leap_right", actions="eigengrasps", eigengrasps=40)
    with pytest.raises(ConfigError, match="40 eigengrasps"):
        finger_basis(HandModel.load("leap_right"), task)


def test_unknown_keys_and_choices_are_refused() -> None:
    with pytest.raises(ValidationError, match="palm"):
        TaskConfig.model_validate({"hand": "leap_right", "palm": "held"})
    with pytest.raises(ValidationError, match="gravity"):
        TaskConfig.model_validate({"hand": "leap_right", "gravity": 0.0})


def test_the_script_waits_and_lifts() -> None:
    offset = palm.scripted(torch.tensor([0.0, 1.0, 2.0, 9.0]), 1.0, 0.2, 0.3)
    torch.testing.assert_close(offset[:, 2], torch.tensor([0.0, 0.0, 0.2, 0.3]))
    assert (offset[:, [0, 1, 3]] == 0.0).all()


def test_a_free_palm_moves_at_its_speed_within_its_limits() -> None:
    speed = torch.tensor([0.25, 0.25, 0.25, 1.0])
    one = palm.steered(torch.zeros(1, 4), torch.tensor([[1.0, -0.5, 3.0, 0.0]]), speed, 0.1)
    torch.testing.assert_close(one, torch.tensor([[0.025, -0.0125, 0.025, 0.0]]))
    far = palm.steered(torch.zeros(1, 4), torch.ones(1, 4), speed, 100.0)
    torch.testing.assert_close(far, torch.tensor([palm.LIMIT]))


def test_a_turn_about_the_vertical_is_that_of_the_world() -> None:
    """A quarter turn of a pose that looks along x, scalar last; position and turn apart."""
    half = np.sqrt(0.5)
    start = torch.tensor([[0.1, 0.2, 0.3, 0.0, half, 0.0, half]], dtype=torch.float32)
    offset = torch.tensor([[0.0, 0.0, 0.1, np.pi / 2]], dtype=torch.float32)
    expected = torch.tensor([[0.1, 0.2, 0.4, -0.5, 0.5, 0.5, 0.5]])
    torch.testing.assert_close(palm.placed(start, offset), expected)
