"""The data that crosses the boundaries between the parts of the stack.

Units are SI and radians; rotations are 4 x 4 homogeneous matrices named
`T_target_source` (they map source coordinates into target). `N` is the number of
worlds, `J` the number of joints of the hand in its canonical order, `F` its number of
fingers in the order of the hand's YAML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from dexgrasp.errors import GraspError

if TYPE_CHECKING:
    from dexgrasp.objects import ObjectModel

Array = np.ndarray


@dataclass(frozen=True)
class CameraIntrinsics:
    """Pinhole camera without distortion. Focal lengths and centre in pixels."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def from_fovy(cls, width: int, height: int, fovy: float) -> CameraIntrinsics:
        """Camera with square pixels from a vertical field of view `fovy` [rad]."""
        focal = 0.5 * height / np.tan(0.5 * fovy)
        return cls(width, height, focal, focal, 0.5 * (width - 1), 0.5 * (height - 1))


@dataclass(frozen=True)
class DepthFrame:
    """One depth image with all that is needed to place it in the world.

    depth: (h, w) float32 [m], along the optical axis; 0 or NaN where invalid.
    T_world_camera: (4, 4), optical frame (z forward, x right, y down).
    time: [s].
    """

    depth: Array
    intrinsics: CameraIntrinsics
    T_world_camera: Array
    time: float = 0.0


@dataclass(frozen=True)
class DetectedObject:
    """An object as perceived from one view.

    cloud: (n, 3) visible points in the world [m].
    T_world_object: (4, 4); origin at the centre of the oriented box, z up.
    extents: (3,) full edge lengths of that box [m].
    table_height: height of the supporting plane in the world [m].
    view_point: (3,) camera position in the world [m]: what lies behind the cloud is unseen.
    """

    identifier: int
    cloud: Array
    T_world_object: Array
    extents: Array
    table_height: float
    view_point: Array


@dataclass(frozen=True)
class GraspSet:
    """A batch of n grasps of one hand in one frame, best first.

    hand: name of the hand, e.g. `allegro_right`.
    frame: name of the frame of all poses, e.g. `world` or an object's name.
    T_frame_palm: (n, 4, 4) palm pose at the grasp.
    approach: (n, 3) unit vector in `frame` along which the palm moves to the grasp.
    pregrasp, grasp, squeeze: (n, J) [rad]; open and clear of the object, touching it,
        and the position targets whose stiffness produces the holding forces.
    contact_points: (n, F, 3) [m] in `frame`; NaN where a finger does not touch.
    contact_normals: (n, F, 3) unit, into the object; NaN likewise.
    score: (n,) in [0, 1], higher is better.
    kind: n names of the grasp type (`pinch`, `tripod`, `power`, `rim` ...).
    source: the synthesizer and its version.
    """

    hand: str
    frame: str
    T_frame_palm: Array
    approach: Array
    pregrasp: Array
    grasp: Array
    squeeze: Array
    contact_points: Array
    contact_normals: Array
    score: Array
    kind: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, index: object) -> GraspSet:
        """The grasps at `index` (an int, a slice, a mask or indices), still as a set."""
        rows = np.atleast_1d(np.arange(len(self))[index])  # type: ignore[index]
        return GraspSet(
            self.hand,
            self.frame,
            self.T_frame_palm[rows],
            self.approach[rows],
            self.pregrasp[rows],
            self.grasp[rows],
            self.squeeze[rows],
            self.contact_points[rows],
            self.contact_normals[rows],
            self.score[rows],
            tuple(self.kind[i] for i in rows),
            self.source,
        )

    def validate(self, joint_count: int) -> None:
        """Raise GraspError unless every array has its shape, is finite and is a rotation."""
        n = len(self.score)
        shapes = {
            "T_frame_palm": (n, 4, 4),
            "approach": (n, 3),
            "pregrasp": (n, joint_count),
            "grasp": (n, joint_count),
            "squeeze": (n, joint_count),
            "score": (n,),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value.shape != shape:
                raise GraspError(
                    f"{name} of a {self.hand} grasp has shape {value.shape}; expected {shape}"
                )
            bad = np.flatnonzero(~np.isfinite(value.reshape(n, -1)).all(axis=1))
            if len(bad):
                raise GraspError(f"{name} of grasp {bad[0]} is not finite")
        rotation = self.T_frame_palm[:, :3, :3]
        error = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).reshape(n, -1)
        if n and (error.max() > 1e-3 or np.linalg.det(rotation).min() < 0.0):
            raise GraspError("the palm pose of a grasp is not a rigid transform")


def concatenated(sets: Sequence[GraspSet]) -> GraspSet:
    """Several sets of one hand in one frame as one. Raises GraspError for others, or for none."""
    if len({(s.hand, s.frame) for s in sets}) != 1:
        raise GraspError("only sets of one hand in one frame can be joined")
    arrays = (
        "T_frame_palm", "approach", "pregrasp", "grasp", "squeeze",
        "contact_points", "contact_normals", "score",
    )  # fmt: skip
    joined = {name: np.concatenate([getattr(s, name) for s in sets]) for name in arrays}
    return replace(sets[0], kind=tuple(k for s in sets for k in s.kind), **joined)


@dataclass
class Observation:
    """What a robot could know in N worlds at one instant.

    time: (N,) [s].  joint_position [rad], joint_velocity [rad/s], joint_effort [Nm]: (N, J).
    T_world_palm: (N, 4, 4).
    finger_force: (N, F) normal force on each finger's distal link [N]; NaN when not sensed.
    """

    time: Array
    joint_position: Array
    joint_velocity: Array
    joint_effort: Array
    T_world_palm: Array
    finger_force: Array


@dataclass
class Command:
    """Targets for N worlds: joint positions (N, J) [rad] and palm poses (N, 4, 4)."""

    joint_position: Array
    T_world_palm: Array


@dataclass
class GroundTruth:
    """What only a simulator knows, in N worlds with M objects.

    T_world_object: (N, M, 4, 4), the mesh frame.  object_velocity: (N, M, 3) of the
    centre of mass [m/s].  object_com: (N, M, 3) [m].
    finger_object_force: (N, F) normal force between distal links and objects [N].
    """

    time: Array
    T_world_object: Array
    object_com: Array
    object_velocity: Array
    finger_object_force: Array


@dataclass(frozen=True)
class Contact:
    """One contact of the hand: the two bodies, point [m] and normal in the world, force [N].

    push: (3,) the whole force on the other body, friction included where the engine tells it [N].
    """

    hand_link: str
    other: str
    position: Array
    normal: Array
    force: float
    push: Array


@dataclass(frozen=True)
class ObjectPlacement:
    """An object and its mesh frame's pose in the world."""

    model: ObjectModel
    T_world_object: Array = field(default_factory=lambda: np.eye(4))
