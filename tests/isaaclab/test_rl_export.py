"""An actor of rsl-rl, barely trained or not at all, in the executor's policy slot.

Run as test_rewards.py; needs no simulator.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rsl_rl.models import MLPModel
from tensordict import TensorDict

from dexgrasp.errors import ConfigError
from dexgrasp.execution.policy import OnnxNetwork, PolicyController, read_manifest
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.simulation.isaaclab.rl.export import columns, layout, write_policy
from dexgrasp.simulation.isaaclab.rl.fingers import Fingers
from dexgrasp.simulation.isaaclab.rl.task import TaskConfig, finger_basis
from dexgrasp.simulation.isaaclab.rl.train import agent


def actor(task: TaskConfig, size: int, actions: int) -> torch.nn.Module:
    """As the runner makes it, with a normaliser that has seen something."""
    torch.manual_seed(1)
    seen = TensorDict({"policy": 3.0 + torch.randn(64, size)}, batch_size=[64])
    figures = {k: v for k, v in agent(task)["actor"].items() if k != "class_name"}
    model = MLPModel(seen, {"actor": ["policy"]}, "actor", actions, **figures)
    model.update_normalization(seen)
    return model.as_onnx(verbose=False)


@pytest.mark.parametrize("name", hand_names())
@pytest.mark.parametrize("actions", ["joints", "eigengrasps"])
def test_the_executor_loads_it_and_computes_what_training_did(
    name: str, actions: str, tmp_path: Path
) -> None:
    hand, task = HandModel.load(name), TaskConfig.model_validate({"hand": name, "actions": actions})
    size, basis = sum(s for _, s, _ in layout(hand)), finger_basis(hand, task)
    network = actor(task, size, len(basis))
    path = write_policy(task, network, 0.002, tmp_path)
    found = read_manifest(path)
    assert found.rate == 62.5
    assert found.training["task"]["actions"] == actions
    PolicyController.load(str(path), hand, 3)
    onnx = OnnxNetwork(path.parent / found.model, found)
    obs = torch.randn(5, size, generator=torch.Generator().manual_seed(2))
    fingers = Fingers(basis, hand.joint_lower, hand.joint_upper, task.closing)
    where = columns(hand)
    given = (obs[:, where[term]] for term in ("pregrasp", "squeeze", "time_acting"))
    with torch.no_grad():
        expected = fingers(network(obs), *given).numpy()
    np.testing.assert_allclose(onnx.run(obs.numpy(), ())[0], expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.1


@pytest.mark.parametrize("choice", [{"actor": "teacher"}, {"palm": "free"}])
def test_what_no_robot_can_run_is_not_exported(choice: dict[str, str], tmp_path: Path) -> None:
    task = TaskConfig.model_validate({"hand": "leap_right", **choice})
    with pytest.raises(ConfigError, match="--actor student --palm scripted"):
        write_policy(task, torch.nn.Identity(), 0.002, tmp_path)
    assert not list(tmp_path.iterdir())
