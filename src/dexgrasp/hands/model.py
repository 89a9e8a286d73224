"""A robot hand: batched kinematics, limits, contact points, shapes and joint orders."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import trimesh

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import ConfigError, GraspError, UnknownNameError
from dexgrasp.hands.config import GraspTypeConfig, HandConfig
from dexgrasp.hands.shapes import pad_points, primitive_mesh, sphere_cover
from dexgrasp.hands.urdf import Link, Primitive, read_urdf
from dexgrasp.types import Array

PAD_POINTS = 20
SELF_COLLISION_MARGIN = 0.001  # [m] by which spheres may overlap in the named postures


def hand_names() -> list[str]:
    """Names of the hands in `config/hands`."""
    return sorted(path.stem for path in resource_path("config", "hands").glob("*.yaml"))


class HandModel:
    """Kinematics and figures of one hand; J joints in the canonical order, F fingers, L links.

    joint_lower, joint_upper [rad], effort_limit [Nm], velocity_limit [rad/s], stiffness
    [Nm/rad], damping [Nm s/rad], armature [kg m2], joint_friction [Nm]: (J,).
    links: tuple of `Link`, palm first, parents before children.
    primitives: tuple of `Primitive`, the collision geometry.
    distal_links: (F,) link index of each finger's last link; finger_joint_mask: (F, J) bool.
    T_palm_grasp: (4, 4) grasp frame, z out of the palm along the approach, x along the fingers.
    postures: name -> (J,) [rad].  grasp_types: how this hand holds, preferred first.
    contact_points, contact_normals: (C, 3) on the fingertips' pads in `contact_link` (C,);
        contact_finger: (C,).
    sphere_centers (S, 3), sphere_radii (S,), sphere_link (S,): spheres that fill the hand.
    self_collision_pairs: (P, 2) sphere indices that must not overlap.
    """

    def __init__(self, name: str, config: HandConfig, urdf_path: Path) -> None:
        self.name = name
        self.config = config
        self._read(urdf_path)
        self._read_fingers()
        self._read_postures()
        self._cover()
        self._sample_pads()

    @classmethod
    def load(cls, name: str) -> HandModel:
        """A hand of `config/hands`. Raises UnknownNameError, ConfigError."""
        if name not in hand_names():
            raise UnknownNameError("hand", name, hand_names())
        path = resource_path("config", "hands", f"{name}.yaml")
        config = load_config(path, HandConfig)
        return cls(name, config, resource_path("urdf", config.urdf))

    def _read(self, path: Path) -> None:
        config = self.config
        urdf = read_urdf(path, config.palm_link, config.joint_order)
        self.urdf_text = urdf.text
        self.links: tuple[Link, ...] = tuple(urdf.links)
        self.primitives: tuple[Primitive, ...] = tuple(urdf.primitives)
        self.link_names = tuple(link.name for link in self.links)
        self.joint_names = config.joint_order
        self.joint_count = len(self.joint_names)
        limits = np.array([urdf.limits[name] for name in self.joint_names])
        if not np.isfinite(limits).all():
            raise ConfigError(f"{path}: a joint limit is missing")
        self.joint_lower, self.joint_upper, self.effort_limit, self.velocity_limit = limits.T.copy()
        servo, ones = config.actuators, np.ones(self.joint_count)
        self.stiffness, self.damping = servo.stiffness * ones, servo.damping * ones
        self.armature, self.joint_friction = servo.armature * ones, servo.friction * ones
        self.ancestors = np.zeros((len(self.links), self.joint_count), dtype=bool)
        for index, link in enumerate(self.links):
            if link.parent >= 0:
                self.ancestors[index] = self.ancestors[link.parent]
            if link.joint >= 0:
                self.ancestors[index, link.joint] = True
        self.collision_exclusions = tuple(
            (self.link_index(a), self.link_index(b)) for a, b in config.collision_exclusions
        )

    def link_index(self, name: str) -> int:
        """Index of a link. Raises UnknownNameError."""
        if name not in self.link_names:
            raise UnknownNameError("link", name, self.link_names)
        return self.link_names.index(name)

    def _read_fingers(self) -> None:
        fingers = self.config.fingers
        self.finger_names = tuple(finger.name for finger in fingers)
        self.distal_links = np.array([self.link_index(f.distal_link) for f in fingers])
        self.finger_joint_mask = self.ancestors[self.distal_links].copy()
        self.tip_offsets = np.array([f.tip for f in fingers])
        frame = self.config.grasp_frame
        approach, along = np.array(frame.approach), np.array(frame.fingers)
        self.T_palm_grasp = np.eye(4)
        self.T_palm_grasp[:3, :3] = np.stack([along, np.cross(approach, along), approach], axis=1)
        self.T_palm_grasp[:3, 3] = frame.origin
        if not np.allclose(self.T_palm_grasp[:3, :3] @ self.T_palm_grasp[:3, :3].T, np.eye(3)):
            raise ConfigError(f"hand {self.name}: approach and fingers are not unit and orthogonal")

    def _read_postures(self) -> None:
        self.postures: dict[str, Array] = {}
        for name, values in self.config.postures.items():
            posture = self._joints(np.array(values), f"posture {name!r}")[0]
            if (posture != self.clip(posture)).any():
                raise ConfigError(f"hand {self.name}: posture {name!r} is beyond joint limits")
            self.postures[name] = posture
        self.grasp_types: tuple[GraspTypeConfig, ...] = self.config.grasp_types
        for kind in self.grasp_types:
            if kind.posture not in self.postures:
                raise UnknownNameError("posture", kind.posture, self.postures)
            for finger in kind.fingers:
                if finger not in self.finger_names:
                    raise UnknownNameError("finger", finger, self.finger_names)

    def _cover(self) -> None:
        covers = [sphere_cover(p) for p in self.primitives]
        self.sphere_centers = np.concatenate([c for c, _ in covers])
        self.sphere_radii = np.concatenate([r for _, r in covers])
        self.sphere_link = np.concatenate(
            [np.full(len(r), p.link) for p, (_, r) in zip(self.primitives, covers, strict=True)]
        )
        own = self.ancestors[self.sphere_link]  # joints that move each sphere
        excluded = np.zeros((len(self.links), len(self.links)), dtype=bool)
        for a, b in self.collision_exclusions:
            excluded[a, b] = excluded[b, a] = True
        centers = self.sphere_positions(np.array(list(self.postures.values())))
        gap = np.linalg.norm(centers[:, :, None] - centers[:, None], axis=3).min(axis=0)
        gap -= self.sphere_radii[:, None] + self.sphere_radii[None]
        first, second = np.triu_indices(len(self.sphere_radii), k=1)
        apart = (own[first] & own[second]).sum(axis=1) == 0
        apart &= ~excluded[self.sphere_link[first], self.sphere_link[second]]
        apart &= gap[first, second] > -SELF_COLLISION_MARGIN
        apart &= np.minimum(own[first].sum(axis=1), own[second].sum(axis=1)) != 1
        self.self_collision_pairs = np.stack([first[apart], second[apart]], axis=1)

    def _sample_pads(self) -> None:
        points, normals, links, owners = [], [], [], []
        for index, finger in enumerate(self.config.fingers):
            link = int(self.distal_links[index])
            round_shapes = [
                p for p in self.primitives if p.link == link and p.kind in ("capsule", "sphere")
            ]
            if not round_shapes:
                raise ConfigError(f"finger {finger.name!r} of {self.name} has no round tip")
            tip = round_shapes[-1]
            outward = self.tip_offsets[index] - tip.T_link_primitive[:3, 3]
            outward = outward / np.linalg.norm(outward)
            p, n = pad_points(tip, np.array(finger.pad), outward, PAD_POINTS)
            points.append(p)
            normals.append(n)
            links += [link] * len(p)
            owners += [index] * len(p)
        self.contact_points, self.contact_normals = np.concatenate(points), np.concatenate(normals)
        self.contact_link, self.contact_finger = np.array(links), np.array(owners)

    def _joints(self, q: Array, what: str = "joint vector") -> Array:
        """(n, J) view of q. Raises GraspError for a wrong count or NaN."""
        q = np.asarray(q, dtype=float)
        if q.shape[-1] != self.joint_count:
            raise GraspError(
                f"{what} has {q.shape[-1]} values; {self.name} has {self.joint_count} joints"
            )
        if not np.isfinite(q).all():
            raise GraspError(f"{what} is not finite")
        return q.reshape(-1, self.joint_count)

    def clip(self, q: Array) -> Array:
        """q (..., J) within the joint limits [rad]."""
        return np.clip(q, self.joint_lower, self.joint_upper)

    def forward(self, q: Array) -> Array:
        """T_palm_link (n, L, 4, 4) of joint vectors q (n, J) [rad]. Raises GraspError."""
        q = self._joints(q)
        poses = np.zeros((len(q), len(self.links), 4, 4))
        poses[:, :, 3, 3] = 1.0
        poses[:, 0] = np.eye(4)
        for index, link in enumerate(self.links[1:], start=1):
            up = poses[:, link.parent]
            base = up @ link.T_parent_link
            poses[:, index] = base
            if link.joint >= 0:
                poses[:, index, :3, :3] = base[:, :3, :3] @ turns(link.axis, q[:, link.joint])
        return poses

    def fingertips(self, q: Array) -> Array:
        """Tip points (n, F, 3) in the palm frame [m]."""
        poses = self.forward(q)[:, self.distal_links]
        return np.einsum("nfij,fj->nfi", poses[..., :3, :3], self.tip_offsets) + poses[..., :3, 3]

    def sphere_positions(self, q: Array) -> Array:
        """Centres (n, S, 3) of the covering spheres in the palm frame [m]."""
        poses = self.forward(q)[:, self.sphere_link]
        return (
            np.einsum("nsij,sj->nsi", poses[..., :3, :3], self.sphere_centers) + poses[..., :3, 3]
        )

    def jacobian(self, q: Array, links: Array, points: Array) -> Array:
        """d point / d q, (n, k, 3, J), of points (n, k, 3) in the palm frame on `links` (k,)."""
        poses = self.forward(q)
        result = np.zeros((*points.shape, self.joint_count))
        for index, link in enumerate(self.links):
            if link.joint < 0:
                continue
            axis = poses[:, index, :3, :3] @ link.axis
            arm = points - poses[:, index, None, :3, 3]
            moved = self.ancestors[links, link.joint]
            column = np.cross(axis[:, None], arm)
            result[..., link.joint] = column * moved[None, :, None]
        return result

    def contact_jacobians(self, q: Array, points: Array) -> Array:
        """`jacobian` of one point on each finger's distal link, points (n, F, 3) in the palm."""
        return self.jacobian(q, self.distal_links, points)

    def to_order(self, q: Array, program: str) -> Array:
        """q (..., J) in another program's joint order, sign and zero."""
        order, index = self._order(program)
        return np.asarray(q)[..., index] * np.asarray(order.sign) + np.asarray(order.offset)

    def from_order(self, q: Array, program: str) -> Array:
        """The canonical joint vector (..., J) of another program's q."""
        order, index = self._order(program)
        ours = np.empty(np.shape(q))
        ours[..., index] = (np.asarray(q) - np.asarray(order.offset)) / np.asarray(order.sign)
        return ours

    def _order(self, program: str):  # noqa: ANN202
        if program not in self.config.orders:
            raise UnknownNameError("joint order", program, self.config.orders)
        order = self.config.orders[program]
        if sorted(order.joints) != sorted(self.joint_names):
            raise ConfigError(f"order {program!r} of {self.name} does not list every joint once")
        return order, np.array([self.joint_names.index(name) for name in order.joints])

    @cached_property
    def _meshes(self) -> list[trimesh.Trimesh]:
        return [primitive_mesh(p) for p in self.primitives]

    def mesh(self, q: Array) -> trimesh.Trimesh:
        """The posed hand in the palm frame, for pictures; one joint vector (J,)."""
        poses = self.forward(np.asarray(q)[None])[0]
        parts = []
        for primitive, mesh in zip(self.primitives, self._meshes, strict=True):
            part = mesh.copy()
            part.apply_transform(poses[primitive.link])
            parts.append(part)
        return trimesh.util.concatenate(parts)

    def surface_points(self, count: int, seed: int = 0) -> tuple[Array, Array, Array]:
        """Points (n, 3) and normals on the primitives by area, in the frames of links (n,)."""
        areas = np.array([m.area for m in self._meshes])
        shares = np.maximum(1, np.round(count * areas / areas.sum()).astype(int))
        points, normals, links = [], [], []
        for primitive, mesh, share in zip(self.primitives, self._meshes, shares, strict=True):
            p, face = trimesh.sample.sample_surface(mesh, int(share), seed=seed)
            points.append(np.asarray(p))
            normals.append(mesh.face_normals[face])
            links.append(np.full(len(p), primitive.link))
        return np.concatenate(points), np.concatenate(normals), np.concatenate(links)

    @cached_property
    def kernel_kinematics(self) -> tuple[Array, ...]:
        """Arrays of the chain for compiled code: parent, rotation, offset, axis, joint, order."""
        return (
            np.array([link.parent for link in self.links]),
            np.array([link.T_parent_link[:3, :3] for link in self.links]),
            np.array([link.T_parent_link[:3, 3] for link in self.links]),
            np.array([link.axis for link in self.links]),
            np.array([link.joint for link in self.links]),
            np.arange(len(self.links)),
        )

    @cached_property
    def kernel_spheres(self) -> tuple[Array, ...]:
        """Spheres for compiled code: centres, radii, links."""
        return self.sphere_centers, self.sphere_radii, self.sphere_link

    @cached_property
    def kernel_contacts(self) -> tuple[Array, ...]:
        """Pad points for compiled code: points, normals, links, fingers."""
        return self.contact_points, self.contact_normals, self.contact_link, self.contact_finger


def turns(axis: Array, angle: Array) -> Array:
    """(n, 3, 3) rotations about a unit axis (3,) by angles (n,) [rad] (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    s, c = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.eye(3) + s * cross + (1.0 - c) * (cross @ cross)
