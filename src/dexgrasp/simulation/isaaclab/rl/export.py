"""A trained actor as an ONNX file with the manifest of the executor's policy slot."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from dexgrasp.errors import ConfigError
from dexgrasp.execution.policy.manifest import PolicyManifest
from dexgrasp.execution.policy.terms import TERMS
from dexgrasp.hands import HandModel
from dexgrasp.simulation.isaaclab.rl.fingers import Fingers
from dexgrasp.simulation.isaaclab.rl.observations import STUDENT
from dexgrasp.simulation.isaaclab.rl.task import DECIMATION, TaskConfig, finger_basis

PHASES = ("PREGRASP_CLOSURE", "FULL_GRASP", "LIFT", "HOLD")
BEYOND = 0.2  # [rad] past the joint limits, within which the graph's own answers are
OPSET = 18  # what rsl-rl exports with
HEADER = "# Written by dexgrasp.simulation.isaaclab.rl.train; docs/policies.md explains the keys.\n"


class Graph(torch.nn.Module):
    """Observations (n, D) to joint targets (n, J) [rad] within the limits."""

    def __init__(self, actor: torch.nn.Module, fingers: Fingers, columns: dict[str, slice]):
        """actor: observations to actions (n, A).  columns: where each term is among D."""
        super().__init__()
        self.actor, self.fingers, self.columns = actor, fingers, columns

    def forward(self, obs: Tensor) -> Tensor:
        """See the class."""
        terms = ("pregrasp", "squeeze", "time_acting")
        return self.fingers(self.actor(obs), *(obs[:, self.columns[name]] for name in terms))


def layout(hand: HandModel) -> list[tuple[str, int, str]]:
    """Name, size and unit of the student's terms."""
    return [(name, TERMS[name].size(hand), TERMS[name].unit) for name in STUDENT]


def columns(hand: HandModel) -> dict[str, slice]:
    """Where each term is in an observation."""
    sizes = [size for _, size, _ in layout(hand)]
    edges = np.cumsum([0, *sizes]).tolist()
    return {name: slice(*pair) for name, pair in zip(STUDENT, pairwise(edges), strict=True)}


def manifest(task: TaskConfig, hand: HandModel, period: float, sha256: str) -> PolicyManifest:
    """What the executor must know. period: of the environment's steps [s]."""
    terms = [{"name": name, "size": size, "unit": unit} for name, size, unit in layout(hand)]
    return PolicyManifest.model_validate(
        {
            "model": f"{hand.name}.onnx",
            "sha256": sha256,
            "hand": hand.name,
            "mode": "full",
            "phases": PHASES,
            "rate": round(1.0 / period, 3),
            "joints": hand.joint_names,
            "observation": {"terms": terms},
            "action": {
                "kind": "absolute",
                "unit": "rad",
                "lower": (hand.joint_lower - BEYOND).round(4).tolist(),
                "upper": (hand.joint_upper + BEYOND).round(4).tolist(),
            },
            "training": {"task": task.model_dump(mode="json")},
        }
    )


def write_policy(task: TaskConfig, actor: torch.nn.Module, timestep: float, folder: Path) -> Path:
    """The actor as `<hand>.onnx` and `<hand>.yaml`; the path of the latter.

    actor: student observations (n, D) to the mean action, normalisation included.
    timestep: of the physics [s].  Raises ConfigError for an actor that no robot can run.
    """
    if not task.exportable:
        raise ConfigError(
            f"an actor of {task.actor} and a {task.palm} palm is not exported: the executor moves "
            "the palm itself and knows what a robot knows; train with --actor student --palm "
            "scripted"
        )
    hand = HandModel.load(task.hand)
    basis = finger_basis(hand, task)
    fingers = Fingers(basis, hand.joint_lower, hand.joint_upper, task.closing)
    graph = Graph(actor.cpu(), fingers, columns(hand)).eval()
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / f"{hand.name}.onnx"
    _write_onnx(graph, sum(size for _, size, _ in layout(hand)), model)
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    values: dict[str, Any] = manifest(task, hand, DECIMATION * timestep, digest).model_dump(
        mode="json"
    )
    path = folder / f"{hand.name}.yaml"
    text = yaml.safe_dump(values, sort_keys=False, width=100, default_flow_style=None)
    path.write_text(HEADER + text)
    return path


def _write_onnx(graph: torch.nn.Module, size: int, path: Path) -> None:
    torch.onnx.export(
        graph,
        (torch.zeros(1, size),),
        path,
        input_names=["obs"],
        output_names=["actions"],
        opset_version=OPSET,
        dynamo=False,  # the other exporter writes the weights beside the model, unhashed
        dynamic_axes={"obs": {0: "n"}, "actions": {0: "n"}},
    )
