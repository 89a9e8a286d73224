"""N MuJoCo worlds on a GPU: mujoco_warp behind the calls of `mujoco.batch.Batch` used here."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from dexgrasp.errors import BackendError
from dexgrasp.types import Array

# Written by the caller before a step, and read back after it.
INPUTS = ("qpos", "qvel", "ctrl", "mocap_pos", "mocap_quat", "xfrc_applied", "time")
OUTPUTS = ("qpos", "qvel", "time", "sensordata", "qfrc_actuator")
VARIED = ("geom_friction", "body_mass", "body_inertia", "dof_damping")  # and opt.gravity
# What `set_const` derives from masses. It fills as many worlds as these arrays have: with one
# for all, every world would have the constants of world 0 and blow up beside a heavy one.
DERIVED = ("body_subtreemass", "body_invweight0", "dof_invweight0", "actuator_acc0")
# Contacts and constraint rows of one world: 13 contacts were the peak of a grasp with
# primitives (facts/simulation.md), so that these leave room for objects of many parts.
CONTACTS, ROWS = 96, 384


class WarpBatch:
    """Arrays of N worlds that live on the device, mirrored on the host.

    The arrays of `bind` and `expand` are written in place, as those of `mujoco.batch`; they
    travel to the device before a step and come back after it. Single precision inside.
    """

    def __init__(self, model: mujoco.MjModel, worlds: int) -> None:
        """Raises BackendError when mujoco_warp is not installed."""
        try:
            import mujoco_warp
            import warp
        except ImportError as error:
            raise BackendError(
                "the backend mujoco_warp needs the extra 'gpu': pip install 'dexgrasp[gpu]'"
            ) from error
        self._warp, self._engine = warp, mujoco_warp
        self.model, self.worlds = model, worlds
        batched: dict[str, int] = dict.fromkeys(VARIED + DERIVED, worlds)
        self._model = mujoco_warp.put_model(model, batch_sizes=batched)
        gravity = np.tile(model.opt.gravity, (worlds, 1)).astype(np.float32)
        self._model.opt.gravity = warp.array(gravity, dtype=warp.vec3)
        self._data = mujoco_warp.put_data(
            model, mujoco.MjData(model), nworld=worlds, nconmax=CONTACTS, njmax=ROWS
        )
        self._mirror = {name: self._pulled(name) for name in {*INPUTS, *OUTPUTS}}
        self._start = {name: self._mirror[name].copy() for name in INPUTS}
        self._varied: dict[str, Array] = {}
        self._written: set[str] = set()  # of the varied, that the device has not seen yet
        self._graph: Any = None

    def bind(self, name: str) -> Array:
        """The mirror (N, ...) of a field of MjData."""
        return self._mirror[name]

    def expand(self, name: str) -> Array:
        """The values (N, ...) of `opt.gravity` or of a model field in VARIED.

        To be asked for before every change: only what was asked for travels to the device.
        """
        self._written.add(name)
        if name not in self._varied:
            value = self._field(name).numpy().astype(float)
            self._varied[name] = np.array(np.broadcast_to(value, (self.worlds, *value.shape[1:])))
        return self._varied[name]

    def set_const(self) -> None:
        """Constants derived from masses follow them."""
        self._push_model()
        self._engine.set_const(self._model, self._data)

    def reset(self, ids: Array, stage: object = None) -> None:
        """Worlds back to the model's defaults; `forward` must follow."""
        self._engine.reset_data(self._model, self._data, self._mask(ids))
        for name, start in self._start.items():
            self._mirror[name][ids] = start[ids]

    def forward(self, ids: Array) -> None:
        """Derived fields of the state as it was written."""
        self._push()
        self._engine.forward(self._model, self._data)
        self._pull()

    def step(self, ids: Array | None, nstep: int) -> None:
        """Advance `ids` (None: all); the device steps all, and the others are put back."""
        resting = np.ones(self.worlds, dtype=bool)
        resting[slice(None) if ids is None else ids] = False
        before = {name: self._mirror[name][resting].copy() for name in self._mirror}
        self._push()
        for _ in range(nstep):
            self._advance()
        self._pull()
        for name, value in before.items():
            self._mirror[name][resting] = value

    def get_data(self, sim: int) -> mujoco.MjData:
        """The state of one world; derived fields are not computed."""
        data = mujoco.MjData(self.model)
        for name in INPUTS:
            value = self._mirror[name][sim]
            if name == "time":
                data.time = float(value)
            else:
                getattr(data, name)[:] = value
        return data

    def _advance(self) -> None:
        """One step: recorded once on a GPU, where launching kernel by kernel costs more."""
        if not self._warp.get_device().is_cuda:
            self._engine.step(self._model, self._data)
            return
        if self._graph is None:
            self._engine.step(self._model, self._data)  # compiles before it is recorded
            self._push()
            with self._warp.ScopedCapture() as capture:
                self._engine.step(self._model, self._data)
            self._graph = capture.graph
        self._warp.capture_launch(self._graph)

    def _field(self, name: str) -> Any:
        owner = self._model
        for part in name.split("."):
            owner = getattr(owner, part)
        return owner

    def _mask(self, ids: Array) -> Any:
        mask = np.zeros(self.worlds, dtype=bool)
        mask[ids] = True
        return self._warp.array(mask, dtype=bool)

    def _push_model(self) -> None:
        for name in self._written:
            self._field(name).assign(self._varied[name].astype(np.float32))
        self._written.clear()

    def _push(self) -> None:
        self._push_model()
        for name in INPUTS:
            getattr(self._data, name).assign(self._mirror[name].astype(np.float32))

    def _pulled(self, name: str) -> Array:
        return getattr(self._data, name).numpy().astype(float)

    def _pull(self) -> None:
        for name in OUTPUTS:
            self._mirror[name][:] = self._pulled(name)
