"""What goes between the backend and its worker: plain values, arrays, and who is spoken to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dexgrasp.geometry import pose_from_quaternion, quaternion_from_pose
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel
from dexgrasp.simulation.config import SimulationConfig
from dexgrasp.types import Array


@dataclass(frozen=True)
class Recipe:
    """Everything that the worker builds N worlds from.

    hand, table, objects: USD files.  links, joints, tips: names of prims, as USD spells them;
    joints in the canonical order, tips in the order of the fingers.  open: their angles [rad].
    config: `SimulationConfig` as plain values.  cameras: whether there are any.
    """

    worlds: int
    hand: str
    table: str
    objects: tuple[str, ...]
    links: tuple[str, ...]
    joints: tuple[str, ...]
    tips: tuple[str, ...]
    open: tuple[float, ...]
    config: dict[str, Any]
    cameras: bool

    @classmethod
    def of(
        cls,
        hand: HandModel,
        config: SimulationConfig,
        models: Sequence[ObjectModel],
        worlds: int,
        cameras: bool,
    ) -> Recipe:
        """Write the USD files and name what is in them. Raises BackendError without usd-core."""
        # Imported here: usd-core is in the extra `usd`.
        from dexgrasp.simulation.usd_assets import hand_usd, object_usd, prim_path, table_usd

        links = [prim_path(link.name)[1:] for link in hand.links]
        return cls(
            worlds=worlds,
            hand=str(hand_usd(hand)),
            table=str(table_usd(config)),
            objects=tuple(str(object_usd(m, index=i)) for i, m in enumerate(models)),
            links=tuple(links),
            joints=tuple(prim_path(name)[1:] for name in hand.joint_names),
            tips=tuple(links[k] for k in hand.distal_links),
            open=tuple(map(float, hand.postures["open"])),
            config=config.model_dump(),
            cameras=cameras,
        )


@dataclass(frozen=True)
class Snapshot:
    """The state of N worlds, poses as `pack_poses` has them.

    joint_position [rad], joint_velocity [rad/s]: (N, J).  palm: (N, 7).  objects: (N, M, 7).
    object_velocity: (N, M, 3) of the centres of mass [m/s].
    finger_force, finger_object_force: (N, F) [N].
    """

    joint_position: Array
    joint_velocity: Array
    palm: Array
    objects: Array
    object_velocity: Array
    finger_force: Array
    finger_object_force: Array

    def where(self, chosen: Array, other: Snapshot) -> Snapshot:
        """`other` in the worlds (N,) bool that are chosen, this in the rest."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Snapshot(
            *(np.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), b, a) for a, b in pairs)
        )


def pack_poses(T: Array) -> Array:
    """(..., 7) position and quaternion, scalar last as in IsaacLab 3, of poses (..., 4, 4)."""
    return np.concatenate([T[..., :3, 3], np.roll(quaternion_from_pose(T), -1, axis=-1)], axis=-1)


def unpack_poses(packed: Array) -> Array:
    """(..., 4, 4) poses of what `pack_poses` returns."""
    return pose_from_quaternion(packed[..., :3], np.roll(packed[..., 3:], 1, axis=-1))
