"""The rule that turns a grasp's contacts into squeeze targets and an opened pregrasp."""

from __future__ import annotations

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.forces import holding_forces
from dexgrasp.types import Array

GRAVITY = 9.81


def squeeze_and_pregrasp(
    hand: HandModel,
    model: ObjectModel,
    config: SynthesisConfig,
    joints: Array,
    palm: Array,
    contacts: tuple[Array, Array, Array],
) -> tuple[Array, Array, float, float]:
    """Squeeze (J,) and pregrasp (J,) joints [rad] of one grasp, how badly it balances, how weak.

    joints: (J,) at the grasp.  palm: T_object_palm (4, 4).  contacts: points (k, 3) [m] and
    unit normals into the object (k, 3) in the object's frame, and the Jacobians (k, 3, J) of
    the points in the palm; the thumb's contact comes last. The squeeze moves each joint by
    the torque of balanced contact forces over its stiffness, dq = J^T f / kp; the pregrasp
    moves the contacts outwards. The third value is the residual of `holding_forces`, the fourth
    the share of the friction wanted for the weight that the joints' effort limits do not allow.
    """
    points, normals, jacobians = contacts
    weight = np.array([0.0, 0.0, -GRAVITY * model.mass])
    # Thumb and fingers each carry half of the weight by friction, with half to spare.
    wanted = -0.75 * weight[2] / config.friction
    grip = np.clip(wanted, config.grip, config.max_grip)
    pressing = np.full(len(points), grip / max(len(points) - 1, 1))
    pressing[-1] = grip
    center = np.asarray(model.com)
    forces, residual = holding_forces(points, normals, pressing, weight, center, config.friction)
    rotation = palm[:3, :3]
    torque = np.einsum("kij,ki->j", jacobians, forces @ rotation)
    limit = config.torque_share * hand.effort_limit
    allowed = min(1.0, float(np.min(limit / np.maximum(np.abs(torque), 1e-9))))
    weak = max(0.0, 1.0 - allowed * float(grip) / max(wanted, 1e-9))
    squeeze = hand.clip(joints + allowed * torque / hand.stiffness)
    return squeeze, opened(hand, joints, palm, contacts, config.opening), residual, weak


def opened(
    hand: HandModel,
    joints: Array,
    palm: Array,
    contacts: tuple[Array, Array, Array],
    distance: float | Array,
) -> Array:
    """(J,) joints [rad] with the contacts moved out of the object by `distance` (or (k,)) [m]."""
    _, normals, jacobians = contacts
    outward = -normals @ palm[:3, :3] * np.reshape(distance, (-1, 1))
    return hand.clip(joints + open_step(jacobians, outward))


def open_step(jacobians: Array, outward: Array) -> Array:
    """(J,) joint change that moves the k contact points by `outward` (k, 3) [m], damped."""
    stacked = jacobians.reshape(-1, jacobians.shape[-1])
    square = stacked @ stacked.T + 1e-4 * np.eye(len(stacked))
    return np.clip(stacked.T @ np.linalg.solve(square, outward.reshape(-1)), -0.8, 0.8)
