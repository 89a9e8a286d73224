"""Messages to objects of the library and back: the one place that knows both.

What comes from outside is checked here: SceneError for images and clouds, GraspError for
grasps, ExecutionError for poses and joints, each with what was wrong.
"""

from dexgrasp_nodes.conversions.basics import (
    WORLD_FRAME,
    doubles,
    header,
    point_to_msg,
    pose_from_msg,
    pose_from_transform,
    pose_to_msg,
    seconds_from_stamp,
    stamp_from_seconds,
    transform_to_msg,
    vector_from_msg,
    vector_to_msg,
)
from dexgrasp_nodes.conversions.grasps import grasps_from_msgs, grasps_to_msgs
from dexgrasp_nodes.conversions.images import (
    camera_info_to_msg,
    depth_frame_from_msgs,
    depth_from_msg,
    depth_to_msg,
    depth_to_raw_msg,
    intrinsics_from_msg,
    picture_from_msg,
    picture_to_msg,
)
from dexgrasp_nodes.conversions.objects import (
    cloud_from_msg,
    cloud_to_msg,
    detection_from_msg,
    detection_to_msg,
)
from dexgrasp_nodes.conversions.reports import trial_result
from dexgrasp_nodes.conversions.states import (
    contacts_from_msg,
    contacts_to_msg,
    forces_to_msg,
    joint_positions_from_msg,
    joint_state_to_msg,
    observation_from_msgs,
    truth_from_msg,
    truth_to_msg,
)

__all__ = [
    "WORLD_FRAME",
    "camera_info_to_msg",
    "cloud_from_msg",
    "cloud_to_msg",
    "contacts_from_msg",
    "contacts_to_msg",
    "depth_frame_from_msgs",
    "depth_from_msg",
    "depth_to_msg",
    "depth_to_raw_msg",
    "detection_from_msg",
    "detection_to_msg",
    "doubles",
    "forces_to_msg",
    "grasps_from_msgs",
    "grasps_to_msgs",
    "header",
    "intrinsics_from_msg",
    "joint_positions_from_msg",
    "joint_state_to_msg",
    "observation_from_msgs",
    "picture_from_msg",
    "picture_to_msg",
    "point_to_msg",
    "pose_from_msg",
    "pose_from_transform",
    "pose_to_msg",
    "seconds_from_stamp",
    "stamp_from_seconds",
    "transform_to_msg",
    "trial_result",
    "truth_from_msg",
    "truth_to_msg",
    "vector_from_msg",
    "vector_to_msg",
]
