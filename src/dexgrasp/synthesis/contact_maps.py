"""Contact maps of grasps: where, on which part and facing which way hand and object touch."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import open3d as o3d
from scipy.spatial import KDTree

from dexgrasp.datasets.npyfile import read_npz
from dexgrasp.errors import GraspError
from dexgrasp.evaluation import metrics
from dexgrasp.evaluation.plausibility import CONTACT_THRESHOLD
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel
from dexgrasp.objects.rays import scene_of
from dexgrasp.objects.sdf import exact_signed_distance
from dexgrasp.types import Array

HAND_POINTS = 6000  # of the hand's surface, as `evaluation.reach` takes them
CHUNK = 32  # grasps computed at once, which bounds the memory
FIRM = 0.5  # least strength of a contact that is a target: half of the threshold away
NORMAL_LENGTH = 0.1  # by which the length of a unit vector in a file may be off
PALM = "palm"
TEXTS = ("parts", "fingers", "links")  # the fields that hold names


@dataclass(frozen=True, eq=False)
class ContactMap:
    """k contacts, each a place of the object's surface and the place of a hand's that touches it.

    points: (k, 3) on the object, in its frame [m].  normals: (k, 3) unit, out of the object; NaN
    for any direction.  parts: (k,) names of the object's parts, "" for none.
    fingers: (k,) names of fingers or `palm`, "" for any.  links: (k,) names of the hand's links.
    hand_points [m], hand_normals: (k, 3) in the frames of the links, NaN if unknown.
    strength: (k,) in (0, 1], 1 where the surfaces meet.  grasp: (k,) index of the grasp.
    """

    points: Array
    normals: Array
    parts: Array
    fingers: Array
    links: Array
    hand_points: Array
    hand_normals: Array
    strength: Array
    grasp: Array

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: Array) -> ContactMap:
        """Those at `rows` (indices or a mask), e.g. `map.grasp == 0`."""
        return ContactMap(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def moved(self, T: Array) -> ContactMap:
        """The map in another frame of the object: T (4, 4) maps from this one into that."""
        points = transform_points(T, self.points)
        return replace(self, points=points, normals=self.normals @ T[:3, :3].T)

    @cached_property
    def finger_names(self) -> tuple[str, ...]:
        """The fingers that touch firmly; none if the map does not say which."""
        named = set(self.fingers[self.strength >= FIRM].tolist())
        return tuple(sorted(named - {"", PALM}))

    @cached_property
    def _targets(self) -> dict[str, tuple[KDTree, Array]]:
        """Points and normals of the firm contacts of each finger; under "" those of all."""
        tip = (self.strength >= FIRM) & (self.fingers != PALM)
        rows = {"": tip} | {f: tip & np.isin(self.fingers, [f, ""]) for f in self.finger_names}
        return {f: (KDTree(self.points[own]), self.normals[own]) for f, own in rows.items()}

    def near(
        self, points: Array, normals: Array, radius: float, angle: float, finger: str = ""
    ) -> Array:
        """(n,) bool: surface points (n, 3) within `radius` [m] of a firm contact of the finger.

        Of those contacts one has a normal within `angle` [rad] of the point's (n, 3), or none.
        finger: "" for any. A map that names fingers has no contacts of the others.
        """
        if finger not in self._targets and self.finger_names:
            return np.zeros(len(points), dtype=bool)
        tree, facing = self._targets.get(finger, self._targets[""])
        least = np.cos(angle)
        result = np.zeros(len(points), dtype=bool)
        for i, rows in enumerate(tree.query_ball_point(points, radius)):
            cosine = facing[rows] @ normals[i]
            result[i] = bool((np.isnan(cosine) | (cosine >= least)).any())
        return result


def contact_map_of(
    hand: HandModel,
    model: ObjectModel,
    T_object_palm: Array,
    joints: Array,
    threshold: float = CONTACT_THRESHOLD,
) -> ContactMap:
    """The contacts of n grasps: all of the hand's surface samples that touch and face the object.

    T_object_palm: (n, 4, 4).  joints: (n, J) [rad].  threshold: gap [m] below which surfaces
    touch; the strength falls linearly to 0 there (`metrics.contact_map`, soft).
    """
    starts = range(0, max(len(joints), 1), CHUNK)
    chunks = [
        _contacts(hand, model, T_object_palm[k : k + CHUNK], joints[k : k + CHUNK], threshold, k)
        for k in starts
    ]
    names = [f.name for f in fields(ContactMap)]
    return ContactMap(**{n: np.concatenate([getattr(c, n) for c in chunks]) for n in names})


def _contacts(
    hand: HandModel, model: ObjectModel, palms: Array, joints: Array, threshold: float, first: int
) -> ContactMap:
    points, normals, links = hand.surface_points(HAND_POINTS)
    poses = palms[:, None] @ hand.forward(joints.reshape(-1, hand.joint_count))
    placed = transform_points(poses[:, links], points[:, None])[:, :, 0]
    near = model.sdf.query(placed)[0] < threshold + model.sdf.spacing
    grasp, row = np.nonzero(near)
    distance = exact_signed_distance(model.mesh, placed[grasp, row])
    surface, outward = _nearest(model, placed[grasp, row])
    facing = (poses[grasp, links[row], :3, :3] @ normals[row][..., None])[..., 0]
    kept = (distance < threshold) & ((facing * outward).sum(axis=1) < 0.0)
    grasp, row, surface = grasp[kept], row[kept], surface[kept]
    parts = np.array([*model.part_names, ""])
    return ContactMap(
        points=surface,
        normals=outward[kept],
        parts=parts[model.label_points(surface) if len(surface) else np.zeros(0, dtype=int)],
        fingers=_hand_parts(hand)[links[row]],
        links=np.array(hand.link_names)[links[row]],
        hand_points=points[row],
        hand_normals=normals[row],
        strength=metrics.contact_map(distance[kept], threshold, soft=True),
        grasp=first + grasp,
    )


def _nearest(model: ObjectModel, points: Array) -> tuple[Array, Array]:
    """The mesh's points (n, 3) nearest to given ones [m], and outward normals there."""
    query = o3d.core.Tensor.from_numpy(points.astype(np.float32).reshape(-1, 3))
    found = scene_of(model.mesh).compute_closest_points(query)
    return found["points"].numpy().astype(float), found["primitive_normals"].numpy().astype(float)


def _hand_parts(hand: HandModel) -> Array:
    """(L,) the finger whose joints move each link, `palm` for links that none moves."""
    moved = hand.kinematics.moves @ hand.finger_joint_mask.T
    names = np.array([*hand.finger_names, PALM])
    return names[np.where(moved.any(axis=1), moved.argmax(axis=1), -1)]


def write_contact_map(contacts: ContactMap, path: Path) -> None:
    """Write an `.npz` without pickles, a member per field of `ContactMap`."""
    np.savez_compressed(path, **{f.name: getattr(contacts, f.name) for f in fields(contacts)})


def read_contact_map(path: Path) -> ContactMap:
    """Read what `write_contact_map` writes, or a target of `points` and any of the other fields.

    Raises GraspError for a file that is damaged, pickled, empty or has other shapes.
    """
    given = read_npz(path)
    unknown = given.keys() - {f.name for f in fields(ContactMap)}
    if unknown or "points" not in given:
        what = f"an unknown member {min(unknown)!r}" if unknown else "no member 'points'"
        allowed = ", ".join(f.name for f in fields(ContactMap))
        raise GraspError(f"{path} has {what}; a contact map has points and may have {allowed}")
    count = len(np.atleast_1d(given["points"]))
    names = np.full(count, "")
    vectors = np.full((count, 3), np.nan)
    contacts = ContactMap(
        points=_floats(given["points"], (count, 3), "points", path),
        normals=_floats(given.get("normals", vectors), (count, 3), "normals", path),
        hand_points=_floats(given.get("hand_points", vectors), (count, 3), "hand_points", path),
        hand_normals=_floats(given.get("hand_normals", vectors), (count, 3), "hand_normals", path),
        strength=_floats(given.get("strength", np.ones(count)), (count,), "strength", path),
        grasp=_floats(given.get("grasp", np.zeros(count)), (count,), "grasp", path).astype(int),
        **{key: _names(given.get(key, names), count, key, path) for key in TEXTS},
    )
    _check(contacts, path)
    return contacts


def _floats(values: Any, shape: tuple[int, ...], name: str, path: Path) -> Array:
    values = np.asarray(values)
    if values.shape != shape or values.dtype.kind not in "fiu":
        raise GraspError(
            f"{path}: {name} has shape {values.shape} of {values.dtype}; expected numbers {shape}"
        )
    return values.astype(float)


def _names(values: Any, count: int, name: str, path: Path) -> Array:
    values = np.asarray(values)
    if values.shape != (count,) or values.dtype.kind != "U":
        raise GraspError(
            f"{path}: {name} has shape {values.shape} of {values.dtype}; expected {count} texts"
        )
    return values


def _check(contacts: ContactMap, path: Path) -> None:
    """Raises GraspError for a map that can be no target."""
    if not (np.isfinite(contacts.points).all() and np.isfinite(contacts.strength).all()):
        raise GraspError(f"{path} holds contacts whose points or strengths are not finite")
    length = np.linalg.norm(contacts.normals, axis=1)
    if (np.abs(length - 1.0) > NORMAL_LENGTH).any():  # NaN is no direction, and allowed
        raise GraspError(f"{path} holds normals that are not of unit length")
    if not ((contacts.strength >= FIRM) & (contacts.fingers != PALM)).any():
        raise GraspError(
            f"{path} holds no contact of a finger with a strength of {FIRM} or more, among "
            f"{len(contacts)}; it cannot be a target"
        )
