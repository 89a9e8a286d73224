"""Grasps of human and other robot hands, carried over to ours by their fingertips.

For every grasp, the palm's pose and the joints are found that bring our finger pads to the
places where the other hand's finger pads are, which lie on the object. Twelve equations for
22 unknowns: weak terms hold the palm near the other palm and the joints near a grasping
posture. Levenberg-Marquardt with analytic Jacobians, all grasps at once, joints at a limit
held there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from dexgrasp.errors import GraspError
from dexgrasp.geometry import inverse, rotation_between
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

FINGERS = ("thumb", "index", "middle", "ring", "little")  # of every source hand
PAD_FACING = 0.85  # least cosine between a pad contact's normal and the pad's direction
# Standard deviations of the terms. The pads decide; the others only choose among solutions.
TIP_SIGMA = 0.001  # [m]
PALM_SIGMA, TURN_SIGMA = 0.03, 0.5  # [m], [rad] of the grasp frame from the other palm's
JOINT_SIGMA = 1.0  # [rad] from the posture
PALM_HALF = 0.012  # half a human palm's thickness, about [m]
ITERATIONS = 60
BATCH = 2048  # grasps at once, about 50 MB of Jacobians
STOP = 1e-4  # [rad], [m]: largest step after which every grasp is at rest


@dataclass(frozen=True)
class Keypoints:
    """n grasps of another hand, in the object's frame [m].

    pads: (n, 5, 3) points of the finger pads that touch, in the order of FINGERS.
    T_object_grasp: (n, 4, 4) its palm as a grasp frame (docs/conventions.md): z out of the
    palm, x along the fingers, origin in the middle of the palm's surface.
    """

    pads: Array
    T_object_grasp: Array


@dataclass(frozen=True)
class Retargeted:
    """T_object_palm: (n, 4, 4).  joints: (n, J) [rad].  error: (n, F) of the pads [m]."""

    T_object_palm: Array
    joints: Array
    error: Array


def palm_frame(wrist: Array, index: Array, middle: Array, little: Array) -> Array:
    """(n, 4, 4) grasp frame of a right hand from its wrist and knuckles (n, 3) [m].

    x from the wrist to the middle knuckle; z out of the palm, which index and little tell;
    origin between wrist and middle knuckle, PALM_HALF out of their plane.
    """
    along, normal = middle - wrist, np.cross(index - wrist, little - wrist)
    with np.errstate(invalid="ignore"):  # points that coincide make a frame of NaN
        x = along / np.linalg.norm(along, axis=1, keepdims=True)
        normal = normal - (normal * x).sum(axis=1, keepdims=True) * x
        z = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    frame = np.zeros((len(wrist), 4, 4))
    frame[:, :3, :3] = np.stack([x, np.cross(z, x), z], axis=2)
    frame[:, :3, 3] = (wrist + middle) / 2.0 + PALM_HALF * z
    frame[:, 3, 3] = 1.0
    return frame


def pad_points(hand: HandModel) -> Array:
    """(F, 3) the point of each finger's pad nearest its tip point, in its distal link [m]."""
    contacts, points = hand.contacts, []
    for finger, (tip, pad) in enumerate(zip(hand.tip_offsets, hand.pad_directions, strict=True)):
        own = contacts.tip & (contacts.finger == finger)
        own &= contacts.normal @ pad >= PAD_FACING
        near = np.linalg.norm(contacts.point[own] - tip, axis=1)
        points.append(contacts.point[own][near.argmin()])
    return np.array(points)


def retarget(hand: HandModel, source: Keypoints) -> Retargeted:
    """Bring the hand's pads to the source's.

    Raises GraspError where the hand has a finger that is not in FINGERS.
    """
    unknown = [name for name in hand.finger_names if name not in FINGERS]
    if unknown:
        raise GraspError(
            f"{hand.name} has fingers {', '.join(unknown)}; grasps are carried over by "
            f"{', '.join(FINGERS)}"
        )
    target = source.pads[:, [FINGERS.index(name) for name in hand.finger_names]]
    prior, offsets = source.T_object_grasp @ inverse(hand.T_palm_grasp), pad_points(hand)
    pose, q = prior.copy(), np.zeros((len(target), hand.joint_count))
    error = np.zeros(target.shape[:2])
    for start in range(0, len(target), BATCH):
        part = slice(start, start + BATCH)
        problem = _Problem(hand, offsets, target[part], prior[part])
        pose[part], q[part] = problem.solve()
        reached = problem.pads(pose[part], q[part])[0]
        error[part] = np.linalg.norm(reached - target[part], axis=2)
    return Retargeted(pose, q, error)


class _Problem:
    """The least squares over (turn, shift, joints) of each grasp; 6 + J unknowns."""

    def __init__(self, hand: HandModel, pads: Array, target: Array, prior: Array) -> None:
        self.hand, self.offsets, self.target, self.prior = hand, pads, target, prior
        self.posture = hand.postures[hand.grasp_types[0].posture]
        self.width = 6 + hand.joint_count

    def pads(self, pose: Array, q: Array) -> tuple[Array, Array]:
        """Pad points (n, F, 3) in the object and in the palm."""
        links = self.hand.forward(q)[:, self.hand.distal_links]
        own = (links[..., :3, :3] @ self.offsets[None, :, :, None])[..., 0] + links[..., :3, 3]
        turned = own @ pose[:, :3, :3].transpose(0, 2, 1) + pose[:, None, :3, 3]
        return turned, own

    def residual(self, pose: Array, q: Array) -> Array:
        """(n, 3 F + 6 + J) terms, each in standard deviations."""
        count = len(q)
        pads = (self.pads(pose, q)[0] - self.target).reshape(count, -1) / TIP_SIGMA
        grasp, wanted = pose @ self.hand.T_palm_grasp, self.prior @ self.hand.T_palm_grasp
        turn = rotation_between(wanted, grasp) / TURN_SIGMA
        shift = (grasp - wanted)[:, :3, 3] / PALM_SIGMA
        return np.concatenate([pads, turn, shift, (q - self.posture) / JOINT_SIGMA], axis=1)

    def jacobian(self, pose: Array, q: Array) -> Array:
        """(n, 3 F + 6 + J, 6 + J); turns are about the object's axes through the palm's origin."""
        count, joints = q.shape
        turned, own = self.pads(pose, q)
        fingers = turned.shape[1]
        rotation = pose[:, None, :3, :3]
        rows = np.zeros((count, fingers, 3, self.width))
        rows[..., :3] = -_cross(turned - pose[:, None, :3, 3])
        rows[..., 3:6] = np.eye(3)
        rows[..., 6:] = rotation @ self.hand.contact_jacobians(q, own)
        weak = np.zeros((count, 6 + joints, self.width))
        weak[:, :3, :3] = np.eye(3) / TURN_SIGMA
        origin = pose[:, :3, :3] @ self.hand.T_palm_grasp[:3, 3]
        weak[:, 3:6, :3] = -_cross(origin) / PALM_SIGMA
        weak[:, 3:6, 3:6] = np.eye(3) / PALM_SIGMA
        weak[:, 6:, 6:] = np.eye(joints) / JOINT_SIGMA
        return np.concatenate([rows.reshape(count, -1, self.width) / TIP_SIGMA, weak], axis=1)

    def solve(self) -> tuple[Array, Array]:
        """Palm poses (n, 4, 4) and joints (n, J) within the limits."""
        pose, count = self.prior.copy(), len(self.target)
        q = np.tile(self.posture, (count, 1))
        damping = np.full(count, 1e-2)
        residual = self.residual(pose, q)
        for _ in range(ITERATIONS):
            step = self._step(pose, q, residual, damping)
            new_pose, new_q = self._moved(pose, q, step)
            new_residual = self.residual(new_pose, new_q)
            better = (new_residual**2).sum(axis=1) < (residual**2).sum(axis=1)
            pose[better], q[better] = new_pose[better], new_q[better]
            residual[better] = new_residual[better]
            damping = np.clip(np.where(better, damping / 5.0, damping * 5.0), 1e-6, 1e8)
            if np.abs(step).max(initial=0.0) < STOP:
                break
        return pose, q

    def _step(self, pose: Array, q: Array, residual: Array, damping: Array) -> Array:
        """(n, 6 + J) damped Gauss-Newton steps; joints that push against a limit stay."""
        slope = self.jacobian(pose, q)
        gradient = np.einsum("nij,ni->nj", slope, residual)
        downhill = -gradient[:, 6:]
        stuck = ((q <= self.hand.joint_lower) & (downhill < 0.0)) | (
            (q >= self.hand.joint_upper) & (downhill > 0.0)
        )
        free = np.concatenate([np.ones((len(q), 6), bool), ~stuck], axis=1)
        slope = slope * free[:, None, :]
        normal = slope.transpose(0, 2, 1) @ slope
        scale = np.einsum("nii->ni", normal) * damping[:, None] + ~free
        normal[:, range(self.width), range(self.width)] += scale
        return -np.linalg.solve(normal, (gradient * free)[..., None])[..., 0]

    def _moved(self, pose: Array, q: Array, step: Array) -> tuple[Array, Array]:
        turned = pose.copy()
        turned[:, :3, :3] = Rotation.from_rotvec(step[:, :3]).as_matrix() @ pose[:, :3, :3]
        turned[:, :3, 3] += step[:, 3:6]
        return turned, self.hand.clip(q + step[:, 6:])


def _cross(vectors: Array) -> Array:
    """(..., 3, 3) matrices [v]x with [v]x w = v x w."""
    result = np.zeros((*vectors.shape, 3))
    result[..., 0, 1], result[..., 0, 2] = -vectors[..., 2], vectors[..., 1]
    result[..., 1, 0], result[..., 1, 2] = vectors[..., 2], -vectors[..., 0]
    result[..., 2, 0], result[..., 2, 1] = -vectors[..., 1], vectors[..., 0]
    return result
