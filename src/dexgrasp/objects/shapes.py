"""The shapes of which catalogue objects are composed. Each gives a mesh and its convex pieces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal

import numpy as np
import trimesh
from manifold3d import CrossSection, FillRule
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial.transform import Rotation

from dexgrasp.objects.convex2d import convex_pieces, hull2d, rounded
from dexgrasp.objects.labels import Zone
from dexgrasp.types import Array

SECTIONS = 48  # around an axis; a multiple of 4, so that the extents are exact
WEDGES = 16  # convex pieces around a hollow body; divides SECTIONS
ROUND_SIDES = 16  # around a sweep
AXIS = 1e-6  # [m] from the axis within which a profile touches it
SWEEP_GAP = 0.04  # share of a joined piece of a sweep that may be filled without need

Vector = tuple[float, float, float]
Meshes = list[trimesh.Trimesh]


class Shape(BaseModel, ABC):
    """A part of an object, placed by a turn `rpy` (roll, pitch, yaw [rad]) and `xyz` [m].

    part: what it is of the object (body, handle, rim ...).  density: relative to the others.
    zones: slices of it that are other parts, in its frame before it is placed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    part: str = "body"
    density: float = Field(default=1.0, gt=0.0)
    xyz: Vector = (0.0, 0.0, 0.0)
    rpy: Vector = (0.0, 0.0, 0.0)
    zones: tuple[Zone, ...] = ()

    @property
    def pose(self) -> Array:
        """(4, 4) where `rpy` and `xyz` place it."""
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_euler("xyz", self.rpy).as_matrix()
        pose[:3, 3] = self.xyz
        return pose

    def build(self) -> tuple[trimesh.Trimesh, Meshes]:
        """The watertight mesh and the convex meshes that fill it, both placed."""
        mesh, pieces = self._local()
        for item in [mesh, *pieces]:
            item.apply_transform(self.pose)
        return mesh, pieces

    @abstractmethod
    def _local(self) -> tuple[trimesh.Trimesh, Meshes]:
        """Mesh and convex meshes before they are placed."""


class Box(Shape):
    """A box of full edge lengths `size` [m] about its centre; `bevel` [m] cuts its edges."""

    kind: Literal["box"]
    size: Vector
    bevel: float = Field(default=0.0, ge=0.0)

    def _local(self) -> tuple[trimesh.Trimesh, Meshes]:
        half, cut = 0.5 * np.array(self.size), self.bevel
        corners = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3)
        insets = cut * (1.0 - np.eye(3)) if cut else np.zeros((1, 3))
        return _convex(np.concatenate([corners * (half - inset) for inset in insets]))


class Ellipsoid(Shape):
    """An ellipsoid of full axes `size` [m] about its centre."""

    kind: Literal["ellipsoid"]
    size: Vector

    def _local(self) -> tuple[trimesh.Trimesh, Meshes]:
        sphere = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
        return _convex(np.asarray(sphere.vertices) / sphere.extents * np.array(self.size))


class Prism(Shape):
    """A polygon `outline` [m] in the plane z = 0, `height` [m] thick, upwards."""

    kind: Literal["prism"]
    outline: tuple[tuple[float, float], ...] = Field(min_length=3)
    height: float = Field(gt=0.0)
    round: float = Field(default=0.0, ge=0.0)

    def _local(self) -> tuple[trimesh.Trimesh, Meshes]:
        flat = _flat(rounded(_spatial(self.outline), self.round, closed=True))
        pieces = [_extruded(p, self.height) for p in convex_pieces(flat)]
        solid = CrossSection([flat], FillRule.EvenOdd).extrude(self.height).to_mesh()
        mesh = trimesh.Trimesh(solid.vert_properties, solid.tri_verts)
        return mesh, pieces


class Lathe(Shape):
    """A profile of (radius, z) [m] turned about z, from the axis up the outside to the axis.

    A cavity is a profile that goes over the rim and back down inside. `flatten` scales y
    (oval bottles); `round` [m] softens the corners.
    """

    kind: Literal["lathe"]
    profile: tuple[tuple[float, float], ...] = Field(min_length=3)
    round: float = Field(default=0.0, ge=0.0)
    flatten: float = Field(default=1.0, gt=0.0)

    def _local(self) -> tuple[trimesh.Trimesh, Meshes]:
        profile = _flat(rounded(_spatial(self.profile), self.round, closed=False))
        mesh = trimesh.creation.revolve(profile, sections=SECTIONS)
        mesh.merge_vertices()
        trimesh.repair.fix_normals(mesh)
        pieces = [m for p in _half_plane_pieces(profile) for m in _turned(p)]
        for item in [mesh, *pieces]:
            item.apply_scale([1.0, self.flatten, 1.0])
        return mesh, pieces


class Sweep(Shape):
    """A tube along `path`: points (x, y, z, a, b) with half widths a in the plane of the path
    and b along `normal` [m]. A `round` [m] that is large makes a smooth curve.
    """

    kind: Literal["sweep"]
    path: tuple[tuple[float, float, float, float, float], ...] = Field(min_length=2)
    normal: Vector
    round: float = Field(default=0.0, ge=0.0)
    closed: bool = False
    section: Literal["ellipse", "box"] = "ellipse"

    def _local(self) -> tuple[trimesh.Trimesh, Meshes]:
        rings = self._rings()
        mesh = _skin(rings, self.closed)
        count = len(rings) if self.closed else len(rings) - 1
        clouds = [np.vstack([rings[i], rings[(i + 1) % len(rings)]]) for i in range(count)]
        return mesh, [trimesh.convex.convex_hull(c) for c in _merged(clouds)]

    def _rings(self) -> Array:
        """(n, sides, 3) cross-sections along the path."""
        path = rounded(np.array(self.path), self.round, self.closed)
        points = path[:, :3]
        if self.closed:
            tangent = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
        else:
            tangent = np.gradient(points, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        side = np.cross(tangent, self.normal)
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        up = np.cross(side, tangent)
        if self.section == "box":
            u, v = np.array([1.0, -1.0, -1.0, 1.0]), np.array([1.0, 1.0, -1.0, -1.0])
        else:
            angle = 2.0 * np.pi * np.arange(ROUND_SIDES) / ROUND_SIDES
            u, v = np.cos(angle), np.sin(angle)
        a, b = path[:, 3, None, None], path[:, 4, None, None]
        return points[:, None] + a * u[:, None] * side[:, None] + b * v[:, None] * up[:, None]


AnyShape = Annotated[Box | Ellipsoid | Prism | Lathe | Sweep, Field(discriminator="kind")]


def _convex(points: Array) -> tuple[trimesh.Trimesh, Meshes]:
    hull = trimesh.convex.convex_hull(points)
    return hull, [hull.copy()]


def _spatial(points: tuple[tuple[float, float], ...]) -> Array:
    """Points (n, 2) with the third column that `rounded` measures over."""
    return np.column_stack([np.array(points), np.zeros(len(points))])


def _flat(points: Array) -> Array:
    return points[:, :2]


def _extruded(polygon: Array, height: float) -> trimesh.Trimesh:
    layers = [np.column_stack([polygon, np.full(len(polygon), z)]) for z in (0.0, height)]
    return trimesh.convex.convex_hull(np.vstack(layers))


def _half_plane_pieces(profile: Array) -> list[Array]:
    """Convex pieces of the area between profile and axis; none is partly on the axis."""
    pieces = convex_pieces(profile)
    return [q for p in pieces for q in _cut_at_axis(p)]


def _cut_at_axis(piece: Array) -> list[Array]:
    """A piece of which only a stretch lies on the axis, split where that stretch ends.

    Turned about the axis a convex piece is convex when it lies on it over its whole height.
    """
    on_axis = piece[piece[:, 0] < AXIS]
    if len(on_axis) == 0:
        return [piece]
    low, high = on_axis[:, 1].min(), on_axis[:, 1].max()
    spans = [(piece[:, 1].min(), low), (low, high), (high, piece[:, 1].max())]
    return [_between(piece, a, b) for a, b in spans if b - a > AXIS]


def _between(piece: Array, low: float, high: float) -> Array:
    """The part of a convex polygon (n, 2) with low <= y <= high."""
    start, end = piece, np.roll(piece, -1, axis=0)
    points = [piece[(piece[:, 1] >= low) & (piece[:, 1] <= high)]]
    for level in (low, high):
        cross = (start[:, 1] - level) * (end[:, 1] - level) < 0.0
        t = (level - start[cross, 1]) / (end[cross, 1] - start[cross, 1])
        points.append(start[cross] + t[:, None] * (end[cross] - start[cross]))
    return hull2d(np.vstack(points))


def _turned(piece: Array) -> Meshes:
    """Convex meshes of a convex piece turned about the axis: one, or wedges when hollow."""
    angle = 2.0 * np.pi * np.arange(SECTIONS + 1) / SECTIONS
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    touches = (piece[:, 0] < AXIS).any()
    step = SECTIONS if touches else SECTIONS // WEDGES
    meshes = []
    for first in range(0, SECTIONS, step):
        around = circle[first : first + step + 1]
        ring = piece[:, None, 0, None] * around[None]
        height = np.broadcast_to(piece[:, None, 1, None], (*ring.shape[:2], 1))
        cloud = np.concatenate([ring, height], axis=-1).reshape(-1, 3)
        meshes.append(trimesh.convex.convex_hull(cloud))
    return meshes


def _skin(rings: Array, closed: bool) -> trimesh.Trimesh:
    """The watertight surface through rings (n, sides, 3), capped unless closed."""
    count, sides = rings.shape[:2]
    index = np.arange(count * sides).reshape(count, sides)
    follow = np.roll(index, -1, axis=0) if closed else index[1:]
    lower = index if closed else index[:-1]
    a, b = lower, np.roll(lower, -1, axis=1)
    c, d = follow, np.roll(follow, -1, axis=1)
    faces = [np.stack([a, b, c], axis=-1), np.stack([b, d, c], axis=-1)]
    if not closed:
        fan = np.stack([np.zeros(sides - 2), np.arange(1, sides - 1), np.arange(2, sides)], -1)
        fan = fan.astype(int)
        faces += [index[0][fan][:, ::-1], index[-1][fan]]
    mesh = trimesh.Trimesh(rings.reshape(-1, 3), np.concatenate([f.reshape(-1, 3) for f in faces]))
    trimesh.repair.fix_normals(mesh)
    return mesh


def _merged(clouds: list[Array]) -> list[Array]:
    """Neighbouring pieces of a sweep joined while they stay almost convex."""

    def volume(cloud: Array) -> float:
        return float(trimesh.convex.convex_hull(cloud).volume)

    result = [clouds[0]]
    filled = volume(clouds[0])
    for cloud in clouds[1:]:
        own = volume(cloud)
        joined = np.vstack([result[-1], cloud])
        if volume(joined) < (1.0 + SWEEP_GAP) * (filled + own):
            result[-1], filled = joined, filled + own
        else:
            result.append(cloud)
            filled = own
    return result
