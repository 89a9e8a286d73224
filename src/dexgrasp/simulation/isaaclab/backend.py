"""`SimBackend` over IsaacLab, 3 with Newton or 2.3 with PhysX, in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from dexgrasp.errors import BackendError
from dexgrasp.hands import HandModel
from dexgrasp.perception.noise import DepthNoise
from dexgrasp.simulation.checks import begin, steps_in
from dexgrasp.simulation.config import SimulationConfig
from dexgrasp.simulation.isaaclab.client import borrow, give_back
from dexgrasp.simulation.isaaclab.wire import Recipe, Snapshot, pack_poses, unpack_poses
from dexgrasp.simulation.scene import home_pose
from dexgrasp.types import (
    Array,
    Command,
    Contact,
    DepthFrame,
    GroundTruth,
    ObjectPlacement,
    Observation,
)

SEEING_WORLDS = 8  # as many have cameras: IsaacLab keeps the pictures of all worlds


class IsaacLabBackend:
    """N worlds in IsaacLab. Its scene is built by `load`, else when it is first needed.

    threads: unused; IsaacLab decides. More than `SEEING_WORLDS` worlds have no cameras.
    """

    def __init__(
        self,
        hand: HandModel,
        config: SimulationConfig,
        worlds: int = 1,
        threads: int = 0,
        seed: int = 0,
    ) -> None:
        """Raises BackendError where IsaacLab is not installed or cannot start."""
        if worlds < 1:
            raise BackendError(f"a backend needs at least one world; {worlds} given")
        self.hand, self.config, self.worlds = hand, config, worlds
        self.timestep = config.timestep
        self.placements: tuple[ObjectPlacement, ...] = ()
        self._lock = threading.RLock()
        self._noise = DepthNoise() if config.depth_noise else None
        self._rng = np.random.default_rng(seed)
        self._worker = borrow()
        self._snapshot: Snapshot | None = None
        self._time = np.zeros(worlds)
        self._targets = np.tile(hand.postures["open"], (worlds, 1))

    @property
    def home_pose(self) -> Array:
        """(4, 4) palm pose after a reset."""
        return home_pose(self.hand, self.config)

    def load(self, placements: Sequence[ObjectPlacement]) -> None:
        """See `SimBackend.load`."""
        with self._lock:
            models = [p.model for p in placements]
            cameras = self.worlds <= SEEING_WORLDS
            recipe = Recipe.of(self.hand, self.config, models, self.worlds, cameras)
            names = [link.name for link in self.hand.links]
            self._names = dict(zip(recipe.links, names, strict=True))
            self._snapshot = self._worker.call("build", recipe)
            self.placements = tuple(placements)
            self.reset()

    def _call(self, name: str, *arguments: object):
        if self._snapshot is None:
            self.load(())
        return self._worker.call(name, *arguments)

    def reset(
        self,
        worlds: Sequence[int] | None = None,
        T_world_palm: Array | None = None,
        joint_position: Array | None = None,
        T_world_object: Array | None = None,
    ) -> None:
        """See `SimBackend.reset`."""
        rows, palm, joints, objects = begin(
            self, worlds, T_world_palm, joint_position, T_world_object
        )
        with self._lock:
            self._snapshot = self._call(
                "reset", rows, pack_poses(palm), np.array(joints), pack_poses(objects)
            )
            self._time[rows] = 0.0
            self._targets[rows] = joints

    def vary(
        self,
        gravity: Array | None = None,
        friction: Array | None = None,
        mass: Array | None = None,
        push: Array | None = None,
        stuck: Array | None = None,
    ) -> None:
        """See `SimBackend.vary`."""
        with self._lock:
            self._call("vary", gravity, friction, mass, push, stuck)

    def step(self, command: Command, duration: float, worlds: Sequence[int] | None = None) -> None:
        """See `SimBackend.step`."""
        count = steps_in(duration, self.timestep, command)
        rows = None if worlds is None else np.asarray(worlds)
        with self._lock:
            joints = self.hand.clip(command.joint_position)
            palm = pack_poses(command.T_world_palm)
            self._snapshot = self._call("step", joints, palm, count, rows)
            self._targets = joints
            self._time[slice(None) if rows is None else rows] += count * self.timestep

    def _seen(self) -> Snapshot:
        if self._snapshot is None:
            self.load(())
        assert self._snapshot is not None
        return self._snapshot

    def observe(self) -> Observation:
        """See `SimBackend.observe`. The effort is what the servos give at this state."""
        with self._lock:
            seen, hand = self._seen(), self.hand
            gap = self._targets - seen.joint_position
            effort = hand.stiffness * gap - hand.damping * seen.joint_velocity
            return Observation(
                time=self._time.copy(),
                joint_position=seen.joint_position.astype(float),
                joint_velocity=seen.joint_velocity.astype(float),
                joint_effort=np.clip(effort, -hand.effort_limit, hand.effort_limit),
                T_world_palm=unpack_poses(seen.palm),
                finger_force=seen.finger_force.astype(float),
            )

    def truth(self) -> GroundTruth:
        """See `SimBackend.truth`."""
        with self._lock:
            seen = self._seen()
            poses = unpack_poses(seen.objects)
            com = np.array([p.model.com for p in self.placements]).reshape(-1, 3)
            centres = poses[..., :3, 3] + np.einsum("nmij,mj->nmi", poses[..., :3, :3], com)
            return GroundTruth(
                self._time.copy(),
                poses,
                centres,
                seen.object_velocity.astype(float),
                seen.finger_object_force.astype(float),
            )

    def contacts(self, world: int = 0) -> list[Contact]:
        """See `SimBackend.contacts`."""
        with self._lock:
            found = self._call("contacts", world)
        result = []
        for first, second, position, normal, push in found:
            if not (first.startswith("Hand/") or second.startswith("Hand/")):
                continue
            own, other = (first, second) if first.startswith("Hand/") else (second, first)
            sign = 1.0 if own == first else -1.0
            names = self._body_name(own), self._body_name(other)
            force = float(push @ normal)
            result.append(Contact(*names, np.asarray(position), sign * normal, force, sign * push))
        return result

    def _body_name(self, name: str) -> str:
        if name.startswith("Hand/"):
            return self._names[name.removeprefix("Hand/")]
        if name.startswith("object_"):
            return self.placements[int(name.removeprefix("object_"))].model.name
        return "table"

    def depth(self, world: int = 0) -> DepthFrame:
        """See `SimBackend.depth`: Newton's ray-traced picture. Raises BackendError without.

        The time is that of the call: a step that was asked for before may end in between.
        """
        camera, now = self.config.camera, float(self._time[world])
        depth = self._picture("depth", world)
        if self._noise is not None:
            depth = self._noise.apply(depth, camera.intrinsics, self._rng)
        return DepthFrame(depth, camera.intrinsics, camera.T_world_camera, now)

    def color(self, world: int = 0) -> Array:
        """See `SimBackend.color`. Raises as `depth`."""
        return self._picture("overview", world)

    def _picture(self, camera: str, world: int) -> Array:
        if self.worlds > SEEING_WORLDS:
            raise BackendError(
                f"only {SEEING_WORLDS} worlds or fewer have cameras in IsaacLab; "
                f"this backend has {self.worlds}"
            )
        self._seen()
        return self._worker.call(camera, world)  # without the lock: a picture takes many steps

    def close(self) -> None:
        """See `SimBackend.close`. The worker is kept for the next backend of this process."""
        give_back(self._worker)
