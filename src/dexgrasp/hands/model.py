"""A robot hand: batched kinematics, limits, contact points, shapes and joint orders."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import trimesh

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import ConfigError, GraspError, UnknownNameError
from dexgrasp.hands.config import GraspTypeConfig, HandConfig, OrderConfig
from dexgrasp.hands.contacts import ContactPoints, hand_contacts
from dexgrasp.hands.kinematics import KinematicArrays
from dexgrasp.hands.primitives import Primitive, sample_union
from dexgrasp.hands.spheres import POSES, cover, self_collision_pairs
from dexgrasp.hands.urdf import Link, expand, read_tree
from dexgrasp.types import Array


def hand_names() -> list[str]:
    """Names of the hands in `config/hands`."""
    return sorted(path.stem for path in resource_path("config", "hands").glob("*.yaml"))


class HandModel:
    """Kinematics and figures of one hand; J joints in the canonical order, F fingers, L links.

    joint_lower, joint_upper [rad], effort_limit [Nm], velocity_limit [rad/s], stiffness
    [Nm/rad], damping [Nm s/rad], armature [kg m2], joint_friction [Nm]: (J,).
    links: tuple of `Link`, palm first, parents before children.
    primitives: tuple of `Primitive`, the collision geometry.
    kinematics: the same tree as plain arrays, and the batched mathematics.
    distal_links: (F,) link index of each finger's last link; finger_joint_mask: (F, J) bool.
    tip_offsets [m], pad_directions: (F, 3) in those links.
    T_palm_grasp: (4, 4) grasp frame, z out of the palm along the approach, x along the fingers.
    postures: name -> (J,) [rad].  grasp_types: how this hand holds, preferred first.
    collision_exclusions: pairs of links that overlap by construction.
    fixed_frames: URDF link behind fixed joints -> (link index, T_link_frame (4, 4)).
    urdf_text: the expanded URDF, what `robot_description` carries.
    """

    def __init__(self, name: str, config: HandConfig, urdf_path: Path) -> None:
        self.name = name
        self.config = config
        self.joint_names = config.joint_order
        self.joint_count = len(self.joint_names)
        self.urdf_text = expand(urdf_path)
        tree = read_tree(self.urdf_text, config.palm_link, self.joint_names)
        self.links: tuple[Link, ...] = tuple(tree.links)
        self.link_names = tuple(link.name for link in self.links)
        self.primitives: tuple[Primitive, ...] = tuple(tree.primitives)
        self.fixed_frames = tree.fixed_frames
        self.kinematics = KinematicArrays.build(self.links)
        limits = np.array([tree.limits[joint] for joint in self.joint_names])
        self.joint_lower, self.joint_upper, self.effort_limit, self.velocity_limit = limits.T.copy()
        servo, ones = config.actuators, np.ones(self.joint_count)
        self.stiffness, self.damping = servo.stiffness * ones, servo.damping * ones
        self.armature, self.joint_friction = servo.armature * ones, servo.friction * ones
        self.collision_exclusions = tuple(
            (self.link_index(a), self.link_index(b)) for a, b in config.collision_exclusions
        )
        self._read_fingers()
        self.postures = self._checked_postures()
        self.grasp_types: tuple[GraspTypeConfig, ...] = config.grasp_types

    @classmethod
    def load(cls, name: str) -> HandModel:
        """A hand of `config/hands`. Raises UnknownNameError, ConfigError."""
        if name not in hand_names():
            raise UnknownNameError("hand", name, hand_names())
        return cls.from_file(resource_path("config", "hands", f"{name}.yaml"))

    @classmethod
    def from_file(cls, path: Path) -> HandModel:
        """A hand of a YAML anywhere, named like the file. Raises ConfigError."""
        path = Path(path)
        config = load_config(path, HandConfig)
        beside = path.parent / config.urdf
        urdf = beside if beside.exists() else resource_path("urdf", config.urdf)
        return cls(path.stem, config, urdf)

    def _read_fingers(self) -> None:
        fingers = self.config.fingers
        self.finger_names = tuple(finger.name for finger in fingers)
        self.distal_links = np.array([self.link_index(f.distal_link) for f in fingers])
        self.finger_joint_mask = self.kinematics.moves[self.distal_links].copy()
        self.tip_offsets = np.array([f.tip for f in fingers])
        self.pad_directions = np.array([f.pad for f in fingers])
        frame = self.config.grasp_frame
        approach, along = np.array(frame.approach), np.array(frame.fingers)
        self.T_palm_grasp = np.eye(4)
        self.T_palm_grasp[:3, :3] = np.stack([along, np.cross(approach, along), approach], axis=1)
        self.T_palm_grasp[:3, 3] = frame.origin
        if not np.allclose(self.T_palm_grasp[:3, :3] @ self.T_palm_grasp[:3, :3].T, np.eye(3)):
            raise ConfigError(f"hand {self.name}: approach and fingers are not unit and orthogonal")

    def _checked_postures(self) -> dict[str, Array]:
        postures = {name: np.array(values) for name, values in self.config.postures.items()}
        for name, posture in postures.items():
            beyond = np.flatnonzero(posture != self.clip(posture))
            if len(beyond):
                raise ConfigError(
                    f"hand {self.name}: posture {name!r} moves {self.joint_names[beyond[0]]} to "
                    f"{posture[beyond[0]]}, beyond its limits"
                )
        return postures

    def link_index(self, name: str) -> int:
        """Index of a link. Raises UnknownNameError."""
        if name not in self.link_names:
            raise UnknownNameError("link", name, self.link_names)
        return self.link_names.index(name)

    def link_primitives(self, link: int) -> list[Primitive]:
        """Collision shapes of one link."""
        return [p for p in self.primitives if p.link == link]

    def _joints(self, q: Array) -> Array:
        q = np.asarray(q, dtype=float)
        if q.ndim not in (1, 2) or q.shape[-1] != self.joint_count:
            raise GraspError(
                f"joint vectors have shape {q.shape}; {self.name} has {self.joint_count} joints"
            )
        if not np.isfinite(q).all():
            raise GraspError(f"a joint vector of {self.name} is not finite")
        return q.reshape(-1, self.joint_count)

    def clip(self, q: Array) -> Array:
        """q (..., J) within the joint limits [rad]."""
        return np.clip(q, self.joint_lower, self.joint_upper)

    def forward(self, q: Array) -> Array:
        """T_palm_link (n, L, 4, 4) of joint vectors q (n, J) [rad]. Raises GraspError."""
        return self.kinematics.forward(self._joints(q))

    def fingertips(self, q: Array) -> Array:
        """Tip points (n, F, 3) in the palm frame [m]."""
        return _placed(self.forward(q), self.distal_links, self.tip_offsets)

    def sphere_positions(self, q: Array) -> Array:
        """Centres (n, S, 3) of the covering spheres in the palm frame [m]."""
        return _placed(self.forward(q), self.sphere_link, self.sphere_centers)

    def jacobian(self, q: Array, links: Array, points: Array) -> Array:
        """d point / d q, (n, k, 3, J), of points (n, k, 3) in the palm frame on `links` (k,)."""
        return self.kinematics.jacobian(self.forward(q), np.asarray(links), points)

    def angular_jacobian(self, q: Array, links: Array) -> Array:
        """Angular velocity of `links` (k,) in the palm per joint velocity, (n, k, 3, J)."""
        return self.kinematics.angular_jacobian(self.forward(q), np.asarray(links))

    def contact_jacobians(self, q: Array, points: Array) -> Array:
        """`jacobian` of one point on each finger's distal link, points (n, F, 3) in the palm."""
        return self.jacobian(q, self.distal_links, points)

    def to_order(self, q: Array, program: str) -> Array:
        """q (..., J) in another program's joint order, sign and zero. Raises UnknownNameError."""
        order, index = self._order(program)
        return np.asarray(q)[..., index] * np.asarray(order.sign) + np.asarray(order.offset)

    def from_order(self, q: Array, program: str) -> Array:
        """The canonical joint vector (..., J) of another program's q. Raises UnknownNameError."""
        order, index = self._order(program)
        ours = np.empty(np.shape(q))
        ours[..., index] = (np.asarray(q) - np.asarray(order.offset)) / np.asarray(order.sign)
        return ours

    def order_names(self, program: str) -> tuple[str, ...]:
        """Another program's joint names in its order. Raises UnknownNameError."""
        order, _ = self._order(program)
        return order.names or order.joints

    def _order(self, program: str) -> tuple[OrderConfig, Array]:
        if program not in self.config.orders:
            raise UnknownNameError("joint order", program, self.config.orders)
        order = self.config.orders[program]
        return order, np.array([self.joint_names.index(name) for name in order.joints])

    def mesh(self, q: Array) -> trimesh.Trimesh:
        """The posed hand in the palm frame, for pictures; one joint vector (J,)."""
        poses = self.forward(q)[0]
        parts = []
        for primitive, mesh in zip(self.primitives, self._meshes, strict=True):
            part = mesh.copy()
            part.apply_transform(poses[primitive.link])
            parts.append(part)
        return trimesh.util.concatenate(parts)  # type: ignore[return-value]

    @cached_property
    def _meshes(self) -> list[trimesh.Trimesh]:
        return [primitive.mesh() for primitive in self.primitives]

    def surface_points(self, count: int, seed: int = 0) -> tuple[Array, Array, Array]:
        """About `count` points (n, 3) and normals, uniform by area, in the frames of links (n,).

        Points of a shape that lie inside another shape of its link are left out.
        """
        rng = np.random.default_rng(seed)
        area = sum(p.area for p in self.primitives)
        points, normals, links = [], [], []
        for link in range(len(self.links)):
            shapes = self.link_primitives(link)
            if shapes:
                share = round(count * sum(p.area for p in shapes) / area)
                p, n = sample_union(shapes, share, rng)
                points.append(p)
                normals.append(n)
                links.append(np.full(len(p), link))
        return np.concatenate(points), np.concatenate(normals), np.concatenate(links)

    @cached_property
    def contacts(self) -> ContactPoints:
        """Where the hand may touch: tips, the inner sides of the other links, and the palm."""
        extended = self.forward(self.clip(np.zeros(self.joint_count)))[0]
        return hand_contacts(
            self.links,
            self.primitives,
            extended,
            self.distal_links,
            self.pad_directions,
            self.tip_offsets,
            self.T_palm_grasp[:3, 2],
        )

    @cached_property
    def kernel_spheres(self) -> tuple[Array, Array, Array]:
        """Covering spheres for compiled code: centres, radii, links."""
        covers = [cover(self.link_primitives(k)) for k in range(len(self.links))]
        return (
            np.concatenate([centers for centers, _ in covers]),
            np.concatenate([radii for _, radii in covers]),
            np.repeat(np.arange(len(self.links)), [len(radii) for _, radii in covers]),
        )

    @property
    def sphere_centers(self) -> Array:
        """(S, 3) centres of spheres that cover the hand, in the frames of their links [m]."""
        return self.kernel_spheres[0]

    @property
    def sphere_radii(self) -> Array:
        """(S,) [m]."""
        return self.kernel_spheres[1]

    @property
    def sphere_link(self) -> Array:
        """(S,) link of each sphere."""
        return self.kernel_spheres[2]

    @cached_property
    def self_collision_pairs(self) -> Array:
        """(P, 2) spheres that must not overlap: of links not joined or excluded, within reach."""
        count = len(self.links)
        allowed = ~np.eye(count, dtype=bool)
        joined = [(k, link.parent) for k, link in enumerate(self.links) if link.parent >= 0]
        for a, b in (*self.collision_exclusions, *joined):
            allowed[a, b] = allowed[b, a] = False
        rng = np.random.default_rng(0)
        q = rng.uniform(self.joint_lower, self.joint_upper, (POSES, self.joint_count))
        opened = self.forward(self.postures["open"])
        return self_collision_pairs(*self.kernel_spheres, allowed, self.forward(q), opened)

    def self_gap(self, q: Array) -> Array:
        """(n,) smallest gap between links that can meet [m], negative where they collide.

        Conservative by the few millimetres that the covering spheres stand out.
        """
        centers = self.sphere_positions(q)
        first, second = self.self_collision_pairs.T
        apart = np.linalg.norm(centers[:, first] - centers[:, second], axis=2)
        gap = apart - self.sphere_radii[first] - self.sphere_radii[second]
        return gap.min(axis=1, initial=np.inf)

    @cached_property
    def kernel_kinematics(self) -> tuple[Array, ...]:
        """Arrays of the chain for compiled code: parent, rotation, offset, axis, joint, order."""
        k = self.kinematics
        return k.parent, k.rotation, k.position, k.axis, k.joint, np.arange(len(k.parent))

    @cached_property
    def kernel_contacts(self) -> tuple[Array, ...]:
        """Fingertip contacts for compiled code: points, normals, links, fingers."""
        c = self.contacts
        return c.point[c.tip], c.normal[c.tip], c.link[c.tip], c.finger[c.tip]


def _placed(poses: Array, links: Array, points: Array) -> Array:
    """(n, k, 3) points (k, 3) of `links` (k,) in the palm, from poses (n, L, 4, 4)."""
    own = poses[:, links]
    return (own[..., :3, :3] @ points[..., None])[..., 0] + own[..., :3, 3]
