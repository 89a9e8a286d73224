"""What the worlds of every IsaacLab have in common. No version of IsaacLab is named here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from dexgrasp.simulation.config import CameraConfig, SimulationConfig
from dexgrasp.simulation.isaaclab.wire import Recipe, Snapshot
from dexgrasp.types import Array

FAR = 3.0  # [m]; what is farther is not seen
RUSTED = 1e3  # [Nm s/rad]: a joint at its effort limit then turns by less than 1e-3 rad/s


class BaseWorlds(ABC):
    """The worlds of one recipe, until the next one is built: IsaacLab holds one scene a process.

    The parts that name IsaacLab are those of a version: `worlds.py` and `worlds23.py`. Every
    array on this class is in the conventions of the wire, every figure in SI units.
    """

    robot: Any
    objects: list[Any]
    seen: Snapshot
    _joints: list[int]  # where the engine has the joints of the canonical order

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.config = SimulationConfig.model_validate(recipe.config)

    @abstractmethod
    def vary(self, gravity, friction, mass, push, stuck) -> None:
        """See `SimBackend.vary`; None leaves a figure."""

    @abstractmethod
    def contacts(self, world: int) -> list[tuple[str, str, Array, Array, Array]]:
        """Each contact of one world: two bodies by their prims' names, '' for the table.

        Then the point [m], the unit normal from the first body to the second, and the force on
        the second (3,) [N].
        """

    @abstractmethod
    def _advance(self) -> None:
        """One time step of every world."""

    @abstractmethod
    def _aim(self, rows: Array, joints: Array, palm: Array) -> None:
        """Targets of worlds (k,): joints (k, J), palm (k, 7)."""

    @abstractmethod
    def _write(self, rows, palm, palm_velocity, joints, joint_velocity, objects, velocity) -> None:
        """The state of worlds (k,); velocities of the link frames, linear and angular (k, 6)."""

    @abstractmethod
    def _release(self, rows: Array) -> None:
        """Nothing pushes the objects of worlds (k,) any longer."""

    @abstractmethod
    def _packed(self, poses: Any) -> Array:
        """(N, 7) poses of each world's frame, as `pack_poses` has them, of the engine's."""

    @abstractmethod
    def _felt(self) -> tuple[Array, Array]:
        """Forces on the tips from everything (N, F, 3), and from each object (N, F, M, 3) [N]."""

    @abstractmethod
    def _image(self, camera: str, kind: str, world: int) -> Array:
        """(h, w, c) what a camera of the scene sees."""

    def reset(self, rows: Array, palm: Array, joints: Array, objects: Array) -> Snapshot:
        """Put worlds (k,) at rest: palm (k, 7), joints (k, J), objects (k, M, 7)."""
        still = np.zeros((len(rows), 6))
        self._write(rows, palm, still, joints, np.zeros_like(joints), objects, still[:, None])
        self._aim(rows, joints, palm)
        self._release(rows)
        chosen = np.isin(np.arange(self.recipe.worlds), rows)
        read = self._read()
        nothing = np.zeros_like(read.finger_force)
        fresh = Snapshot(**{**vars(read), "finger_force": nothing, "finger_object_force": nothing})
        self.seen = self.seen.where(chosen, fresh)
        return self.seen

    def step(self, joints: Array, palm: Array, count: int, rows: Array | None) -> Snapshot:
        """Hold targets (N, J) and (N, 7) for `count` time steps in worlds `rows` (None: all).

        The engine steps all worlds; the others are put back.
        """
        every = np.arange(self.recipe.worlds)
        resting = np.zeros(len(every), bool) if rows is None else ~np.isin(every, rows)
        before = self._motion(resting)
        self._aim(every, joints, palm)
        for _ in range(count):
            self._advance()
        after = self._read()
        if resting.any():
            self._write(np.flatnonzero(resting), *before)
        self.seen = after.where(resting, self.seen)
        return self.seen

    def _motion(self, chosen: Array) -> tuple[Array, ...]:
        """What `_write` takes, of the worlds that are chosen."""
        data = self.robot.data
        parts = [host(part.root_link_vel_w) for part in (data, *(o.data for o in self.objects))]
        empty = np.zeros((self.recipe.worlds, 0, 6))
        moving = np.stack(parts[1:], axis=1) if self.objects else empty
        now = self._read()
        state = (
            now.palm, parts[0], now.joint_position, now.joint_velocity, now.objects, moving,
        )  # fmt: skip
        return tuple(part[chosen].copy() for part in state)

    def _read(self) -> Snapshot:
        data, n = self.robot.data, self.recipe.worlds
        poses = [self._packed(one.data.root_link_pose_w) for one in self.objects]
        speeds = [host(one.data.root_com_vel_w)[:, :3] for one in self.objects]
        net, by_object = self._felt()
        return Snapshot(
            joint_position=host(data.joint_pos)[:, self._joints],
            joint_velocity=host(data.joint_vel)[:, self._joints],
            palm=self._packed(data.root_link_pose_w),
            objects=np.stack(poses, axis=1) if poses else np.zeros((n, 0, 7)),
            object_velocity=np.stack(speeds, axis=1) if speeds else np.zeros((n, 0, 3)),
            finger_force=np.linalg.norm(net, axis=-1),
            finger_object_force=np.linalg.norm(by_object, axis=-1).sum(axis=-1),
        )

    def depth(self, world: int) -> Array:
        """(h, w) float32 [m] along the optical axis; 0 where nothing is within 3 m."""
        image = self._image("depth", "distance_to_image_plane", world)[..., 0]
        return np.where(np.isfinite(image) & (image < FAR), image, 0.0).astype(np.float32)

    def overview(self, world: int) -> Array:
        """(h, w, 3) uint8 by the overview camera."""
        return self._image("overview", "rgb", world)[..., :3].astype(np.uint8)


def joint_order(engine: Sequence[str], canonical: Sequence[str]) -> list[int]:
    """Where the engine has each joint of the canonical order. Raises ValueError for others."""
    if sorted(engine) != sorted(canonical):
        raise ValueError(f"IsaacLab has the joints {list(engine)}, the hand {list(canonical)}")
    return [list(engine).index(name) for name in canonical]


def camera_matrix(camera: CameraConfig) -> list[float]:
    """The pinhole's matrix, row by row [pixels].

    IsaacLab counts from the corner of the picture, the intrinsics from the centre of pixel 0.
    """
    pixels = camera.intrinsics
    return [pixels.fx, 0.0, pixels.cx + 0.5, 0.0, pixels.fy, pixels.cy + 0.5, 0.0, 0.0, 1.0]


def host(values: Any) -> Array:
    """A copy of the engine's values on the processor."""
    values = values.torch if hasattr(values, "torch") else values
    return values.cpu().numpy().copy()
