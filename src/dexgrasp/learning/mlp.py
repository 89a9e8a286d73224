"""A small network in numpy: trained by Adam on one core, written as ONNX."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dexgrasp.types import Array

OPSET, IR = 17, 8  # ONNX Runtime from 1.12 on, 2022, reads both
BETA, EPSILON = (0.9, 0.999), 1e-8  # of Adam (Kingma and Ba 2015, algorithm 1)


class Mlp:
    """y = skip x + W_k relu(... relu(W_1 x + b_1)) + b_k, in float32.

    skip: (D, J) fixed: what the answer is before anything is learned.
    """

    def __init__(self, sizes: tuple[int, ...], skip: Array, rng: np.random.Generator) -> None:
        """sizes: of input, hidden layers and output. He's initialisation, the last layer small."""
        self.skip = skip.astype(np.float32)
        self.parameters: list[Array] = []
        pairs = list(pairwise(sizes))
        for index, (inputs, outputs) in enumerate(pairs):
            scale = np.sqrt(2.0 / inputs) * (0.1 if index == len(pairs) - 1 else 1.0)
            self.parameters.append((scale * rng.normal(size=(inputs, outputs))).astype(np.float32))
            self.parameters.append(np.zeros(outputs, np.float32))

    def __call__(self, x: Array) -> Array:
        """Outputs (n, J) of inputs (n, D)."""
        return self._forward(x)[0]

    def _forward(self, x: Array) -> tuple[Array, list[Array]]:
        hidden = [x]
        for k in range(0, len(self.parameters), 2):
            before = hidden[-1] @ self.parameters[k] + self.parameters[k + 1]
            if k + 2 == len(self.parameters):
                return before + x @ self.skip, hidden
            hidden.append(np.maximum(before, 0.0))
        raise AssertionError("a network has at least one layer")

    def gradient(self, x: Array, y: Array) -> tuple[float, list[Array]]:
        """Mean squared error of a batch x (n, D), y (n, J), and its gradient."""
        answer, hidden = self._forward(x)
        error = answer - y
        back = (2.0 / error.size) * error
        gradients: list[Array] = [np.empty(0)] * len(self.parameters)
        for k in range(len(self.parameters) - 2, -1, -2):
            gradients[k], gradients[k + 1] = hidden[k // 2].T @ back, back.sum(axis=0)
            if k:
                back = (back @ self.parameters[k].T) * (hidden[k // 2] > 0.0)
        return float(np.mean(error**2)), gradients


def fit(
    network: Mlp,
    x: Array,
    y: Array,
    steps: int,
    rng: np.random.Generator,
    batch: int = 512,
    rate: float = 1e-3,
    advance: Callable[[], object] = lambda: None,
) -> float:
    """Adam for so many steps with a rate that ends at zero by a cosine; the mean last loss.

    x: (n, D) and y: (n, J), float32.  advance: called at every step.
    """
    first = [np.zeros_like(p) for p in network.parameters]
    second = [np.zeros_like(p) for p in network.parameters]
    losses = []
    for step in range(1, steps + 1):
        rows = rng.integers(len(x), size=batch)
        loss, gradients = network.gradient(x[rows], y[rows])
        now = rate * 0.5 * (1.0 + np.cos(np.pi * step / steps))
        correction = [1.0 - beta**step for beta in BETA]
        for p, g, m, v in zip(network.parameters, gradients, first, second, strict=True):
            m += (1.0 - BETA[0]) * (g - m)
            v += (1.0 - BETA[1]) * (g * g - v)
            p -= now * (m / correction[0]) / (np.sqrt(v / correction[1]) + EPSILON)
        losses.append(loss)
        advance()
    return float(np.mean(losses[-max(1, steps // 20) :]))


def write_onnx(network: Mlp, path: Path, name: str) -> None:
    """The network as a graph `obs` (n, D) -> `actions` (n, J), checked by ONNX's own checker."""
    constants, nodes, before = [], [], "obs"
    count = len(network.parameters) // 2
    for k in range(count):
        weight, bias = f"weight_{k}", f"bias_{k}"
        constants += [
            numpy_helper.from_array(network.parameters[2 * k], weight),
            numpy_helper.from_array(network.parameters[2 * k + 1], bias),
        ]
        after = "correction" if k == count - 1 else f"sum_{k}"
        nodes.append(helper.make_node("Gemm", [before, weight, bias], [after]))
        if k < count - 1:
            before = f"hidden_{k}"
            nodes.append(helper.make_node("Relu", [after], [before]))
    constants.append(numpy_helper.from_array(network.skip, "skip"))
    nodes.append(helper.make_node("MatMul", ["obs", "skip"], ["reference"]))
    nodes.append(helper.make_node("Add", ["correction", "reference"], ["actions"]))
    inputs, outputs = network.skip.shape
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, ["n", inputs])],
        [helper.make_tensor_value_info("actions", TensorProto.FLOAT, ["n", outputs])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
