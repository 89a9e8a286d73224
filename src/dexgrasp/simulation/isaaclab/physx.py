"""Between the wire and PhysX as IsaacLab 2.3 has it: pure functions, which need no IsaacLab.

There, quaternions are scalar-first, worlds stand beside each other in one scene, forces have to
be given before every step, and contacts come in one list for all worlds.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from dexgrasp.simulation.config import WristConfig
from dexgrasp.simulation.isaaclab.wire import unpack_poses
from dexgrasp.types import Array


def to_engine(packed: Array, origins: Array) -> Array:
    """(k, 7) position in the scene and quaternion, scalar first, of poses in their worlds.

    packed: (k, 7) as `pack_poses` has them.  origins: (k, 3) of the worlds [m].
    """
    return np.concatenate([packed[:, :3] + origins, packed[:, 6:], packed[:, 3:6]], axis=1)


def from_engine(poses: Array, origins: Array) -> Array:
    """(k, 7) as `pack_poses` has them, of what `to_engine` returns."""
    return np.concatenate([poses[:, :3] - origins, poses[:, 4:], poses[:, 3:4]], axis=1)


def wrist_wrench(
    palm: Array,
    velocity: Array,
    goal: Array,
    com: Array,
    wrist: WristConfig,
    inertia: tuple[float, float],
    dt: float,
) -> tuple[Array, Array]:
    """Force [N] and torque about the centre of mass [Nm] (N, 3), in the scene's axes.

    Cartesian servos from each palm to its goal, bounded on each axis of the goal's frame as in
    the MuJoCo scene, whose damping is implicit. A force has none: it gets the damping that a
    body of this `inertia` would be slowed by over a step of `dt`, which is stable at any step.

    palm, goal: (N, 7) as `pack_poses` has them.  velocity: (N, 6) of the palm's frame, linear
    [m/s] and angular [rad/s].  com: (N, 3) of the palm in its frame [m].
    inertia: mass [kg] and moment [kg m2] of the hand.
    """
    pose, wanted = unpack_poses(palm), unpack_poses(goal)
    turn = wanted[:, :3, :3]
    into = turn.transpose(0, 2, 1)
    gap = wanted[:, :3, 3] - pose[:, :3, 3]
    angle = -Rotation.from_matrix(into @ pose[:, :3, :3]).as_rotvec()
    pairs = ((_turned(into, gap), velocity[:, :3]), (angle, velocity[:, 3:]))
    parts = []
    for i, (error, speed) in enumerate(pairs):
        damping = wrist.damping[i] / (1.0 + dt * wrist.damping[i] / inertia[i])
        pull = wrist.stiffness[i] * error - damping * _turned(into, speed)
        parts.append(_turned(turn, np.clip(pull, -wrist.limit[i], wrist.limit[i])))
    arm = _turned(pose[:, :3, :3], com)
    return parts[0], parts[1] - np.cross(arm, parts[0])


def _turned(rotations: Array, vectors: Array) -> Array:
    return np.einsum("nij,nj->ni", rotations, vectors)


def hand_inertia(masses: Array, centres: Array, moments: Array) -> tuple[float, float]:
    """Mass [kg] of a hand and its smallest moment about its centre of mass [kg m2].

    masses: (B,) of the bodies.  centres: (B, 3) their centres of mass [m], in one frame.
    moments: (B, 3, 3) about these [kg m2], in any axes: a body's smallest moment stands for it.
    """
    total = masses.sum()
    arms = centres - masses @ centres / total
    far = (arms**2).sum(axis=1)[:, None, None] * np.eye(3) - arms[:, :, None] * arms[:, None, :]
    own = np.linalg.eigvalsh(moments)[:, 0].sum()
    spread = np.linalg.eigvalsh((masses[:, None, None] * far).sum(axis=0))
    return float(total), float(own + spread[0])


def contact_rows(
    force: Array, points: Array, normals: Array, count: int, start: int, on_first: Array
) -> list[tuple[Array, Array, Array]]:
    """Point, unit normal from the first body to the second, and the push (3,) along it, of each.

    force (C,) or (C, 1), points (C, 3), normals (C, 3): the list of all bodies, of which `count`
    from `start` on are theirs.  on_first: (3,) the sum of their forces on the first body [N],
    by which the normals are turned: it pushes that body away from the second.
    """
    rows = slice(start, start + count)
    sizes = np.abs(force[rows].reshape(-1))
    turn = -1.0 if sizes @ normals[rows] @ on_first > 0.0 else 1.0
    own = zip(points[rows], turn * normals[rows], sizes, strict=True)
    return [(point, normal, size * normal) for point, normal, size in own]
