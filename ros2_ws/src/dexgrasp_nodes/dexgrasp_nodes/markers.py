"""What RViz draws: objects, candidate grasps by score, contacts, touch, phase and safety."""

from __future__ import annotations

import colorsys
import math

from builtin_interfaces.msg import Duration
from dexgrasp_interfaces.msg import (
    DetectedObjectArray,
    ExecutorState,
    Grasp,
    GraspArray,
    HandContact,
    HandContactArray,
    SafetyState,
)
from geometry_msgs.msg import Point, Pose, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from dexgrasp.hands import HandModel
from dexgrasp_nodes.conversions import point_to_msg, pose_from_msg, vector_from_msg

LIFETIME = Duration(sec=1)  # of what is published again and again; it fades when that stops
APPROACH_LENGTH = 0.06  # [m]
ARROW = Vector3(x=0.004, y=0.008, z=0.008)  # shaft, head diameter, head length [m]
NEWTON = 0.01  # [m] of arrow per newton of contact force
LONGEST_FORCE = 0.10  # [m]
PHASE_HEIGHT = 0.65  # [m] above the world's origin
SAFETY_HEIGHT = 0.72  # [m]
FINGER_SIZE, FINGER_NEWTON, FINGER_LARGEST = 0.012, 0.002, 0.03  # [m], [m/N], [m]
GREEN_HUE = 1.0 / 3.0
OBJECT_COLOR = ColorRGBA(r=0.2, g=0.5, b=1.0, a=0.35)
CONTACT_COLOR = ColorRGBA(r=1.0, g=0.3, b=0.1, a=1.0)
TEXT_COLOR = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
FREE_COLOR = ColorRGBA(r=0.6, g=0.6, b=0.6, a=0.5)
TOUCH_COLOR = ColorRGBA(r=0.1, g=0.8, b=0.2, a=0.8)
SLIP_COLOR = ColorRGBA(r=1.0, g=0.8, b=0.0, a=0.9)
REFUSED_COLOR = ColorRGBA(r=1.0, g=0.6, b=0.0, a=1.0)
STOP_COLOR = ColorRGBA(r=1.0, g=0.1, b=0.1, a=1.0)


def object_markers(message: DetectedObjectArray) -> MarkerArray:
    """A translucent box around every perceived object."""
    return MarkerArray(
        markers=[
            Marker(
                header=message.header, ns="objects", id=i, type=Marker.CUBE, pose=o.pose,
                scale=o.size, color=OBJECT_COLOR, lifetime=LIFETIME,
            )
            for i, o in enumerate(message.objects)
        ]
    )  # fmt: skip


def grasp_markers(message: GraspArray) -> MarkerArray:
    """Per candidate an arrow along its approach and a dot at each fingertip contact.

    Red is a score of 0, green of 1. What an older answer drew is deleted.
    """
    clear = Marker(header=message.header, ns="grasps", action=Marker.DELETEALL)
    markers = [clear]
    for i, grasp in enumerate(message.grasps):
        markers += [_approach(grasp, i), _fingertips(grasp, i)]
    return MarkerArray(markers=markers)


def _approach(grasp: Grasp, index: int) -> Marker:
    tip = pose_from_msg(grasp.palm_pose)[:3, 3]
    tail = tip - APPROACH_LENGTH * vector_from_msg(grasp.approach)
    return Marker(
        header=grasp.header, ns="grasps", id=index, type=Marker.ARROW, pose=_identity(),
        points=[point_to_msg(tail), point_to_msg(tip)], scale=ARROW, color=score_color(grasp.score),
    )  # fmt: skip


def _fingertips(grasp: Grasp, index: int) -> Marker:
    return Marker(
        header=grasp.header, ns="grasp_contacts", id=index, type=Marker.SPHERE_LIST,
        pose=_identity(), points=[c.position for c in grasp.contacts],
        scale=Vector3(x=0.008, y=0.008, z=0.008), color=score_color(grasp.score),
    )  # fmt: skip


def contact_markers(message: HandContactArray) -> MarkerArray:
    """An arrow per contact, 1 cm per newton, from the hand into what it touches."""
    return MarkerArray(
        markers=[
            Marker(
                header=message.header, ns="contacts", id=i, type=Marker.ARROW, pose=_identity(),
                points=_force_arrow(c), scale=ARROW, color=CONTACT_COLOR, lifetime=LIFETIME,
            )
            for i, c in enumerate(message.contacts)
        ]
    )  # fmt: skip


def _force_arrow(contact: HandContact) -> list[Point]:
    length = min(NEWTON * contact.force, LONGEST_FORCE)
    tip = vector_from_msg(contact.position) + length * vector_from_msg(contact.normal)
    return [contact.position, point_to_msg(tip)]


def phase_marker(message: ExecutorState, header: Header) -> MarkerArray:
    """The phase in words above the scene."""
    words = message.phase_name.replace("_", " ").lower()
    if message.error_msg:
        words = f"{words}: {message.error_msg}"
    pose = _identity()
    pose.position.z = PHASE_HEIGHT
    text = Marker(
        header=header, ns="phase", type=Marker.TEXT_VIEW_FACING, pose=pose,
        scale=Vector3(z=0.04), color=TEXT_COLOR, text=words, lifetime=LIFETIME,
    )  # fmt: skip
    return MarkerArray(markers=[text])


def touch_markers(message: ExecutorState, hand: HandModel) -> MarkerArray:
    """A ball on each fingertip: green where it touches, yellow in a slip, larger with the force."""
    markers = []
    fingers = zip(hand.distal_links, message.touching, message.finger_force, strict=True)
    for i, (link, touching, force) in enumerate(fingers):
        color = FREE_COLOR
        if touching:
            color = SLIP_COLOR if message.slipping else TOUCH_COLOR
        size = FINGER_SIZE + (0.0 if math.isnan(force) else FINGER_NEWTON * force)
        size = min(size, FINGER_LARGEST)
        head = Header(stamp=message.header.stamp, frame_id=hand.links[link].name)
        markers.append(
            Marker(
                header=head, ns="touch", id=i, type=Marker.SPHERE, pose=_identity(),
                scale=Vector3(x=size, y=size, z=size), color=color, lifetime=LIFETIME,
            )
        )  # fmt: skip
    return MarkerArray(markers=markers)


def safety_marker(message: SafetyState, header: Header) -> MarkerArray:
    """Why the hand does not follow, in words above the phase; nothing while it does."""
    if not message.words:
        return MarkerArray(markers=[Marker(header=header, ns="safety", action=Marker.DELETE)])
    pose = _identity()
    pose.position.z = SAFETY_HEIGHT
    text = Marker(
        header=header, ns="safety", type=Marker.TEXT_VIEW_FACING, pose=pose,
        scale=Vector3(z=0.05), color=STOP_COLOR if message.e_stopped else REFUSED_COLOR,
        text=message.words, lifetime=LIFETIME,
    )  # fmt: skip
    return MarkerArray(markers=[text])


def score_color(score: float) -> ColorRGBA:
    """From red at 0 over yellow to green at 1."""
    hue = GREEN_HUE * min(max(score, 0.0), 1.0)
    r, g, b = colorsys.hsv_to_rgb(hue, 1.0, 0.9)
    return ColorRGBA(r=r, g=g, b=b, a=0.9)


def _identity() -> Pose:
    pose = Pose()
    pose.orientation.w = 1.0
    return pose
