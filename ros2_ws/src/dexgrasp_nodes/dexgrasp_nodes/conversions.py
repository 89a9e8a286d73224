"""Messages to objects of the library and back: the one place that knows both.

ROS quaternions are scalar last, the library's scalar first. What comes from outside is
checked here: SceneError for images and clouds, GraspError for grasps, ExecutionError for
poses and joints, each with what was wrong.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Iterable, Sequence

import numpy as np
from builtin_interfaces.msg import Time
from dexgrasp_interfaces.msg import (
    DetectedObject as DetectedObjectMsg,
)
from dexgrasp_interfaces.msg import (
    FingerForces,
    GraspContact,
    GroundTruthObject,
    HandContact,
    HandContactArray,
)
from dexgrasp_interfaces.msg import Grasp as GraspMsg
from dexgrasp_interfaces.msg import GroundTruth as GroundTruthMsg
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, Transform, Vector3
from sensor_msgs.msg import CameraInfo, Image, JointState, PointCloud2, PointField
from std_msgs.msg import Header

from dexgrasp.errors import ExecutionError, GraspError, SceneError
from dexgrasp.geometry import pose_from_quaternion, quaternion_from_pose
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

WORLD_FRAME = "world"
UNIT_TOLERANCE = 1e-3
MILLIMETRES = 1000.0


def stamp_from_seconds(seconds: float) -> Time:
    """Message time of a time [s] >= 0."""
    nanoseconds = round(seconds * 1e9)
    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def seconds_from_stamp(stamp: Time) -> float:
    """Time [s] of a message time."""
    return stamp.sec + 1e-9 * stamp.nanosec


def header(seconds: float, frame: str = WORLD_FRAME) -> Header:
    """Header at a time [s]."""
    return Header(stamp=stamp_from_seconds(seconds), frame_id=frame)


def doubles(values: Iterable[float]) -> array.array:
    """What a `float64[]` field takes fastest."""
    return array.array("d", np.asarray(values, dtype=np.float64).tobytes())


def point_to_msg(point: np.ndarray) -> Point:
    """Point of (3,)."""
    return Point(x=float(point[0]), y=float(point[1]), z=float(point[2]))


def vector_to_msg(vector: np.ndarray) -> Vector3:
    """Vector of (3,)."""
    return Vector3(x=float(vector[0]), y=float(vector[1]), z=float(vector[2]))


def vector_from_msg(message: Point | Vector3) -> np.ndarray:
    """(3,) of a point or vector."""
    return np.array([message.x, message.y, message.z])


def pose_to_msg(pose: np.ndarray) -> Pose:
    """Pose of (4, 4)."""
    return Pose(position=point_to_msg(pose[:3, 3]), orientation=_quaternion_to_msg(pose))


def transform_to_msg(pose: np.ndarray) -> Transform:
    """Transform of (4, 4)."""
    return Transform(translation=vector_to_msg(pose[:3, 3]), rotation=_quaternion_to_msg(pose))


def _quaternion_to_msg(pose: np.ndarray) -> Quaternion:
    w, x, y, z = (float(v) for v in quaternion_from_pose(pose))
    return Quaternion(w=w, x=x, y=y, z=z)


def pose_from_msg(message: Pose) -> np.ndarray:
    """(4, 4) of a pose. Raises ExecutionError for NaN or a quaternion that is not unit."""
    return _pose(vector_from_msg(message.position), message.orientation)


def pose_from_transform(message: Transform) -> np.ndarray:
    """(4, 4) of a transform. Raises ExecutionError like `pose_from_msg`."""
    return _pose(vector_from_msg(message.translation), message.rotation)


def _pose(position: np.ndarray, rotation: Quaternion) -> np.ndarray:
    quaternion = np.array([rotation.w, rotation.x, rotation.y, rotation.z])
    if not (np.isfinite(position).all() and np.isfinite(quaternion).all()):
        raise ExecutionError("a pose holds NaN or infinity")
    if abs(np.linalg.norm(quaternion) - 1.0) > UNIT_TOLERANCE:
        raise ExecutionError(
            f"the quaternion {quaternion[1:].tolist()} w {quaternion[0]} is not unit"
        )
    return pose_from_quaternion(position, quaternion)


def cloud_to_msg(points: np.ndarray, head: Header) -> PointCloud2:
    """Cloud of points (n, 3) [m] as float32 x, y, z."""
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(points, dtype=np.float32).tobytes())
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate("xyz")
    ]
    return PointCloud2(
        header=head, height=1, width=len(points), fields=fields, point_step=12,
        row_step=12 * len(points), data=data, is_dense=True,
    )  # fmt: skip


def cloud_from_msg(message: PointCloud2) -> np.ndarray:
    """Finite points (n, 3) [m] of an ordered or unordered cloud.

    Raises SceneError when it is empty, all NaN, truncated, or has no float32 x, y, z.
    """
    offsets = {f.name: f.offset for f in message.fields if f.datatype == PointField.FLOAT32}
    if not {"x", "y", "z"} <= offsets.keys():
        raise SceneError(f"the cloud has float32 fields {sorted(offsets)}; x, y and z are needed")
    if message.width * message.height == 0:
        raise SceneError("the cloud is empty")
    row = message.width * message.point_step
    if message.row_step < row or len(message.data) < message.row_step * message.height:
        raise SceneError(
            f"the cloud is truncated: {len(message.data)} bytes for "
            f"{message.width} x {message.height} points of {message.point_step} bytes"
        )
    if max(offsets[axis] for axis in "xyz") + 4 > message.point_step:
        raise SceneError("the cloud's fields reach beyond its point_step")
    order = ">f4" if message.is_bigendian else "<f4"
    layout = np.dtype(
        {"names": list("xyz"), "formats": [order] * 3, "offsets": [offsets[a] for a in "xyz"],
         "itemsize": message.point_step}
    )  # fmt: skip
    data = np.frombuffer(message.data, dtype=np.uint8)[: message.row_step * message.height]
    rows = np.ascontiguousarray(data.reshape(message.height, message.row_step)[:, :row])
    flat = rows.view(layout).reshape(-1)
    points = np.stack([flat["x"], flat["y"], flat["z"]], axis=1).astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        raise SceneError(f"none of the cloud's {len(flat)} points is finite")
    return points


def depth_to_msg(frame: DepthFrame, head: Header) -> Image:
    """`32FC1` image [m] (REP 118)."""
    return _image(np.asarray(frame.depth, dtype=np.float32), "32FC1", head)


def depth_to_raw_msg(frame: DepthFrame, head: Header) -> Image:
    """`16UC1` image [mm], 0 where invalid (REP 118)."""
    millimetres = np.rint(np.nan_to_num(frame.depth, nan=0.0) * MILLIMETRES)
    return _image(np.clip(millimetres, 0, 65535).astype(np.uint16), "16UC1", head)


def picture_to_msg(picture: np.ndarray, head: Header) -> Image:
    """`rgb8` image of (h, w, 3) uint8."""
    return _image(picture, "rgb8", head)


def _image(pixels: np.ndarray, encoding: str, head: Header) -> Image:
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).tobytes())
    height, width = pixels.shape[:2]
    return Image(
        header=head, height=height, width=width, encoding=encoding, data=data,
        is_bigendian=int(sys.byteorder == "big"), step=pixels[0].nbytes,
    )  # fmt: skip


def picture_from_msg(message: Image) -> np.ndarray:
    """(h, w, 3) uint8 of an `rgb8` image. Raises SceneError."""
    if message.encoding != "rgb8":
        raise SceneError(f"the image is {message.encoding!r}; rgb8 is needed")
    return _pixels(message, np.dtype(np.uint8), 3)


def depth_from_msg(message: Image) -> np.ndarray:
    """(h, w) float32 [m] of a `32FC1` or `16UC1` image. Raises SceneError."""
    order = ">" if message.is_bigendian else "<"
    if message.encoding == "32FC1":
        return _pixels(message, np.dtype(f"{order}f4"), 1)[..., 0].astype(np.float32)
    if message.encoding == "16UC1":
        millimetres = _pixels(message, np.dtype(f"{order}u2"), 1)[..., 0]
        return millimetres.astype(np.float32) / np.float32(MILLIMETRES)
    raise SceneError(f"the depth image is {message.encoding!r}; known: 16UC1, 32FC1")


def _pixels(message: Image, kind: np.dtype, channels: int) -> np.ndarray:
    row = message.width * channels * kind.itemsize
    if message.width * message.height == 0:
        raise SceneError("the image is empty")
    if message.step < row or len(message.data) < message.step * message.height:
        raise SceneError(
            f"the image is truncated: {len(message.data)} bytes for "
            f"{message.width} x {message.height} {message.encoding}"
        )
    data = np.frombuffer(message.data, dtype=np.uint8)[: message.step * message.height]
    rows = np.ascontiguousarray(data.reshape(message.height, message.step)[:, :row])
    return rows.view(kind).reshape(message.height, message.width, channels)


def camera_info_to_msg(intrinsics: CameraIntrinsics, head: Header) -> CameraInfo:
    """Pinhole without distortion."""
    c = intrinsics
    k = [c.fx, 0.0, c.cx, 0.0, c.fy, c.cy, 0.0, 0.0, 1.0]
    p = [c.fx, 0.0, c.cx, 0.0, 0.0, c.fy, c.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return CameraInfo(
        header=head, width=c.width, height=c.height, distortion_model="plumb_bob",
        d=[0.0] * 5, k=k, r=np.eye(3).ravel().tolist(), p=p,
    )  # fmt: skip


def intrinsics_from_msg(message: CameraInfo) -> CameraIntrinsics:
    """Pinhole model. Raises SceneError when it is uncalibrated or distorted."""
    fx, fy = float(message.k[0]), float(message.k[4])
    if not (fx > 0.0 and fy > 0.0):
        raise SceneError(f"the camera info has focal lengths {fx}, {fy}: uncalibrated")
    if np.any(np.asarray(message.d)):
        raise SceneError("the camera info has distortion: rectify the depth image first")
    return CameraIntrinsics(
        message.width, message.height, fx, fy, float(message.k[2]), float(message.k[5])
    )


def depth_frame_from_msgs(image: Image, info: CameraInfo, pose: np.ndarray) -> DepthFrame:
    """A depth image with its camera at T_world_camera `pose`. Raises SceneError."""
    intrinsics = intrinsics_from_msg(info)
    depth = depth_from_msg(image)
    if depth.shape != (intrinsics.height, intrinsics.width):
        raise SceneError(
            f"the image is {depth.shape[1]} x {depth.shape[0]} but the camera info says "
            f"{intrinsics.width} x {intrinsics.height}"
        )
    return DepthFrame(depth, intrinsics, pose, seconds_from_stamp(image.header.stamp))


def detection_to_msg(detected: DetectedObject, head: Header) -> DetectedObjectMsg:
    """A perceived object, all in `head.frame_id`."""
    return DetectedObjectMsg(
        id=detected.identifier,
        pose=pose_to_msg(detected.T_world_object),
        size=vector_to_msg(detected.extents),
        cloud=cloud_to_msg(detected.cloud, head),
        table_height=float(detected.table_height),
        view_point=point_to_msg(detected.view_point),
    )


def detection_from_msg(message: DetectedObjectMsg) -> DetectedObject:
    """A perceived object. Raises SceneError for its cloud, ExecutionError for its pose."""
    extents = vector_from_msg(message.size)
    if not (np.isfinite(extents).all() and (extents > 0.0).all()):
        raise SceneError(f"the object's size {extents.tolist()} m is not positive")
    view_point = vector_from_msg(message.view_point)
    if not (np.isfinite(view_point).all() and np.isfinite(message.table_height)):
        raise SceneError("the object's table height or view point is not finite")
    return DetectedObject(
        message.id,
        cloud_from_msg(message.cloud),
        pose_from_msg(message.pose),
        extents,
        message.table_height,
        view_point,
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
        pregrasp=np.array([_joints(m.pregrasp, m.joint_names, hand) for m in messages]),
        grasp=np.array([_joints(m.grasp, m.joint_names, hand) for m in messages]),
        squeeze=np.array([_joints(m.squeeze, m.joint_names, hand) for m in messages]),
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


def joint_state_to_msg(observation: Observation, hand: HandModel, seconds: float) -> JointState:
    """Joints of world 0."""
    return JointState(
        header=header(seconds, ""),
        name=list(hand.joint_names),
        position=doubles(observation.joint_position[0]),
        velocity=doubles(observation.joint_velocity[0]),
        effort=doubles(observation.joint_effort[0]),
    )


def observation_from_msgs(
    joints: JointState, palm: PoseStamped, forces: FingerForces | None, hand: HandModel
) -> Observation:
    """What the executor steps on. Raises ExecutionError for missing joints or a bad pose.

    Velocity and effort may be absent (zero then), and so may forces (NaN then).
    """
    missing = set(hand.joint_names) - set(joints.name)
    if missing or len(joints.position) != len(joints.name):
        raise ExecutionError(f"the joint state lacks {sorted(missing) or 'positions'}")
    index = [list(joints.name).index(name) for name in hand.joint_names]

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
    """Contacts of the hand."""
    return [
        Contact(
            c.hand_link, c.other, vector_from_msg(c.position), vector_from_msg(c.normal), c.force
        )
        for c in message.contacts
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
