"""One iteration of PPO, and its actor in the executor's policy slot. Run as test_rewards.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from dexgrasp.execution.policy import PolicyController
from dexgrasp.hands import HandModel
from dexgrasp.simulation.isaaclab.rl import train


def command() -> train.typer.Typer:
    app = train.typer.Typer()
    app.command()(train.run)
    return app


def test_a_training_leaves_a_policy_that_the_executor_loads(tmp_path: Path, monkeypatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(train, "STEPS", 4)
    given = ["--hand", "leap_right", "--objects", "rubiks_cube", "--envs", "2", "--iterations", "1"]
    ended = CliRunner().invoke(command(), [*given, "--output", str(tmp_path)])
    assert ended.exit_code == 0, ended.output
    folder = tmp_path / "leap_right"
    assert (folder / "model_0.pt").exists()
    written = yaml.safe_load((folder / "training.yaml").read_text())
    assert written["task"]["objects"] == ["rubiks_cube"]
    assert written["agent"]["num_steps_per_env"] == 4
    PolicyController.load(str(folder / "leap_right.yaml"), HandModel.load("leap_right"), 1)


def test_without_rsl_rl_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def absent(name: str) -> object:
        return None if name == "rsl_rl" else found(name)

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    ended = CliRunner().invoke(command(), [])
    assert ended.exit_code == 1
    assert ended.output.count("\n") == 1
    assert "run `make isaaclab`" in ended.output


def test_an_unknown_object_is_named(tmp_path: Path) -> None:
    ended = CliRunner().invoke(command(), ["--objects", "teapot", "--output", str(tmp_path)])
    assert ended.exit_code == 1
    assert "unknown object 'teapot'" in ended.output
