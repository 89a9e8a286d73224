"""Tells the executor where in the hand the lifted object is, as the camera sees it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
from dexgrasp_interfaces.msg import ExecutorState
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node

from dexgrasp.errors import SceneError
from dexgrasp.geometry import inverse, transform_points
from dexgrasp.hands import HandModel
from dexgrasp.perception import PerceivedScene
from dexgrasp.perception.track import HeldObject
from dexgrasp.types import Array
from dexgrasp_nodes.conversions import header, pose_from_msg, pose_to_msg, seconds_from_stamp
from dexgrasp_nodes.streams import Stream

CARRYING = (ExecutorState.LIFT, ExecutorState.HOLD)
NEAR = 0.15  # [m] from the middle of the grasp, within which points may be the object's
KEPT = 1000  # palm poses, 4 s at 250 Hz: older ones than any image that is still worked on
AT_ONCE = 0.02  # [s] between an image and the palm pose that it is used with


class HeldObjectTracker:
    """Publishes `held_object`, the pose in the palm's frame, while the executor lifts and holds.

    The pose begins as the palm's own; where too little of the object is seen there is none.
    """

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(PoseStamped, "held_object", 1)
        self._states = Stream(node, ExecutorState, "executor/state", 20)
        self._palms: deque[PoseStamped] = deque(maxlen=KEPT)
        self._held: HeldObject | None = None

    def remember(self, palms: Iterable[PoseStamped]) -> None:
        """Keep where the palm was, for images that come later than it."""
        self._palms.extend(palms)

    def update(self, scene: PerceivedScene, hand: HandModel) -> None:
        """Look for the object in a new scene."""
        stamp = scene.time
        self._states.take_all()
        state = self._states.newest
        if state is None or state.phase not in CARRYING:
            self._held = None
            return
        T_world_palm = self._palm_at(stamp)
        if T_world_palm is None:
            return
        cloud = in_hand(scene, T_world_palm, hand)
        if self._held is None:
            if stamp >= seconds_from_stamp(state.header.stamp) - state.time_in_phase:
                self._held = _begun(cloud, T_world_palm)
            return
        pose = self._held.follow(cloud, scene.objects[0].view_point, T_world_palm)
        if pose is not None:
            message = PoseStamped(header=header(stamp, hand.link_names[0]))
            message.pose = pose_to_msg(inverse(T_world_palm) @ pose)
            self._publisher.publish(message)

    def _palm_at(self, stamp: float) -> Array | None:
        """(4, 4) the palm when an image was taken, if that is known."""
        if not self._palms:
            return None
        away = [abs(seconds_from_stamp(p.header.stamp) - stamp) for p in self._palms]
        best = int(np.argmin(away))
        return pose_from_msg(self._palms[best].pose) if away[best] < AT_ONCE else None


def in_hand(scene: PerceivedScene, T_world_palm: Array, hand: HandModel) -> Array:
    """(n, 3) points of the scene's objects near the hand [m]."""
    points = np.concatenate([o.cloud for o in scene.objects])
    middle = transform_points(T_world_palm, hand.T_palm_grasp[None, :3, 3])[0]
    return points[np.linalg.norm(points - middle, axis=1) < NEAR]


def _begun(cloud: Array, T_world_palm: Array) -> HeldObject | None:
    try:
        return HeldObject(cloud, T_world_palm)
    except SceneError:
        return None  # hidden by the hand; a later image may show more
