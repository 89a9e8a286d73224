"""What the camera sees from now on, for a client of perception that cannot use older images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dexgrasp_interfaces.msg import DetectedObjectArray, ErrorCode
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState

from dexgrasp.errors import DexgraspError, SceneError
from dexgrasp.execution.attempts import gone, seen_again, standing
from dexgrasp.types import DetectedObject
from dexgrasp_nodes.conversions import detection_from_msg, seconds_from_stamp
from dexgrasp_nodes.remote_action import POLL, RemoteError
from dexgrasp_nodes.streams import Stream

LOOKS = 5  # images without what is looked for before it is declared absent
SILENCE = 5.0  # [s] of wall clock without joint states
Found = TypeVar("Found")


@dataclass(frozen=True)
class View:
    """The wanted object in an image of time `stamp` [s].

    count: how many objects were seen.  standing: how many of them stood on the table.
    """

    wanted: DetectedObject
    count: int
    standing: int
    stamp: float


class Eyes:
    """Polls perception; one thread at a time."""

    def __init__(self, node: Node) -> None:
        # Polled: a callback for every message would cost more than all the rest of the node.
        self._objects = Stream(node, DetectedObjectArray, "objects")
        self._joints = Stream(node, JointState, "joint_states", qos_profile_sensor_data)
        self._palm = Stream(
            node, PoseStamped, "wrist_controller/current_pose", qos_profile_sensor_data
        )

    def look(
        self, find: Callable[[DetectedObjectArray], Found], limit: float, check: Callable[[], None]
    ) -> Found:
        """What `find` makes of an image taken from now on.

        limit: [s] of ROS time.  check: is called while waiting and raises to give up.
        Raises what `find` raised of `LOOKS` images, and RemoteError when there are none.
        """
        begin = self._now()
        looks = 0
        while (now := self._now()) < begin + limit:
            begin = min(begin, now)  # a new bridge begins at zero
            check()
            seen = self._objects.poll()
            if seen is None or seconds_from_stamp(seen.header.stamp) < begin:
                time.sleep(POLL)
                continue
            try:
                return find(seen)
            except DexgraspError:
                looks += 1
                if looks == LOOKS:
                    raise
        raise RemoteError(
            ErrorCode.PERCEPTION_TIMEOUT, f"no objects were perceived within {limit} s"
        )

    def palm_pose(self) -> PoseStamped:
        """Where the palm is. Raises RemoteError."""
        self._palm.take_all()
        if self._palm.newest is None:
            raise RemoteError(ErrorCode.STATE_LOST, "no palm pose: is the bridge running?")
        return self._palm.newest

    def _now(self) -> float:
        """Time of the newest joint state [s], which is nearer than that of /clock."""
        self._joints.take_all()
        joints = self._joints.newest
        if joints is None or self._joints.age > SILENCE:
            raise RemoteError(ErrorCode.STATE_LOST, "no joint states: is the bridge running?")
        return seconds_from_stamp(joints.header.stamp)


def first_view(seen: DetectedObjectArray, identifier: int) -> View:
    """The object of a number. Raises RemoteError, SceneError."""
    objects = seen_objects(seen)
    named = [o for o in objects if o.identifier == identifier]
    if not named:
        words = f"object {identifier} is not among the {len(objects)} perceived"
        raise SceneError(seen.error_msg or words)
    return _view(seen, objects, named[0])


def next_view(seen: DetectedObjectArray, before: View, tries: int) -> View:
    """The object of an earlier view after so many attempts. Raises RemoteError, SceneError."""
    objects = seen_objects(seen)
    if not objects:
        raise gone(tries, seen.error_msg)
    center = before.wanted.T_world_object[:3, 3]
    return _view(seen, objects, seen_again(center, before.count, objects, tries))


def _view(seen: DetectedObjectArray, objects: list[DetectedObject], wanted: DetectedObject) -> View:
    return View(wanted, len(objects), standing(objects), seconds_from_stamp(seen.header.stamp))


def seen_objects(seen: DetectedObjectArray) -> list[DetectedObject]:
    """What an image shows; nothing where perception says so. Raises RemoteError, SceneError."""
    if seen.error_code not in (ErrorCode.OK, SceneError.code):
        raise RemoteError(seen.error_code, seen.error_msg)
    return [detection_from_msg(o) for o in seen.objects]
