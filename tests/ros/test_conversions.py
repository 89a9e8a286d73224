"""Messages to objects and back, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

from dexgrasp_interfaces.action import PickObject
from dexgrasp_interfaces.msg import TrialReport
from dexgrasp_nodes import conversions as c
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import PointCloud2

from dexgrasp.errors import ExecutionError, GraspError, SceneError
from dexgrasp.geometry import pose_from_quaternion
from dexgrasp.hands import HandModel
from dexgrasp.types import (
    CameraIntrinsics,
    Contact,
    DepthFrame,
    DetectedObject,
    GraspSet,
    GroundTruth,
    Observation,
)

pytestmark = pytest.mark.ros
HEAD = c.header(1.5)
numbers = st.floats(-10.0, 10.0)
quaternions = arrays(float, 4, elements=st.floats(-1.0, 1.0)).filter(
    lambda q: np.linalg.norm(q) > 0.1
)


@st.composite
def poses(draw: st.DrawFn) -> np.ndarray:
    quaternion = draw(quaternions)
    return pose_from_quaternion(draw(arrays(float, 3, elements=numbers)), quaternion)


@pytest.fixture(scope="module")
def hand() -> HandModel:
    return HandModel.load("leap_right")


def grasp_set(hand: HandModel, count: int = 3, seed: int = 0) -> GraspSet:
    rng = np.random.default_rng(seed)
    fingers, joints = len(hand.finger_names), hand.joint_count
    points = rng.normal(size=(count, fingers, 3))
    points[0, 1] = np.nan
    normals = np.where(np.isnan(points), np.nan, [0.0, 0.0, 1.0])
    low, high = hand.joint_lower, hand.joint_upper
    return GraspSet(
        hand=hand.name,
        frame="world",
        T_frame_palm=pose_from_quaternion(rng.normal(size=(count, 3)), rng.normal(size=(count, 4))),
        approach=np.tile([0.0, 0.0, -1.0], (count, 1)),
        pregrasp=rng.uniform(low, high, (count, joints)),
        grasp=rng.uniform(low, high, (count, joints)),
        squeeze=rng.uniform(low, high, (count, joints)),
        contact_points=points,
        contact_normals=normals,
        score=rng.uniform(size=count),
        kind=("pinch",) * count,
        source="test",
    )


@given(st.floats(0.0, 2e9))
def test_time(seconds: float) -> None:
    assert c.seconds_from_stamp(c.stamp_from_seconds(seconds)) == pytest.approx(seconds, abs=1e-6)


@given(poses())
def test_pose(pose: np.ndarray) -> None:
    np.testing.assert_allclose(c.pose_from_msg(c.pose_to_msg(pose)), pose, atol=1e-9)
    np.testing.assert_allclose(c.pose_from_transform(c.transform_to_msg(pose)), pose, atol=1e-9)


def test_identity_is_scalar_last() -> None:
    message = c.pose_to_msg(np.eye(4))
    assert (message.orientation.w, message.orientation.x) == (1.0, 0.0)


@pytest.mark.parametrize(("field", "value"), [("w", math.nan), ("x", 0.5), ("w", 0.0)])
def test_a_quaternion_that_is_no_rotation_is_refused(field: str, value: float) -> None:
    message = c.pose_to_msg(np.eye(4))
    setattr(message.orientation, field, value)
    with pytest.raises(ExecutionError, match=r"NaN|not unit"):
        c.pose_from_msg(message)


points = arrays(
    np.float32, st.tuples(st.integers(1, 30), st.just(3)), elements=st.floats(-5, 5, width=32)
)


@given(points)
def test_cloud(cloud: np.ndarray) -> None:
    np.testing.assert_array_equal(c.cloud_from_msg(c.cloud_to_msg(cloud, HEAD)), cloud)


def ordered_cloud(points: np.ndarray, height: int, padding: int = 4) -> PointCloud2:
    """An image-shaped cloud with padded points and rows, big enough to be awkward."""
    message = c.cloud_to_msg(points, HEAD)
    width = len(points) // height
    step = 12 + padding
    rows = np.zeros((height, width * step + 8), dtype=np.uint8)
    raw = np.asarray(points, np.float32).view(np.uint8).reshape(height, width, 12)
    rows[:, : width * step].reshape(height, width, step)[..., :12] = raw
    message.height, message.width = height, width
    message.point_step, message.row_step = step, rows.shape[1]
    message.data = rows.tobytes()
    return message


def test_an_ordered_cloud_with_padding_and_nan_keeps_its_finite_points() -> None:
    cloud = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
    cloud[5] = np.nan
    read = c.cloud_from_msg(ordered_cloud(cloud, 4))
    np.testing.assert_array_equal(read, np.delete(cloud, 5, axis=0))


def test_unusable_clouds_are_refused_with_the_reason() -> None:
    good = np.ones((10, 3), dtype=np.float32)
    truncated = c.cloud_to_msg(good, HEAD)
    truncated.data = truncated.data[:50]
    narrow = c.cloud_to_msg(good, HEAD)
    narrow.point_step = 8
    intensity = c.cloud_to_msg(good, HEAD)
    intensity.fields = intensity.fields[:1]
    cases = {
        "empty": c.cloud_to_msg(np.zeros((0, 3)), HEAD),
        "none of the cloud's 10 points is finite": c.cloud_to_msg(np.full((10, 3), np.nan), HEAD),
        "truncated": truncated,
        "beyond its point_step": narrow,
        "x, y and z": intensity,
    }
    for words, message in cases.items():
        with pytest.raises(SceneError, match=words):
            c.cloud_from_msg(message)


def depth_frame() -> DepthFrame:
    depth = np.random.default_rng(1).uniform(0.2, 2.0, (6, 8)).astype(np.float32)
    depth[2, 3] = 0.0
    return DepthFrame(depth, CameraIntrinsics.from_fovy(8, 6, 0.8), np.eye(4), 2.0)


def test_depth_image_in_metres_and_in_millimetres() -> None:
    frame = depth_frame()
    info = c.camera_info_to_msg(frame.intrinsics, HEAD)
    exact = c.depth_frame_from_msgs(c.depth_to_msg(frame, HEAD), info, np.eye(4))
    np.testing.assert_array_equal(exact.depth, frame.depth)
    assert exact.intrinsics == frame.intrinsics
    rounded = c.depth_from_msg(c.depth_to_raw_msg(frame, HEAD))
    np.testing.assert_allclose(rounded, frame.depth, atol=5.1e-4)
    assert rounded[2, 3] == 0.0


def test_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    message = c.picture_to_msg(picture, HEAD)
    np.testing.assert_array_equal(c.picture_from_msg(message), picture)
    message.encoding = "bgr8"  # as many cameras have it
    np.testing.assert_array_equal(c.picture_from_msg(message), picture[..., ::-1])
    with pytest.raises(SceneError, match="rgb8"):
        c.picture_from_msg(c.depth_to_msg(depth_frame(), HEAD))


def test_unusable_images_are_refused_with_the_reason() -> None:
    frame = depth_frame()
    info = c.camera_info_to_msg(frame.intrinsics, HEAD)
    truncated = c.depth_to_msg(frame, HEAD)
    truncated.data = truncated.data[:-1]
    color = c.picture_to_msg(np.zeros((6, 8, 3), np.uint8), HEAD)
    for words, image in {"truncated": truncated, "known: 16UC1, 32FC1": color}.items():
        with pytest.raises(SceneError, match=words):
            c.depth_frame_from_msgs(image, info, np.eye(4))
    other = c.camera_info_to_msg(CameraIntrinsics.from_fovy(4, 4, 0.8), HEAD)
    with pytest.raises(SceneError, match="8 x 6 but the camera info says 4 x 4"):
        c.depth_frame_from_msgs(c.depth_to_msg(frame, HEAD), other, np.eye(4))
    info.k[0] = 0.0
    with pytest.raises(SceneError, match="uncalibrated"):
        c.intrinsics_from_msg(info)
    distorted = c.camera_info_to_msg(frame.intrinsics, HEAD)
    distorted.d = [0.1, 0.0, 0.0, 0.0, 0.0]
    with pytest.raises(SceneError, match="rectify"):
        c.intrinsics_from_msg(distorted)


@given(poses(), points)
@settings(max_examples=30)
def test_detection(pose: np.ndarray, cloud: np.ndarray) -> None:
    detected = DetectedObject(
        2, cloud, pose, np.array([0.1, 0.2, 0.3]), 0.05, np.array([0.5, 0.0, 0.6])
    )
    read = c.detection_from_msg(c.detection_to_msg(detected, HEAD))
    assert (read.identifier, read.table_height) == (2, 0.05)
    for name in ("cloud", "T_world_object", "extents", "view_point"):
        np.testing.assert_allclose(getattr(read, name), getattr(detected, name), atol=1e-9)


def test_a_detection_without_size_is_refused() -> None:
    detected = DetectedObject(0, np.ones((3, 3)), np.eye(4), np.zeros(3), 0.0, np.zeros(3))
    with pytest.raises(SceneError, match="not positive"):
        c.detection_from_msg(c.detection_to_msg(detected, HEAD))


def test_grasps(hand: HandModel) -> None:
    grasps = grasp_set(hand)
    read = c.grasps_from_msgs(c.grasps_to_msgs(grasps, hand, 1.0), hand)
    assert (read.hand, read.frame, read.kind, read.source) == (
        grasps.hand, grasps.frame, grasps.kind, grasps.source,
    )  # fmt: skip
    for name in (
        "T_frame_palm", "approach", "pregrasp", "grasp", "squeeze", "contact_points",
        "contact_normals", "score",
    ):  # fmt: skip
        np.testing.assert_allclose(getattr(read, name), getattr(grasps, name), atol=1e-9)


def test_joints_of_a_grasp_are_matched_by_name(hand: HandModel) -> None:
    grasps = grasp_set(hand, 1)
    message = c.grasps_to_msgs(grasps, hand, 1.0)[0]
    message.joint_names = message.joint_names[::-1]
    for name in ("pregrasp", "grasp", "squeeze"):
        setattr(message, name, getattr(message, name)[::-1])
    np.testing.assert_array_equal(c.grasps_from_msgs([message], hand).grasp, grasps.grasp)


def test_unusable_grasps_are_refused_with_the_reason(hand: HandModel) -> None:
    def broken(**fields: object):
        message = c.grasps_to_msgs(grasp_set(hand, 1), hand, 1.0)[0]
        for name, value in fields.items():
            setattr(message, name, value)
        return message

    joints = hand.joint_count
    half = c.pose_to_msg(np.eye(4))
    half.orientation.w = 0.5
    cases = {
        "no grasp was given": [],
        "this one is 'leap_right'": [broken(hand="allegro_right")],
        f"{joints - 1} joint values": [broken(grasp=[0.0] * (joints - 1))],
        f"names {joints - 1} joints": [broken(joint_names=list(hand.joint_names[:-1]))],
        "not finite": [broken(squeeze=[math.nan] * joints)],
        "not unit": [broken(palm_pose=half)],
        "unit vector": [broken(approach=c.vector_to_msg(np.zeros(3)))],
        "different frames": [broken(), broken(header=c.header(0.0, "camera"))],
    }
    for words, messages in cases.items():
        with pytest.raises(GraspError, match=words):
            c.grasps_from_msgs(messages, hand)


def observation(hand: HandModel) -> Observation:
    rng = np.random.default_rng(0)
    joints, fingers = (1, hand.joint_count), (1, len(hand.finger_names))
    pose = pose_from_quaternion(rng.normal(size=(1, 3)), rng.normal(size=(1, 4)))
    return Observation(
        np.array([3.25]), rng.normal(size=joints), rng.normal(size=joints),
        rng.normal(size=joints), pose, rng.uniform(size=fingers),
    )  # fmt: skip


def test_observation(hand: HandModel) -> None:
    seen = observation(hand)
    palm = PoseStamped(header=HEAD, pose=c.pose_to_msg(seen.T_world_palm[0]))
    joints = c.joint_state_to_msg(seen, hand, 3.25)
    read = c.observation_from_msgs(joints, palm, c.forces_to_msg(seen, hand, 3.25), hand)
    for name, value in vars(seen).items():
        np.testing.assert_allclose(getattr(read, name), value, atol=1e-9)
    np.testing.assert_array_equal(c.joint_positions_from_msg(joints, hand), seen.joint_position[0])


def test_a_joint_state_in_another_order_without_effort_or_touch(hand: HandModel) -> None:
    seen = observation(hand)
    palm = PoseStamped(header=HEAD, pose=c.pose_to_msg(seen.T_world_palm[0]))
    joints = c.joint_state_to_msg(seen, hand, 3.25)
    joints.name = [*joints.name[::-1], "arm_joint"]
    joints.position = [*joints.position[::-1], 0.0]
    joints.velocity, joints.effort = [], []
    read = c.observation_from_msgs(joints, palm, None, hand)
    np.testing.assert_array_equal(read.joint_position, seen.joint_position)
    assert np.isnan(read.finger_force).all()
    assert not read.joint_velocity.any()
    joints.name[0] = "elbow"
    with pytest.raises(ExecutionError, match=hand.joint_names[-1]):
        c.observation_from_msgs(joints, palm, None, hand)


def test_contacts_and_truth(hand: HandModel) -> None:
    contact = Contact(
        "dip", "mug", np.array([0.1, 0.2, 0.3]), np.array([0.0, 0.0, 1.0]), 2.5, np.zeros(3)
    )
    read = c.contacts_from_msg(c.contacts_to_msg([contact], HEAD))[0]
    assert (read.hand_link, read.other, read.force) == ("dip", "mug", 2.5)
    np.testing.assert_array_equal(read.position, contact.position)
    truth = GroundTruth(
        np.array([1.5]), np.eye(4)[None, None], np.ones((1, 1, 3)), np.zeros((1, 1, 3)),
        np.array([[0.0, 1.0, 2.0, 3.0]]),
    )  # fmt: skip
    message = c.truth_to_msg(truth, ["mug"], ["mug"], hand, HEAD, 0.0)
    for name, value in vars(c.truth_from_msg(message)).items():
        np.testing.assert_allclose(value, getattr(truth, name))


def test_trial_result_of_a_pick_that_never_came_to_execution() -> None:
    pick = PickObject.Result(error_code=30, error_msg="none", stage="synthesis")
    result = c.trial_result("mug", "leap_right", 3, pick, None)
    assert (result.phase, result.error_code, result.success) == ("SYNTHESIS", 30, False)
    assert result.plausible is None
    assert math.isnan(result.grasp_score)


def test_trial_result_of_a_judged_pick() -> None:
    pick = PickObject.Result(stage="execution", perception_seconds=0.2, execution_seconds=9.0)
    report = TrialReport(
        success=True, phase="DONE", max_height=0.3, grasp_kind="pinch", grasp_score=0.8,
        plausibility_judged=True, plausible=False, contacts=2,
        intention_judged=True, intended=True, alignment=0.9, visual_consistency=0.8, task_score=1.0,
    )  # fmt: skip
    result = c.trial_result("mug", "leap_right", 3, pick, report)
    assert (result.success, result.plausible, result.contacts) == (True, False, 2)
    assert (result.intended, result.alignment, result.task_score) == (True, 0.9, 1.0)
    unjudged = c.trial_result("mug", "leap_right", 3, pick, TrialReport(alignment=0.9))
    assert unjudged.intended is None
    assert math.isnan(unjudged.alignment)
    assert result.seconds == {"perception": 0.2, "execution": 9.0}
