"""What a policy may look at: named functions of N worlds, each with its size and unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dexgrasp.execution.phases import Phase
from dexgrasp.geometry import inverse, rotation_between
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Observation


@dataclass(frozen=True)
class Situation:
    """k worlds at one instant, as far as a policy may know them.

    phase: (k,) of `Phase`.  time_in_phase, time_acting: (k,) [s] since the phase began and
    since the policy took over.  joint_target: (k, J) what was commanded last [rad].
    last_action: (k, J) the network's last output.  T_world_grasp: (k, 4, 4) the grasp's palm.
    pregrasp, grasp, squeeze: (k, J) [rad].
    surface: (k, P, 3) known points of the object in the palm's frame at the grasp [m], or NaN.
    """

    hand: HandModel
    observation: Observation
    phase: Array
    time_in_phase: Array
    time_acting: Array
    joint_target: Array
    last_action: Array
    T_world_grasp: Array
    pregrasp: Array
    grasp: Array
    squeeze: Array
    surface: Array


@dataclass(frozen=True)
class Term:
    """One entry of an observation: `values(situation)` has the shape (k, size(hand)).

    of_joints: the entries are those of the joints, in the order of the policy's manifest.
    """

    unit: str
    size: Callable[[HandModel], int]
    values: Callable[[Situation], Array]
    of_joints: bool = False


def cloud_features(situation: Situation) -> Array:
    """(k, 4 F + 6) [m] in the palm's frame: where the fingertips are from the object's points.

    For every finger the vector from its tip to the nearest point and that distance; then the
    centre and the edges of the box around the points, along the palm's axes. The points stay
    where they were when the grasp began, as seen from the palm at the grasp: the object is at
    rest until the fingers close, and travels with the palm after it. NaN without any point.
    """
    tips = situation.hand.fingertips(situation.observation.joint_position)
    away = situation.surface[:, None] - tips[:, :, None]  # (k, F, P, 3)
    distance = np.where(np.isnan(away[..., 0]), np.inf, np.einsum("...i,...i->...", away, away))
    nearest = distance.argmin(axis=2)
    vector = np.take_along_axis(away, nearest[..., None, None], axis=2)[:, :, 0]
    per_finger = np.concatenate([vector, np.linalg.norm(vector, axis=2, keepdims=True)], axis=2)
    low = np.fmin.reduce(situation.surface, axis=1)
    high = np.fmax.reduce(situation.surface, axis=1)
    return np.hstack([per_finger.reshape(len(tips), -1), (low + high) / 2.0, high - low])


def _palm_position(situation: Situation) -> Array:
    """(k, 3) [m] of the palm in its frame at the grasp."""
    relative = inverse(situation.T_world_grasp) @ situation.observation.T_world_palm
    return relative[:, :3, 3]


def _palm_rotation(situation: Situation) -> Array:
    """(k, 3) rotation vector [rad] from the palm at the grasp, in the world's axes."""
    return rotation_between(situation.T_world_grasp, situation.observation.T_world_palm)


def _gravity(situation: Situation) -> Array:
    """(k, 3) unit vector: downwards in the frame of the palm."""
    return -situation.observation.T_world_palm[:, 2, :3]


def _phase(situation: Situation) -> Array:
    """(k, number of phases) one-hot."""
    return np.eye(len(Phase))[situation.phase]


def _joints(unit: str, values: Callable[[Situation], Array]) -> Term:
    return Term(unit, lambda hand: hand.joint_count, values, of_joints=True)


def _fixed(unit: str, size: int, values: Callable[[Situation], Array]) -> Term:
    return Term(unit, lambda hand: size, values)


TERMS: dict[str, Term] = {
    "joint_position": _joints("rad", lambda s: s.observation.joint_position),
    "joint_velocity": _joints("rad/s", lambda s: s.observation.joint_velocity),
    "joint_effort": _joints("Nm", lambda s: s.observation.joint_effort),
    "joint_target": _joints("rad", lambda s: s.joint_target),
    "pregrasp": _joints("rad", lambda s: s.pregrasp),
    "grasp": _joints("rad", lambda s: s.grasp),
    "squeeze": _joints("rad", lambda s: s.squeeze),
    "last_action": Term("1", lambda hand: hand.joint_count, lambda s: s.last_action),
    "palm_position": _fixed("m", 3, _palm_position),
    "palm_rotation": _fixed("rad", 3, _palm_rotation),
    "gravity": _fixed("1", 3, _gravity),
    "phase": _fixed("1", len(Phase), _phase),
    "time_in_phase": _fixed("s", 1, lambda s: s.time_in_phase[:, None]),
    "time_acting": _fixed("s", 1, lambda s: s.time_acting[:, None]),
    "finger_force": Term(
        "N", lambda hand: len(hand.finger_names), lambda s: s.observation.finger_force
    ),
    "cloud_features": Term("m", lambda hand: 4 * len(hand.finger_names) + 6, cloud_features),
}
