"""The whole stack as launched: its graph, its answers to bad input, and a pick."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import trimesh

rclpy = pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

from action_msgs.msg import GoalStatus  # noqa: E402
from control_msgs.action import FollowJointTrajectory  # noqa: E402
from control_msgs.msg import JointTolerance, JointTrajectoryControllerState  # noqa: E402
from dexgrasp_interfaces.action import ExecuteGrasp, PickObject, SynthesizeGrasps  # noqa: E402
from dexgrasp_interfaces.msg import ErrorCode, ExecutorState, GroundTruth, TrialReport  # noqa: E402
from dexgrasp_interfaces.msg import Grasp as GraspMsg  # noqa: E402
from dexgrasp_interfaces.srv import ResetSimulation, SpawnObject  # noqa: E402
from dexgrasp_nodes import conversions as c  # noqa: E402
from dexgrasp_nodes.node_base import LATCHED  # noqa: E402
from geometry_msgs.msg import PoseStamped  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy, qos_profile_sensor_data  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray, String  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402
from trajectory_msgs.msg import JointTrajectoryPoint  # noqa: E402

from dexgrasp.errors import DexgraspError, GraspError  # noqa: E402
from dexgrasp.execution import Fault  # noqa: E402
from dexgrasp.hands import HandModel  # noqa: E402
from dexgrasp.types import DetectedObject  # noqa: E402

pytestmark = pytest.mark.ros
DOMAIN_ID = 71
TOPICS = {
    "/clock": "rosgraph_msgs/msg/Clock",
    "/joint_states": "sensor_msgs/msg/JointState",
    "/tf": "tf2_msgs/msg/TFMessage",
    "/tf_static": "tf2_msgs/msg/TFMessage",
    "/robot_description": "std_msgs/msg/String",
    "/camera/depth/image": "sensor_msgs/msg/Image",
    "/camera/depth/image_raw": "sensor_msgs/msg/Image",
    "/camera/depth/camera_info": "sensor_msgs/msg/CameraInfo",
    "/overview/image": "sensor_msgs/msg/Image",
    "/contacts": "dexgrasp_interfaces/msg/HandContactArray",
    "/finger_forces": "dexgrasp_interfaces/msg/FingerForces",
    "/ground_truth/objects": "dexgrasp_interfaces/msg/GroundTruth",
    "/hand_controller/commands": "std_msgs/msg/Float64MultiArray",
    "/hand_controller/joint_trajectory": "trajectory_msgs/msg/JointTrajectory",
    "/hand_controller/controller_state": "control_msgs/msg/JointTrajectoryControllerState",
    "/wrist_controller/target_pose": "geometry_msgs/msg/PoseStamped",
    "/wrist_controller/current_pose": "geometry_msgs/msg/PoseStamped",
    "/objects": "dexgrasp_interfaces/msg/DetectedObjectArray",
    "/objects/cloud": "sensor_msgs/msg/PointCloud2",
    "/held_object": "geometry_msgs/msg/PoseStamped",
    "/grasps": "dexgrasp_interfaces/msg/GraspArray",
    "/safety/state": "dexgrasp_interfaces/msg/SafetyState",
    "/safety/e_stop": "std_msgs/msg/Bool",
    "/safety/heartbeat": "std_msgs/msg/Empty",
    "/executor/state": "dexgrasp_interfaces/msg/ExecutorState",
    "/trial_reports": "dexgrasp_interfaces/msg/TrialReport",
    "/markers": "visualization_msgs/msg/MarkerArray",
    "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
}


@pytest.fixture(scope="module")
def hand() -> HandModel:
    return HandModel.load("allegro_right")


@pytest.fixture(scope="module")
def held(allegro) -> tuple[PickObject.Result, TrialReport]:
    """A whole pick that holds the object, and the evaluator's report on it."""
    return allegro.pick_until_held("tomato_soup_can")


@pytest.fixture(scope="module")
def picked(held) -> PickObject.Result:
    """The result of that pick, which several tests look at and take their grasp from."""
    return held[0]


def test_topics_have_their_names_and_types(allegro) -> None:
    found = dict(allegro.node.get_topic_names_and_types())
    assert {name: found.get(name) for name in TOPICS} == {n: [t] for n, t in TOPICS.items()}


def test_one_node_publishes_the_joint_states_and_only_the_evaluator_reads_the_truth(
    allegro,
) -> None:
    publishers = allegro.node.get_publishers_info_by_topic("/joint_states")
    assert [p.node_name for p in publishers] == ["bridge"]
    readers = allegro.node.get_subscriptions_info_by_topic("/ground_truth/objects")
    assert [r.node_name for r in readers] == ["evaluator"]


def test_quality_of_service(allegro) -> None:
    def offered(topic: str):
        return allegro.node.get_publishers_info_by_topic(topic)[0].qos_profile

    for latched in ("/robot_description", "/tf_static", "/grasps"):
        assert offered(latched).durability == DurabilityPolicy.TRANSIENT_LOCAL
    readers = allegro.node.get_subscriptions_info_by_topic("/camera/depth/image")
    assert offered("/camera/depth/image").reliability == ReliabilityPolicy.RELIABLE
    assert readers[0].qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_what_is_published_makes_sense(allegro, hand: HandModel) -> None:
    description = allegro.message(String, "/robot_description", LATCHED)
    assert description.data == hand.urdf_text
    joints = allegro.message(JointState, "/joint_states")
    assert tuple(joints.name) == hand.joint_names
    image = allegro.message(Image, "/camera/depth/image", qos_profile_sensor_data)
    assert (image.encoding, image.width, image.height) == ("32FC1", 640, 480)
    assert image.header.frame_id.endswith("_optical_frame")
    raw = allegro.message(Image, "/camera/depth/image_raw", qos_profile_sensor_data)
    assert raw.encoding == "16UC1"
    assert 0.3 < np.median(c.depth_from_msg(raw)) < 1.5


def test_error_codes_are_those_of_the_library() -> None:
    for fault in Fault:
        name = "OK" if fault == Fault.NONE else fault.name
        assert getattr(ErrorCode, name) == fault
    constants = {
        value
        for name in dir(ErrorCode)
        if name.isupper() and isinstance(value := getattr(ErrorCode, name), int)
    }
    kinds = [DexgraspError]
    for kind in kinds:
        kinds += [k for k in kind.__subclasses__() if k.__module__ == "dexgrasp.errors"]
        assert kind.code in constants


def test_a_pick_lifts_the_object_and_is_judged(allegro, held) -> None:
    result, report = held
    assert (result.error_code, result.error_msg) == (ErrorCode.OK, "")
    assert result.stage == "execution"
    assert abs(result.object.pose.position.x) < 0.1
    assert (report.object, report.phase) == ("tomato_soup_can", "DONE")
    assert report.max_height > 0.25
    assert report.plausibility_judged
    assert report.contacts >= 2
    assert report.intention_judged
    assert report.instruction == "pick up the tomato soup can"
    assert report.judge == "geometric"
    assert all(0.0 <= s <= 1.0 for s in (report.alignment, report.visual_consistency))
    running = [r for r in allegro.reports if not r.finished]
    assert running
    assert not any(r.success for r in running)


def test_what_is_held_is_put_down_on_request(allegro, picked: PickObject.Result) -> None:
    assert allegro.call(Trigger, "/executor/release", Trigger.Request()).success
    phases: list[str] = []
    with allegro.listening(
        ExecutorState, "/executor/state", lambda m: phases.append(m.phase_name), 50
    ):
        allegro.until(lambda: "RETREAT" in phases and phases[-1] == "DONE", "the retreat", 60.0)
    again = allegro.call(Trigger, "/executor/release", Trigger.Request())
    assert again.success  # DONE once more: there is nothing to fear from opening an empty hand


def test_unknown_and_unusable_objects_are_refused(allegro, tmp_path) -> None:
    ball = trimesh.creation.icosphere(radius=0.04)
    open_ball = trimesh.Trimesh(ball.vertices, ball.faces[:-8])
    open_ball.export(tmp_path / "open.stl")
    ball.apply_scale(1000.0).export(tmp_path / "millimetres.stl")
    (tmp_path / "empty.obj").write_text("")

    def on_the_table() -> list[str]:
        truth = allegro.message(GroundTruth, "/ground_truth/objects")
        return [item.name for item in truth.objects]

    before = on_the_table()
    cases = {
        "tomato_soup_cam": (ErrorCode.UNKNOWN_NAME, "tomato_soup_can"),
        str(tmp_path / "open.stl"): (ErrorCode.MESH, "watertight"),
        str(tmp_path / "millimetres.stl"): (ErrorCode.MESH, "millimet"),
        str(tmp_path / "empty.obj"): (ErrorCode.MESH, "empty"),
        str(tmp_path / "absent.ply"): (ErrorCode.MESH, "absent"),
    }
    for name, (code, words) in cases.items():
        response = allegro.spawn(name)
        assert (response.error_code, words in response.error_msg) == (code, True), response
    tilted = SpawnObject.Request(name="mug")
    tilted.pose.orientation.w = math.nan
    response = allegro.call(SpawnObject, "/simulation/spawn_object", tilted)
    assert "NaN" in response.error_msg
    assert on_the_table() == before


def test_a_mesh_file_takes_the_place_of_a_catalogue_object(allegro, tmp_path) -> None:
    trimesh.creation.box((0.06, 0.05, 0.12)).export(tmp_path / "block.stl")
    assert allegro.spawn(str(tmp_path / "block.stl")).error_code == ErrorCode.OK


def detection(cloud: np.ndarray, size: float = 0.08, x: float = 0.0) -> SynthesizeGrasps.Goal:
    pose = np.eye(4)
    pose[:3, 3] = [x, 0.0, 0.5 * size]
    view = np.array([0.5, 0.0, 0.58])
    detected = DetectedObject(0, cloud, pose, np.full(3, size), 0.0, view)
    head = c.header(1.0)
    return SynthesizeGrasps.Goal(header=head, object=c.detection_to_msg(detected, head), count=2)


def ball_cloud(size: float = 0.08, x: float = 0.0) -> np.ndarray:
    """The side of a ball on the table that the camera sees."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(4000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = 0.5 * size * normals + [x, 0.0, 0.5 * size]
    towards = np.array([0.5, 0.0, 0.58]) - points
    return points[(normals * towards).sum(axis=1) > 0.0]


def synthesize(stack, goal: SynthesizeGrasps.Goal) -> SynthesizeGrasps.Result:
    return stack.run(SynthesizeGrasps, "/synthesize_grasps", goal)


def test_grasps_for_an_unordered_cloud(allegro, hand: HandModel) -> None:
    cloud = np.random.default_rng(1).permutation(ball_cloud())
    result = synthesize(allegro, detection(cloud))
    assert (result.error_code, result.error_msg) == (ErrorCode.OK, "")
    grasps = c.grasps_from_msgs(result.grasps.grasps, hand)
    assert 1 <= len(grasps) <= 2
    assert (np.diff(grasps.score) <= 0.0).all()


def test_unusable_clouds_are_refused(allegro) -> None:
    truncated = detection(ball_cloud())
    truncated.object.cloud.data = truncated.object.cloud.data[:1000]
    elsewhere = detection(ball_cloud())
    elsewhere.header.frame_id = "camera"
    cases = {
        "empty": detection(np.zeros((0, 3))),
        "finite": detection(np.full((100, 3), np.nan)),
        "truncated": truncated,
        "frame 'camera'": elsewhere,
        "positive": detection(ball_cloud(), size=0.0),
    }
    for words, goal in cases.items():
        result = synthesize(allegro, goal)
        assert result.error_code == ErrorCode.SCENE, words
        assert words in result.error_msg


def test_objects_too_large_or_out_of_reach_have_no_grasp(allegro) -> None:
    large = synthesize(allegro, detection(ball_cloud(0.6), size=0.6))
    far = synthesize(allegro, detection(ball_cloud(x=2.0), x=2.0))
    for result in (large, far):
        assert result.error_code == ErrorCode.NO_GRASP
        assert result.error_msg


def test_an_empty_table(allegro) -> None:
    request = ResetSimulation.Request(remove_objects=True)
    assert allegro.call(ResetSimulation, "/simulation/reset", request).error_code == ErrorCode.OK
    result = allegro.pick()
    assert (result.error_code, result.stage) == (ErrorCode.SCENE, "perception")
    assert "no object" in result.error_msg


def altered(grasp: GraspMsg, change: Callable[[GraspMsg], None]) -> ExecuteGrasp.Goal:
    goal = ExecuteGrasp.Goal(grasp=grasp)
    change(goal.grasp)
    return goal


def test_unusable_grasps_are_refused(allegro, picked: PickObject.Result) -> None:
    import copy

    def too_few(grasp: GraspMsg) -> None:
        grasp.grasp = grasp.grasp[:-1]

    def not_a_number(grasp: GraspMsg) -> None:
        grasp.squeeze[3] = math.nan

    def other_hand(grasp: GraspMsg) -> None:
        grasp.hand = "leap_right"

    def other_frame(grasp: GraspMsg) -> None:
        grasp.header.frame_id = "camera"

    for change in (too_few, not_a_number, other_hand, other_frame):
        goal = altered(copy.deepcopy(picked.grasp), change)
        result = allegro.run(ExecuteGrasp, "/execute_grasp", goal)
        assert result.error_code == GraspError.code, change.__name__
        assert result.error_msg


class Goal:
    """An execution under way whose phases are watched."""

    def __init__(self, stack, grasp: GraspMsg, **fields: bool) -> None:
        self._stack = stack
        self.phases: list[str] = []
        goal = ExecuteGrasp.Goal(grasp=grasp, **fields)
        self.handle = stack.send(ExecuteGrasp, "/execute_grasp", goal, self._on_feedback)

    def _on_feedback(self, message) -> None:
        self.phases.append(message.feedback.state.phase_name)

    def reach(self, phase: str) -> None:
        """Wait for a phase."""
        self._stack.until(lambda: phase in self.phases, f"the phase {phase}", 60.0)

    def result(self):
        """Status and result."""
        return self._stack.result(self.handle)


@pytest.mark.parametrize("phase", ["APPROACH", "LIFT"])
def test_cancel(allegro, picked: PickObject.Result, phase: str) -> None:
    allegro.spawn("tomato_soup_can")
    goal = Goal(allegro, picked.grasp)
    goal.reach(phase)
    goal.handle.cancel_goal_async()
    answer = goal.result()
    assert answer.status == GoalStatus.STATUS_CANCELED
    assert answer.result.error_code == ErrorCode.CANCELLED
    if phase == "LIFT":
        assert goal.phases[-3:] == ["PLACE", "RELEASE", "RETREAT"]


def test_a_second_goal_is_busy_unless_it_preempts(allegro, picked: PickObject.Result) -> None:
    allegro.spawn("tomato_soup_can")
    first = Goal(allegro, picked.grasp)
    first.reach("APPROACH")
    second = Goal(allegro, picked.grasp).result().result
    assert (second.error_code, "preempt" in second.error_msg) == (ErrorCode.BUSY, True)
    third = Goal(allegro, picked.grasp, preempt=True)
    assert first.result().result.error_code == ErrorCode.PREEMPTED
    third.reach("COVER")
    third.handle.cancel_goal_async()
    assert third.result().result.error_code == ErrorCode.CANCELLED


def test_a_second_pick_is_busy(allegro) -> None:
    allegro.spawn("tomato_soup_can")
    first = allegro.send(PickObject, "/pick_object", PickObject.Goal())
    assert allegro.pick().error_code == ErrorCode.BUSY
    first.cancel_goal_async()
    answer = allegro.result(first)
    assert answer.status == GoalStatus.STATUS_CANCELED
    assert answer.result.error_code == ErrorCode.CANCELLED


def test_pause_and_reset(allegro) -> None:
    def time() -> float:
        return c.seconds_from_stamp(allegro.message(Clock, "/clock").clock)

    def pause(on: bool) -> None:
        assert allegro.call(SetBool, "/simulation/set_paused", SetBool.Request(data=on)).success

    pause(True)
    paused = time()
    assert time() == paused
    pause(False)
    allegro.until(lambda: time() > paused, "time to go on")
    assert (
        allegro.call(ResetSimulation, "/simulation/reset", ResetSimulation.Request()).error_code
        == 0
    )
    assert time() > paused


def close_goal(hand: HandModel, joints: list[str], seconds: int, target: float):
    goal = FollowJointTrajectory.Goal()
    goal.trajectory.joint_names = joints
    point = JointTrajectoryPoint(positions=[target] * len(joints))
    point.time_from_start.sec = seconds
    goal.trajectory.points = [point]
    return goal


def test_joint_trajectories(allegro, hand: HandModel) -> None:
    name = "/hand_controller/follow_joint_trajectory"
    joints = list(hand.joint_names[1:3])
    done = allegro.run(FollowJointTrajectory, name, close_goal(hand, joints, 1, 0.6))
    assert (done.error_code, done.error_string) == (0, "")
    state = allegro.message(JointTrajectoryControllerState, "/hand_controller/controller_state")
    np.testing.assert_allclose(state.reference.positions[1:3], 0.6)
    np.testing.assert_allclose(state.feedback.positions[1:3], 0.6, atol=0.15)
    unknown = allegro.run(FollowJointTrajectory, name, close_goal(hand, ["elbow"], 1, 0.0))
    assert unknown.error_code == FollowJointTrajectory.Result.INVALID_JOINTS
    strict = close_goal(hand, joints, 1, 0.1)
    strict.path_tolerance = [JointTolerance(name=joints[0], position=1e-6)]
    off = allegro.run(FollowJointTrajectory, name, strict)
    assert off.error_code == FollowJointTrajectory.Result.PATH_TOLERANCE_VIOLATED
    handle = allegro.send(FollowJointTrajectory, name, close_goal(hand, joints, 30, 0.0))
    handle.cancel_goal_async()
    assert allegro.result(handle).status == GoalStatus.STATUS_CANCELED


def test_bad_commands_move_nothing(allegro, hand: HandModel) -> None:
    publisher = allegro.node.create_publisher
    commands = allegro.do(lambda: publisher(Float64MultiArray, "/hand_controller/commands", 1))
    targets = allegro.do(lambda: publisher(PoseStamped, "/wrist_controller/target_pose", 1))
    allegro.until(lambda: commands.get_subscription_count(), "the connection")
    topic = "/hand_controller/controller_state"
    before = allegro.message(JointTrajectoryControllerState, topic).reference.positions
    for values in ([0.1] * 3, [math.nan] * hand.joint_count):
        commands.publish(Float64MultiArray(data=values))
        targets.publish(PoseStamped(header=c.header(0.0, "camera")))
        after = allegro.message(JointTrajectoryControllerState, topic).reference.positions
        assert after == before
    assert allegro.process("bridge") is not None


def test_an_illegal_transition_is_refused(allegro) -> None:
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    assert not allegro.call(ChangeState, "/executor/change_state", request).success
    assert allegro.is_active()


def test_a_deactivated_node_says_so_and_stays_so(allegro, picked: PickObject.Result) -> None:
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert allegro.call(ChangeState, "/executor/change_state", request).success
    allegro.until(lambda: not allegro.is_active(), "the manager to notice", 10.0)
    result = allegro.run(ExecuteGrasp, "/execute_grasp", ExecuteGrasp.Goal(grasp=picked.grasp))
    assert result.error_code == ErrorCode.NOT_ACTIVE
    assert not allegro.is_active()
    assert allegro.call(Trigger, "/lifecycle_manager/startup", Trigger.Request()).success
    allegro.until(allegro.is_active, "the manager to activate it again", 30.0)
