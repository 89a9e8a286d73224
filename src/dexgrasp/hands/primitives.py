"""Boxes, capsules, cylinders and spheres: distance, surface samples and meshes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh

from dexgrasp.geometry import inverse, transform_points
from dexgrasp.types import Array


@dataclass(frozen=True)
class Primitive:
    """A convex solid fixed to a link.

    kind and size [m]: `box` (3,) full edges; `capsule` and `cylinder` (radius, length along
    z; of a capsule without its round ends); `sphere` (radius,).  link: index of the link.
    T_link_primitive: (4, 4).
    """

    name: str
    link: int
    kind: str
    size: Array
    T_link_primitive: Array

    def distance(self, points: Array) -> Array:
        """(n,) signed distance [m] of points (n, 3) in the link's frame, negative inside."""
        return _DISTANCES[self.kind](
            transform_points(inverse(self.T_link_primitive), points), self.size
        )

    @property
    def area(self) -> float:
        """Surface area [m^2]."""
        return float(sum(_face_areas(self.kind, self.size)))

    def sample(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Area-uniform surface points and outward normals, (count, 3) each, in the link's frame."""
        points, normals = _SAMPLERS[self.kind](self.size, count, rng)
        return (
            transform_points(self.T_link_primitive, points),
            normals @ self.T_link_primitive[:3, :3].T,
        )

    def mesh(self) -> trimesh.Trimesh:
        """Watertight mesh in the link's frame."""
        if self.kind == "box":
            shape = trimesh.creation.box(self.size)
        elif self.kind == "sphere":
            shape = trimesh.creation.icosphere(subdivisions=3, radius=self.size[0])
        elif self.kind == "capsule":
            shape = trimesh.creation.capsule(height=self.size[1], radius=self.size[0])
            shape.apply_translation(-shape.bounds.mean(axis=0))
        else:
            shape = trimesh.creation.cylinder(radius=self.size[0], height=self.size[1])
        shape.apply_transform(self.T_link_primitive)
        return shape


def _box_distance(p: Array, size: Array) -> Array:
    over = np.abs(p) - 0.5 * size
    outside = np.linalg.norm(np.maximum(over, 0.0), axis=1)
    return outside + np.minimum(over.max(axis=1), 0.0)


def _capsule_distance(p: Array, size: Array) -> Array:
    half = 0.5 * size[1]
    along = p[:, 2] - np.clip(p[:, 2], -half, half)
    return np.sqrt(p[:, 0] ** 2 + p[:, 1] ** 2 + along**2) - size[0]


def _cylinder_distance(p: Array, size: Array) -> Array:
    over = np.stack([np.hypot(p[:, 0], p[:, 1]) - size[0], np.abs(p[:, 2]) - 0.5 * size[1]], axis=1)
    outside = np.linalg.norm(np.maximum(over, 0.0), axis=1)
    return outside + np.minimum(over.max(axis=1), 0.0)


def _sphere_distance(p: Array, size: Array) -> Array:
    return np.linalg.norm(p, axis=1) - size[0]


_DISTANCES = {
    "box": _box_distance,
    "capsule": _capsule_distance,
    "cylinder": _cylinder_distance,
    "sphere": _sphere_distance,
}


def _face_areas(kind: str, size: Array) -> list[float]:
    """Areas of the parts that the samplers draw from, in their order."""
    if kind == "box":
        x, y, z = size
        return [y * z, y * z, x * z, x * z, x * y, x * y]
    ball = 4.0 * np.pi * size[0] ** 2
    if kind == "sphere":
        return [ball]
    side = 2.0 * np.pi * size[0] * size[1]
    return [side, ball] if kind == "capsule" else [side, 2.0 * np.pi * size[0] ** 2]


def _faces(kind: str, size: Array, count: int, rng: np.random.Generator) -> Array:
    areas = np.array(_face_areas(kind, size))
    return rng.choice(len(areas), count, p=areas / areas.sum())


def _directions(count: int, rng: np.random.Generator) -> Array:
    normals = rng.normal(size=(count, 3))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _ring(count: int, rng: np.random.Generator) -> Array:
    angle = rng.uniform(0.0, 2.0 * np.pi, count)
    return np.stack([np.cos(angle), np.sin(angle), np.zeros(count)], axis=1)


def _sample_box(size: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    face = _faces("box", size, count, rng)
    rows, axis, sign = np.arange(count), face // 2, 2.0 * (face % 2) - 1.0
    points = rng.uniform(-0.5, 0.5, (count, 3)) * size
    normals = np.zeros((count, 3))
    normals[rows, axis] = sign
    points[rows, axis] = 0.5 * sign * size[axis]
    return points, normals


def _sample_capsule(size: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    radius, length = size
    on_side = _faces("capsule", size, count, rng) == 0
    normals = np.where(on_side[:, None], _ring(count, rng), _directions(count, rng))
    points = radius * normals
    ends = 0.5 * length * np.sign(normals[:, 2])
    points[:, 2] += np.where(on_side, rng.uniform(-0.5, 0.5, count) * length, ends)
    return points, normals


def _sample_cylinder(size: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    radius, length = size
    on_side = (_faces("cylinder", size, count, rng) == 0)[:, None]
    ring, sign = _ring(count, rng), rng.choice([-1.0, 1.0], count)
    up = np.stack([np.zeros(count), np.zeros(count), sign], axis=1)
    side = radius * ring
    side[:, 2] = rng.uniform(-0.5, 0.5, count) * length
    end = radius * np.sqrt(rng.random(count))[:, None] * ring + 0.5 * length * up
    return np.where(on_side, side, end), np.where(on_side, ring, up)


def _sample_sphere(size: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    normals = _directions(count, rng)
    return size[0] * normals, normals


_SAMPLERS = {
    "box": _sample_box,
    "capsule": _sample_capsule,
    "cylinder": _sample_cylinder,
    "sphere": _sample_sphere,
}


def sample_union(
    primitives: list[Primitive], count: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """About `count` area-uniform points and normals on the outside of one link's primitives.

    Points buried in another primitive are dropped. Shapes (m, 3).
    """
    areas = np.array([p.area for p in primitives])
    counts = rng.multinomial(count, areas / areas.sum())
    points, normals = [], []
    for index, (primitive, n) in enumerate(zip(primitives, counts, strict=True)):
        p, outward = primitive.sample(int(n), rng)
        others = [o.distance(p) for k, o in enumerate(primitives) if k != index]
        seen = np.min(others, axis=0) > -1e-9 if others else np.ones(len(p), bool)
        points.append(p[seen])
        normals.append(outward[seen])
    return np.concatenate(points), np.concatenate(normals)
