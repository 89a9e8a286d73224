"""Grasps; joints are matched by name, never by position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dexgrasp_interfaces.msg import Grasp as GraspMsg
from dexgrasp_interfaces.msg import GraspContact

from dexgrasp.errors import ExecutionError, GraspError
from dexgrasp.hands import HandModel
from dexgrasp.types import GraspSet
from dexgrasp_nodes.conversions.basics import (
    UNIT_TOLERANCE,
    doubles,
    header,
    point_to_msg,
    pose_from_msg,
    pose_to_msg,
    vector_from_msg,
    vector_to_msg,
)


def grasps_to_msgs(grasps: GraspSet, hand: HandModel, seconds: float) -> list[GraspMsg]:
    """One message per grasp, stamped at a time [s]."""
    return [
        GraspMsg(
            header=header(seconds, grasps.frame),
            hand=grasps.hand,
            joint_names=list(hand.joint_names),
            palm_pose=pose_to_msg(grasps.T_frame_palm[i]),
            approach=vector_to_msg(grasps.approach[i]),
            pregrasp=doubles(grasps.pregrasp[i]),
            grasp=doubles(grasps.grasp[i]),
            squeeze=doubles(grasps.squeeze[i]),
            contacts=_grasp_contacts(grasps, hand, i),
            score=float(grasps.score[i]),
            kind=grasps.kind[i],
            source=grasps.source,
        )
        for i in range(len(grasps))
    ]


def _grasp_contacts(grasps: GraspSet, hand: HandModel, i: int) -> list[GraspContact]:
    return [
        GraspContact(
            finger=name,
            position=point_to_msg(grasps.contact_points[i, f]),
            normal=vector_to_msg(grasps.contact_normals[i, f]),
        )
        for f, name in enumerate(hand.finger_names)
        if np.isfinite(grasps.contact_points[i, f]).all()
    ]


def grasps_from_msgs(messages: Sequence[GraspMsg], hand: HandModel) -> GraspSet:
    """Grasps of `hand`, joints reordered by name.

    Raises GraspError for another hand, mixed frames, wrong joints, NaN or no rotation.
    """
    if not messages:
        raise GraspError("no grasp was given")
    others = {m.hand for m in messages} - {hand.name}
    if others:
        raise GraspError(f"the grasp is for hand {sorted(others)}; this one is {hand.name!r}")
    frames = {m.header.frame_id for m in messages}
    if len(frames) != 1:
        raise GraspError(f"the grasps are in different frames: {sorted(frames)}")
    points = np.full((len(messages), len(hand.finger_names), 3), np.nan)
    normals = points.copy()
    for i, message in enumerate(messages):
        for contact in message.contacts:
            if contact.finger not in hand.finger_names:
                raise GraspError(f"{hand.name} has no finger {contact.finger!r}")
            finger = hand.finger_names.index(contact.finger)
            points[i, finger] = vector_from_msg(contact.position)
            normals[i, finger] = vector_from_msg(contact.normal)
    grasps = GraspSet(
        hand=hand.name,
        frame=frames.pop(),
        T_frame_palm=np.array([_grasp_pose(m) for m in messages]),
        approach=np.array([vector_from_msg(m.approach) for m in messages]),
        pregrasp=np.array([_joints(m.pregrasp, list(m.joint_names), hand) for m in messages]),
        grasp=np.array([_joints(m.grasp, list(m.joint_names), hand) for m in messages]),
        squeeze=np.array([_joints(m.squeeze, list(m.joint_names), hand) for m in messages]),
        contact_points=points,
        contact_normals=normals,
        score=np.array([m.score for m in messages]),
        kind=tuple(m.kind for m in messages),
        source=messages[0].source,
    )
    grasps.validate(hand.joint_count)
    if (np.abs(np.linalg.norm(grasps.approach, axis=1) - 1.0) > UNIT_TOLERANCE).any():
        raise GraspError("the approach direction of a grasp is not a unit vector")
    return grasps


def _grasp_pose(message: GraspMsg) -> np.ndarray:
    try:
        return pose_from_msg(message.palm_pose)
    except ExecutionError as error:
        raise GraspError(f"the palm pose of a grasp is unusable: {error}") from error


def _joints(values: Sequence[float], names: Sequence[str], hand: HandModel) -> np.ndarray:
    """(J,) in the canonical order, from values in the order of `names`."""
    if sorted(names) != sorted(hand.joint_names):
        raise GraspError(
            f"the grasp names {len(names)} joints {list(names)}; {hand.name} has "
            f"{hand.joint_count}: {', '.join(hand.joint_names)}"
        )
    if len(values) != len(names):
        raise GraspError(f"the grasp has {len(values)} joint values for {len(names)} joints")
    index = [names.index(name) for name in hand.joint_names]
    return np.asarray(values, dtype=float)[index]
