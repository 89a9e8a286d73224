"""What a policy sees, as tensors: the student's terms are those of `execution.policy.terms`.

Poses (n, 7) are positions [m] and quaternions, scalar last. All terms of joints are in the
hand's canonical order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from isaaclab.utils.math import quat_apply, quat_apply_inverse, quat_conjugate, quat_mul
from torch import Tensor


@dataclass
class Plan:
    """The grasp that each of n environments is asked for, and what was seen of its object.

    palm: (n, 7) at the grasp.  pregrasp, grasp, squeeze: (n, J) [rad].
    surface: (n, P, 3) points of the object in that palm's frame [m].
    """

    palm: Tensor
    pregrasp: Tensor
    grasp: Tensor
    squeeze: Tensor
    surface: Tensor


@dataclass
class State:
    """n environments at one instant.

    joint_position [rad], joint_velocity [rad/s], joint_target [rad]: (n, J).
    palm, object: (n, 7), of the link frames.  object_velocity: (n, 6) [m/s, rad/s].
    center: (n, 3) the object's centre of mass [m].  tips: (n, F, 3) in the world [m].
    on_object, elsewhere: (n, F) forces of the fingertips on the object and on all else [N].
    mass [kg], friction: (n,) of the object.  time: (n,) since the policy took over [s].
    """

    joint_position: Tensor
    joint_velocity: Tensor
    joint_target: Tensor
    palm: Tensor
    object: Tensor
    object_velocity: Tensor
    center: Tensor
    tips: Tensor
    on_object: Tensor
    elsewhere: Tensor
    mass: Tensor
    friction: Tensor
    time: Tensor


def cloud_features(surface: Tensor, tips: Tensor) -> Tensor:
    """(n, 4 F + 6) [m], see `terms.cloud_features`; both (n, ., 3) in the palm's frame."""
    away = surface[:, None] - tips[:, :, None]
    distance, nearest = torch.linalg.vector_norm(away, dim=-1).min(dim=-1)
    vector = away.gather(2, nearest[..., None, None].expand(-1, -1, 1, 3))[:, :, 0]
    per_finger = torch.cat([vector, distance[..., None]], dim=-1).flatten(1)
    low, high = surface.amin(dim=1), surface.amax(dim=1)
    return torch.cat([per_finger, (low + high) / 2.0, high - low], dim=-1)


def _in_palm(state: State, points: Tensor) -> Tensor:
    """(n, k, 3) of points (n, k, 3) in the world."""
    turn = state.palm[:, None, 3:].expand(-1, points.shape[1], -1)
    return quat_apply_inverse(turn, points - state.palm[:, None, :3])


def _gravity(state: State) -> Tensor:
    down = torch.tensor([0.0, 0.0, -1.0], device=state.palm.device).expand(len(state.palm), 3)
    return quat_apply_inverse(state.palm[:, 3:], down)


STUDENT: dict[str, Callable[[State, Plan], Tensor]] = {
    "joint_position": lambda s, p: s.joint_position,
    "joint_velocity": lambda s, p: s.joint_velocity,
    "joint_target": lambda s, p: s.joint_target,
    "pregrasp": lambda s, p: p.pregrasp,
    "grasp": lambda s, p: p.grasp,
    "squeeze": lambda s, p: p.squeeze,
    "gravity": lambda s, p: _gravity(s),
    "palm_position": lambda s, p: quat_apply_inverse(p.palm[:, 3:], s.palm[:, :3] - p.palm[:, :3]),
    "time_acting": lambda s, p: s.time[:, None],
    "cloud_features": lambda s, p: cloud_features(p.surface, _in_palm(s, s.tips)),
}
"""What a robot has: proprioception, the planned grasp, and the cloud of its camera."""


def student(state: State, plan: Plan) -> Tensor:
    """(n, D) all terms of `STUDENT` one after the other."""
    return torch.cat([term(state, plan) for term in STUDENT.values()], dim=-1)


def privileged(state: State, level: Tensor) -> Tensor:
    """(n, 16 + 2 F) what only a simulator knows.

    The object's centre from the palm, its attitude in the palm's frame (a quaternion whose
    scalar is not negative), its velocities in the world; the fingertips' forces on it and on
    all else; its mass, its friction and `level` (n,), which is in [0, 1].
    """
    turn = quat_mul(quat_conjugate(state.palm[:, 3:]), state.object[:, 3:])
    turn = torch.where(turn[:, 3:] < 0.0, -turn, turn)
    figures = torch.stack([state.mass, state.friction, level], dim=-1)
    return torch.cat(
        [_in_palm(state, state.center[:, None])[:, 0], turn, state.object_velocity,
         state.on_object, state.elsewhere, figures], dim=-1,
    )  # fmt: skip


def world_points(pose: Tensor, points: Tensor) -> Tensor:
    """(n, k, 3) in the world of points (n, k, 3) in frames at `pose` (n, 7)."""
    turn = pose[:, None, 3:].expand(-1, points.shape[1], -1)
    return pose[:, None, :3] + quat_apply(turn, points)
