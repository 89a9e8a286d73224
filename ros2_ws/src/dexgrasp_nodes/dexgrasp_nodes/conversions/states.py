"""Joint states, forces, contacts and the ground truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dexgrasp_interfaces.msg import (
    FingerForces,
    GroundTruthObject,
    HandContact,
    HandContactArray,
)
from dexgrasp_interfaces.msg import GroundTruth as GroundTruthMsg
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from dexgrasp.errors import ExecutionError
from dexgrasp.hands import HandModel
from dexgrasp.types import Contact, GroundTruth, Observation
from dexgrasp_nodes.conversions.basics import (
    doubles,
    header,
    point_to_msg,
    pose_from_msg,
    pose_to_msg,
    seconds_from_stamp,
    vector_from_msg,
    vector_to_msg,
)


def joint_state_to_msg(observation: Observation, hand: HandModel, seconds: float) -> JointState:
    """Joints of world 0."""
    return JointState(
        header=header(seconds, ""),
        name=list(hand.joint_names),
        position=doubles(observation.joint_position[0]),
        velocity=doubles(observation.joint_velocity[0]),
        effort=doubles(observation.joint_effort[0]),
    )


def joint_positions_from_msg(message: JointState, hand: HandModel) -> np.ndarray:
    """(J,) [rad] in the canonical order. Raises ExecutionError for missing joints."""
    return np.asarray(message.position)[_joint_index(message, hand)]


def _joint_index(message: JointState, hand: HandModel) -> list[int]:
    """Where each joint of `hand` is in a joint state, which may hold others too."""
    names = list(message.name)
    missing = [name for name in hand.joint_names if name not in names]
    if missing or len(message.position) != len(names):
        lacking = ", ".join(missing) or f"{len(names) - len(message.position)} positions"
        raise ExecutionError(f"the joint state lacks {lacking}")
    return [names.index(name) for name in hand.joint_names]


def observation_from_msgs(
    joints: JointState, palm: PoseStamped, forces: FingerForces | None, hand: HandModel
) -> Observation:
    """What the executor steps on. Raises ExecutionError for missing joints or a bad pose.

    Velocity and effort may be absent (zero then), and so may forces (NaN then).
    """
    index = _joint_index(joints, hand)

    def column(values: Sequence[float]) -> np.ndarray:
        full = np.asarray(values) if len(values) else np.zeros(len(joints.name))
        return full[index][None]

    force = np.full((1, len(hand.finger_names)), np.nan)
    if forces is not None and tuple(forces.finger_names) == hand.finger_names:
        force[0] = forces.force
    return Observation(
        time=np.array([seconds_from_stamp(joints.header.stamp)]),
        joint_position=column(joints.position),
        joint_velocity=column(joints.velocity),
        joint_effort=column(joints.effort),
        T_world_palm=pose_from_msg(palm.pose)[None],
        finger_force=force,
    )


def forces_to_msg(observation: Observation, hand: HandModel, seconds: float) -> FingerForces:
    """Finger forces of world 0."""
    return FingerForces(
        header=header(seconds, ""),
        finger_names=list(hand.finger_names),
        force=doubles(observation.finger_force[0]),
    )


def contacts_to_msg(contacts: Sequence[Contact], head: Header) -> HandContactArray:
    """Contacts of the hand."""
    return HandContactArray(
        header=head,
        contacts=[
            HandContact(
                hand_link=c.hand_link,
                other=c.other,
                position=point_to_msg(c.position),
                normal=vector_to_msg(c.normal),
                force=float(c.force),
            )
            for c in contacts
        ],
    )


def contacts_from_msg(message: HandContactArray) -> list[Contact]:
    """Contacts of the hand; of friction the messages tell nothing."""
    return [
        Contact(
            c.hand_link, c.other, vector_from_msg(c.position), normal, c.force, c.force * normal
        )
        for c in message.contacts
        for normal in [vector_from_msg(c.normal)]
    ]


def truth_to_msg(
    truth: GroundTruth,
    names: Sequence[str],
    sources: Sequence[str],
    hand: HandModel,
    head: Header,
    table_height: float,
) -> GroundTruthMsg:
    """The truth of world 0; one name and source per object."""
    objects = [
        GroundTruthObject(
            name=name,
            source=source,
            pose=pose_to_msg(truth.T_world_object[0, i]),
            center_of_mass=point_to_msg(truth.object_com[0, i]),
            velocity=vector_to_msg(truth.object_velocity[0, i]),
        )
        for i, (name, source) in enumerate(zip(names, sources, strict=True))
    ]
    return GroundTruthMsg(
        header=head,
        objects=objects,
        finger_names=list(hand.finger_names),
        finger_object_force=doubles(truth.finger_object_force[0]),
        table_height=table_height,
    )


def truth_from_msg(message: GroundTruthMsg) -> GroundTruth:
    """The truth of one world. Raises ExecutionError for a bad pose."""
    objects = message.objects
    return GroundTruth(
        time=np.array([seconds_from_stamp(message.header.stamp)]),
        T_world_object=np.array([pose_from_msg(o.pose) for o in objects]).reshape(1, -1, 4, 4),
        object_com=np.array([vector_from_msg(o.center_of_mass) for o in objects]).reshape(1, -1, 3),
        object_velocity=np.array([vector_from_msg(o.velocity) for o in objects]).reshape(1, -1, 3),
        finger_object_force=np.array(message.finger_object_force)[None],
    )
