"""Policies whose answers are known: graphs made on the spot, with the manifests that fit them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from dexgrasp.hands import HandModel

HAND = HandModel.load("allegro_right")
J = HAND.joint_count


def linear(weight: np.ndarray, bias: np.ndarray, batch: int | str = "n") -> onnx.ModelProto:
    """actions = obs weight + bias; weight (D, A)."""
    nodes = [helper.make_node("Gemm", ["obs", "weight", "bias"], ["actions"])]
    inputs, outputs = weight.shape
    return _model(nodes, {"weight": weight, "bias": bias}, {"obs": [batch, inputs]},
                  {"actions": [batch, outputs]})  # fmt: skip


def counter(size: int) -> onnx.ModelProto:
    """One recurrent state of one entry, as rsl-rl lays it out: every joint gets the next count."""
    nodes = [
        helper.make_node("Add", ["h_in", "one"], ["h_out"]),
        helper.make_node("Squeeze", ["h_out", "first"], ["count"]),
        helper.make_node("ReduceSum", ["obs", "last"], ["sum"], keepdims=1),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "count"], ["answer"]),
        helper.make_node("Mul", ["answer", "ones"], ["actions"]),
    ]
    constants = {"one": np.ones((1, 1, 1)), "zero": np.zeros((1, 1)), "ones": np.ones((1, J))}
    model = _model(
        nodes, constants, {"obs": [1, size], "h_in": [1, 1, 1]},
        {"actions": [1, J], "h_out": [1, 1, 1]},
    )  # fmt: skip
    for name, axis in (("first", 0), ("last", 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.array([axis]), name))
    return model


def _model(
    nodes: list, constants: dict[str, np.ndarray], inputs: dict, outputs: dict
) -> onnx.ModelProto:
    info = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in each.items()]
        for each in (inputs, outputs)
    ]
    tensors = [numpy_helper.from_array(v.astype(np.float32), n) for n, v in constants.items()]
    graph = helper.make_graph(nodes, "fake", info[0], info[1], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def values(**changes: Any) -> dict[str, Any]:
    """A manifest of a policy that sees the joint positions and commands joint targets."""
    manifest: dict[str, Any] = {
        "model": "fake.onnx",
        "hand": HAND.name,
        "mode": "full",
        "phases": ["PREGRASP_CLOSURE", "FULL_GRASP", "LIFT", "HOLD"],
        "rate": 60.0,
        "joints": list(HAND.joint_names),
        "observation": {"terms": [{"name": "joint_position", "size": J, "unit": "rad"}]},
        "action": {"kind": "absolute", "unit": "rad", "lower": -1.0, "upper": 2.0},
    }
    return manifest | changes


def written(folder: Path, graph: onnx.ModelProto | bytes, **changes: Any) -> Path:
    """The manifest in `folder`, beside its model."""
    content = graph if isinstance(graph, bytes) else graph.SerializeToString()
    (folder / "fake.onnx").write_bytes(content)
    path = folder / "fake.yaml"
    stored = {"sha256": hashlib.sha256(content).hexdigest(), **values(**changes)}
    path.write_text(yaml.safe_dump(stored))
    return path


def constant(value: float | np.ndarray, inputs: int = J) -> onnx.ModelProto:
    """The same targets for every joint, or these, whatever it sees."""
    return linear(np.zeros((inputs, J)), np.broadcast_to(value, (J,)))
