"""The simulated world behind the bridge: one backend, monotonic time, spawned objects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from dexgrasp.errors import BackendError, UnknownNameError
from dexgrasp.evaluation.pick import random_placement
from dexgrasp.objects import load_object
from dexgrasp.simulation import SimBackend
from dexgrasp.types import Command, Contact, DepthFrame, GroundTruth, ObjectPlacement, Observation


class World:
    """World 0 of a backend. Time never runs backwards, not even over a reset.

    on_reset is called with the observation after a reset, before any further step.
    """

    def __init__(
        self, backend: SimBackend, table_height: float, on_reset: Callable[[Observation], None]
    ) -> None:
        self.backend = backend
        self.table_height = table_height
        self.paused = False
        self.sources: tuple[str, ...] = ()
        self._on_reset = on_reset
        self._offset = 0.0
        self._newest = backend.observe()
        self._push_end = np.inf
        self._lock = threading.RLock()

    @property
    def now(self) -> float:
        """Time of the newest observation [s]."""
        return float(self._newest.time[0])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objects."""
        return tuple(p.model.name for p in self.backend.placements)

    def step(self, command: Callable[[Observation], Command], duration: float) -> Observation:
        """Hold `command(newest)` for `duration` [s] unless paused; returns what is then seen.

        newest: what was seen last, after a reset too.
        """
        with self._lock:
            if self.now >= self._push_end:
                self._push_objects(np.zeros((len(self.names), 3)), np.inf)
            if not self.paused:
                self.backend.step(command(self._newest), duration)
            return self._observe()

    def truth(self) -> tuple[GroundTruth, tuple[str, ...], tuple[str, ...]]:
        """The truth with the names and sources of its objects."""
        with self._lock:
            return self.backend.truth(), self.names, self.sources

    def contacts(self) -> list[Contact]:
        """Every contact of the hand."""
        with self._lock:
            return self.backend.contacts()

    def depth(self) -> DepthFrame | None:
        """A depth image at monotonic time; None when a reset came in between."""
        offset = self._offset
        frame = self.backend.depth()
        with self._lock:
            same = offset == self._offset
        return replace(frame, time=frame.time + offset) if same else None

    def spawn(
        self, name: str, pose: np.ndarray | None, seed: int, replace: bool
    ) -> ObjectPlacement:
        """Add an object at `pose` (4, 4), or at a random resting pose, and reset the world.

        Raises UnknownNameError, MeshError, BackendError; the world is as before then.
        """
        model = load_object(name)
        if pose is None:
            placement = random_placement(model, self.table_height, seed)
        else:
            placement = ObjectPlacement(model, pose)
        with self._lock:
            kept = () if replace else self.backend.placements
            sources = () if replace else self.sources
            self._restart(lambda: self.backend.load((*kept, placement)))
            self.sources = (*sources, name)
        return placement

    def reset(self, remove_objects: bool) -> None:
        """Put the hand home and the objects to where they were spawned, or away."""
        with self._lock:
            if remove_objects:
                self._restart(lambda: self.backend.load(()))
                self.sources = ()
            else:
                self._restart(self.backend.reset)

    def push(self, name: str, force: np.ndarray, duration: float) -> None:
        """Push an object (empty name: the last) with `force` (3,) [N] for `duration` [s].

        Raises UnknownNameError, BackendError for what is not finite.
        """
        if not (np.isfinite(force).all() and np.isfinite(duration)):
            raise BackendError("a force or duration that is not finite was refused")
        with self._lock:
            if not self.names or name not in ("", *self.names):
                raise UnknownNameError("object", name, self.names)
            forces = np.zeros((len(self.names), 3))
            forces[self.names.index(name) if name else -1] = force
            self._push_objects(forces, self.now + duration)

    def _push_objects(self, forces: np.ndarray, end: float) -> None:
        self.backend.vary(push=forces[None])
        self._push_end = end

    def jam(self, joints: Sequence[str]) -> None:
        """Let these joints stick where they are, and all others move. Raises UnknownNameError.

        Joints stay jammed over a reset, and until the next object is spawned.
        """
        names = self.backend.hand.joint_names
        for joint in joints:
            if joint not in names:
                raise UnknownNameError("joint", joint, names)
        with self._lock:
            self.backend.vary(stuck=np.isin(names, list(joints))[None])

    def close(self) -> None:
        """Release the backend."""
        with self._lock:
            self.backend.close()

    def _restart(self, action: Callable[[], None]) -> None:
        before = self.now
        action()
        self._push_end = np.inf
        self._offset = before - float(self.backend.observe().time[0])
        self._on_reset(self._observe())

    def _observe(self) -> Observation:
        observation = self.backend.observe()
        observation.time = observation.time + self._offset
        self._newest = observation
        return observation
