"""What the fingers feel, with tactile sensors or without: touch, force and how sure that is.

Without a sensor the motors tell it: a torque that free motion does not explain is a contact.
What free motion explains (offset, dry friction and drag of each joint) is learnt while the hand
approaches and touches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from dexgrasp.execution.config import ExecutionConfig, SensingConfig
from dexgrasp.execution.fingertips import Fingers, place_contacts, tip_force
from dexgrasp.geometry import inverse, transform_points
from dexgrasp.hands import HandModel
from dexgrasp.hands.calibration import REVERSAL, Calibration
from dexgrasp.types import Array, GraspSet, Observation

RATE = 0.1  # of learning, a share of each error (normalised least mean squares)
ENOUGH = 100  # samples of free motion after which the calibration is trusted: 1 s at 100 Hz
UNSEEN = 0.05  # [Nm] taken for a joint's spread before its first free motion


@dataclass
class Felt:
    """Of N worlds and F fingers.

    touching: (N, F) bool.  force: (N, F) [N], of a sensor where there is one.  vector:
    (N, F, 3) [N] on the object, in the palm, seen from the motors alone.  confidence: (N, F) in
    [0, 1] that `touching` is right; 1 with a sensor.  points: (N, F, 3) [m] of the planned
    contacts, else of the tips, as the joints are now, in the palm; jacobian: (N, F, 3, D) of
    these by each finger's own joints, see `Fingers`.
    """

    touching: Array
    force: Array
    vector: Array
    confidence: Array
    points: Array
    jacobian: Array


class Baseline(NamedTuple):
    """Of free motion, in Nm: weights (N, J, 3) of offset, dry friction and drag, the variance

    (N, J) left over as `spread`, and (N,) how many samples that comes from.
    """

    weights: Array
    spread: Array
    count: Array


class ContactEstimator:
    """Feels for the executor; see the module. Keeps what it learnt from grasp to grasp."""

    def __init__(self, hand: HandModel, config: ExecutionConfig, worlds: int) -> None:
        joints = hand.joint_count
        self.fingers = Fingers.of(hand)
        self._settings, self._touch_force = config.sensing, config.touch_force
        self._local = np.tile(hand.tip_offsets, (worlds, 1, 1))
        self._tips, self._depth = hand.tip_offsets, self.fingers.own.shape[1]
        self._was = np.zeros((worlds, len(hand.finger_names)), dtype=bool)
        self._tare = np.zeros(self._was.shape)
        self.baseline = Baseline(
            np.zeros((worlds, joints, 3)), np.full((worlds, joints), UNSEEN**2), np.zeros(worlds)
        )

    def preset(self, calibration: Calibration) -> None:
        """Know free motion from a calibration of this very hand, until it moves and learns on."""
        worlds = len(self.baseline.count)
        weights = np.stack([calibration.column(f) for f in ("offset", "friction", "drag")], axis=1)
        self.baseline = Baseline(
            np.tile(weights, (worlds, 1, 1)),
            np.tile(calibration.column("spread") ** 2, (worlds, 1)),
            np.full(worlds, float(ENOUGH)),
        )

    def start(self, rows: Array, local: Array) -> None:
        """Worlds `rows` will touch at points (k, F, 3) [m] of the last links; NaN: at the tips."""
        self._local[rows] = np.where(np.isnan(local), self._tips, local)
        self._was[rows] = False
        self._tare[rows] = 0.0

    def nothing(self) -> Felt:
        """No finger touches, and nothing is known."""
        shape = self._was.shape
        return Felt(
            np.zeros(shape, dtype=bool), np.zeros(shape), np.zeros((*shape, 3)), np.zeros(shape),
            np.zeros((*shape, 3)), np.zeros((*shape, 3, self._depth)),
        )  # fmt: skip

    def update(self, sent: Array, free: Array, observation: Observation) -> Felt:
        """What is felt now. sent: (N, J) targets in force [rad]; free: (N,) nothing is touched.

        Where a state or an effort is not finite nothing is felt, at confidence 0.
        """
        felt = self.nothing()
        _feel(
            self.fingers, self.baseline, _limits(self._settings), self._local, self._was,
            np.asarray(sent, float), np.asarray(free, bool),
            np.asarray(observation.joint_position, float),
            np.asarray(observation.joint_velocity, float),
            np.asarray(observation.joint_effort, float),
            felt.touching, felt.force, felt.vector, felt.confidence, felt.points, felt.jacobian,
        )  # fmt: skip
        sensed = np.isfinite(observation.finger_force)
        felt.force = np.where(sensed, observation.finger_force, felt.force)
        # What a finger feels in the air is its neighbour.
        self._tare = np.where(sensed & free[:, None], felt.force, self._tare)
        touching = felt.force > self._touch_force + self._tare
        felt.touching = np.where(sensed, touching, felt.touching)
        felt.confidence = np.where(sensed, 1.0, felt.confidence)
        self._was = felt.touching
        return felt


def _limits(settings: SensingConfig) -> tuple[float, float, float, float]:
    return settings.torque, settings.spreads, settings.stall_speed, settings.release


def contacts_in_hand(hand: HandModel, grasps: GraspSet) -> tuple[Array, Array]:
    """Planned contacts of k grasps: points in the last links (k, F, 3) [m], and unit normals into
    the object in the palm (k, F, 3); NaN where a finger does not touch."""
    palm = grasps.T_frame_palm
    points = transform_points(inverse(palm), grasps.contact_points)
    links = hand.forward(grasps.grasp)[:, hand.distal_links]
    local = transform_points(inverse(links), points[:, :, None])[:, :, 0]
    return local, grasps.contact_normals @ palm[:, :3, :3]


def squeeze_forces(hand: HandModel, fingers: Fingers, grasps: GraspSet) -> Array:
    """(k, F, 3) forces on the object, in the palm, that k grasps' squeeze targets make [N]."""
    local, _ = contacts_in_hand(hand, grasps)
    forces = np.zeros(local.shape)
    torque = (grasps.squeeze - grasps.grasp) * hand.stiffness
    _forces_of(fingers, grasps.grasp, np.where(np.isnan(local), hand.tip_offsets, local), torque,
               forces)  # fmt: skip
    return forces


@njit(cache=True)
def _forces_of(fingers, q, local, torques, forces):
    depth = fingers.own.shape[1]
    points, torque = np.empty(local.shape[1:]), np.empty(depth)
    jacobian = np.empty((local.shape[1], 3, depth))
    for i in range(len(q)):
        place_contacts(fingers, q[i], local[i], points, jacobian)
        for f in range(local.shape[1]):
            for d in range(depth):
                j = fingers.own[f, d]
                torque[d] = 0.0 if j < 0 else torques[i, j]
            tip_force(jacobian[f], torque, forces[i, f])


@njit(cache=True)
def _feel(
    fingers, baseline, limits, local, was, sent, free, q, v, effort, touching, force, vector, sure,
    points, jacobian,
):  # fmt: skip
    torque_least, spreads, stall, release = limits
    joints, depth = q.shape[1], fingers.own.shape[1]
    residual, threshold = np.empty(joints), np.empty(joints)
    torque = np.empty(depth)
    for i in range(len(q)):
        usable = True
        for j in range(joints):
            usable = usable and np.isfinite(q[i, j]) and np.isfinite(v[i, j])
        if not usable:
            continue
        for j in range(joints):
            seen = effort[i, j]
            if not np.isfinite(seen):  # the servo's law instead
                seen = fingers.stiffness[j] * (sent[i, j] - q[i, j]) - fingers.damping[j] * v[i, j]
                seen = min(max(seen, -fingers.effort[j]), fingers.effort[j])
            residual[j] = _unexplained(baseline, i, j, v[i, j], seen, free[i])
            threshold[j] = max(torque_least, spreads * np.sqrt(baseline.spread[i, j]))
        baseline.count[i] += free[i]
        known = min(1.0, baseline.count[i] / ENOUGH)
        place_contacts(fingers, q[i], local[i], points[i], jacobian[i])
        for f in range(len(fingers.distal)):
            largest, fast = 0.0, False
            for d in range(depth):
                j = fingers.own[f, d]
                torque[d] = 0.0 if j < 0 else residual[j]
                if j < 0:
                    continue
                fast = fast or abs(v[i, j]) > stall
                largest = max(largest, abs(residual[j]) / threshold[j])
            tip_force(jacobian[i, f], torque, vector[i, f])
            x, y, z = vector[i, f, 0], vector[i, f, 1], vector[i, f, 2]
            force[i, f] = np.sqrt(x * x + y * y + z * z)
            # A finger in motion accelerates and lags: it must push harder to be believed.
            wanted = (release if was[i, f] else 1.0) * (2.0 if fast and not was[i, f] else 1.0)
            touching[i, f] = largest > wanted
            sure[i, f] = known * min(1.0, abs(largest / wanted - 1.0))


@njit(cache=True)
def _unexplained(baseline, i, j, v, seen, free):
    """[Nm] beyond what free motion needs at speed v; learns from it where the hand is free."""
    w = baseline.weights[i, j]
    dry = np.tanh(v / REVERSAL)
    error = seen - (w[0] + w[1] * dry + w[2] * v)
    if free:
        step = RATE * error / (1.0 + dry * dry + v * v)
        w[0] += step
        w[1] += step * dry
        w[2] += step * v
        if baseline.count[i] == 0.0:
            baseline.spread[i, j] = error * error
        baseline.spread[i, j] += 0.02 * (error * error - baseline.spread[i, j])
    return error
