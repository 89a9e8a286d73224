"""A policy's graph in ONNX Runtime, on one thread of the CPU."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort

from dexgrasp.errors import ConfigError
from dexgrasp.execution.policy.manifest import PolicyManifest
from dexgrasp.types import Array

LARGEST = 256 * 2**20  # [bytes] of a model: nobody runs a larger one at 60 Hz on one core
States = tuple[Array, ...]
"""Recurrent states, each (layers, n, size)."""


class Network(Protocol):
    """Maps normalised observations (n, D) float32 to outputs (n, J)."""

    def states(self, worlds: int) -> States:
        """Recurrent states at the beginning of an attempt."""
        ...

    def run(self, inputs: Array, states: States) -> tuple[Array, States]:
        """Outputs, and the states after them."""
        ...


class OnnxNetwork:
    """The graph of a manifest. Nothing of the file is executed but ONNX's own operators."""

    def __init__(self, path: Path, manifest: PolicyManifest) -> None:
        """Raises ConfigError for a missing, broken, changed or unsuitable file."""
        self._path = path
        self._session = _session(path, _content(path, manifest.sha256))
        self._input, self._output = manifest.observation.input, manifest.action.output
        self._states = dict(manifest.recurrent)
        self._check(manifest)
        # A graph with a fixed batch of one, as rsl-rl exports it, runs world after world.
        self._one_by_one = self._shapes(inputs=True)[self._input][0] == 1
        self.run(np.zeros((1, manifest.observation.size), np.float32), self.states(1))  # warm up

    def states(self, worlds: int) -> States:
        """See `Network`: zeros."""
        shapes = self._shapes(inputs=True)
        return tuple(
            np.zeros((shapes[name][0], worlds, shapes[name][2]), np.float32)
            for name in self._states
        )

    def run(self, inputs: Array, states: States) -> tuple[Array, States]:
        """See `Network`. Raises ConfigError where the graph itself fails."""
        if not self._one_by_one or len(inputs) == 1:
            return self._run(inputs, states)
        rows = [
            self._run(inputs[i : i + 1], tuple(s[:, i : i + 1] for s in states))
            for i in range(len(inputs))
        ]
        kept = zip(*(row[1] for row in rows), strict=True)
        after = tuple(np.concatenate(each, axis=1) for each in kept)
        return np.concatenate([row[0] for row in rows]), after

    def _run(self, inputs: Array, states: States) -> tuple[Array, States]:
        feed = {self._input: inputs, **dict(zip(self._states, states, strict=True))}
        try:
            first, *after = self._session.run([self._output, *self._states.values()], feed)
        except Exception as error:  # those of ONNX Runtime have no base of their own
            raise ConfigError(f"{self._path} cannot run: {error}") from error
        return np.asarray(first), tuple(np.asarray(state) for state in after)

    def _shapes(self, inputs: bool) -> dict[str, list]:
        nodes = self._session.get_inputs() if inputs else self._session.get_outputs()
        return {node.name: list(node.shape) for node in nodes}

    def _check(self, manifest: PolicyManifest) -> None:
        given, made = self._shapes(inputs=True), self._shapes(inputs=False)
        asked = {self._input: manifest.observation.size}
        _same_names(self._path, "inputs", given, [self._input, *self._states])
        missing = [n for n in (self._output, *self._states.values()) if n not in made]
        if missing:
            raise ConfigError(f"{self._path} has no output {missing[0]!r}; it has {list(made)}")
        asked[self._output] = len(manifest.joints)
        for name, size in asked.items():
            shape = {**made, **given}[name]
            if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != size):
                raise ConfigError(
                    f"{name!r} of {self._path.name} has the shape {shape}; the manifest says "
                    f"(n, {size})"
                )
        for name, after in self._states.items():
            for state, shape in ((name, given[name]), (after, made[after])):
                if len(shape) != 3 or not (isinstance(shape[0], int) and isinstance(shape[2], int)):
                    raise ConfigError(
                        f"the state {state!r} of {self._path.name} has the shape {shape}; expected "
                        "(layers, n, size)"
                    )


def _same_names(path: Path, what: str, given: dict[str, list], wanted: list[str]) -> None:
    if set(given) != set(wanted):
        raise ConfigError(f"{path.name} has the {what} {list(given)}; the manifest names {wanted}")


def _content(path: Path, sha256: str) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ConfigError(f"{path} has {size} bytes; at most {LARGEST} are read")
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the policy {path} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ConfigError(
            f"{path} is not the file of its manifest: its sha256 is {found}, the manifest's "
            f"{sha256}; after a new export write the new one there"
        )
    return content


def _session(path: Path, content: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors come as exceptions
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # those of ONNX Runtime have no base of their own
        raise ConfigError(f"{path} is no usable ONNX model: {error}") from error
