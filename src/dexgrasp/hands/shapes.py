"""Points, spheres and meshes of a hand's collision primitives."""

from __future__ import annotations

import numpy as np
import trimesh

from dexgrasp.geometry import transform_points
from dexgrasp.hands.urdf import Primitive
from dexgrasp.types import Array

SMALLEST_SPHERE = 0.016  # a plate thinner than this [m] is covered by spheres of this diameter
SWELL = 1.08  # of the inscribed spheres, so that their union fills most of the corners


def sphere_cover(primitive: Primitive) -> tuple[Array, Array]:
    """Centres (n, 3) in the link and radii (n,) of spheres that fill a primitive."""
    if primitive.kind == "sphere":
        centers, radius = np.zeros((1, 3)), primitive.size[0]
    elif primitive.kind == "box":
        size = np.array(primitive.size)
        cell = max(float(size.min()), SMALLEST_SPHERE)
        axes = []
        for length in size:
            count = max(1, int(np.ceil(length / cell - 0.35)))
            reach = max(0.5 * length - 0.5 * cell, 0.0)
            axes.append(np.linspace(-reach, reach, count) if count > 1 else np.zeros(1))
        grid = np.meshgrid(*axes, indexing="ij")
        centers = np.stack([g.ravel() for g in grid], axis=1)
        radius = 0.5 * float(size.min()) * SWELL if size.min() > 0.012 else 0.5 * cell * 0.75
    else:
        radius, length = primitive.size
        along = length if primitive.kind == "capsule" else max(length - 2.0 * radius, 0.0)
        count = max(2, int(np.ceil(along / radius)) + 1)
        centers = np.zeros((count, 3))
        centers[:, 2] = np.linspace(-0.5 * along, 0.5 * along, count)
    return transform_points(primitive.T_link_primitive, centers), np.full(len(centers), radius)


def primitive_mesh(primitive: Primitive) -> trimesh.Trimesh:
    """The primitive's surface in its link's frame."""
    size = primitive.size
    if primitive.kind == "box":
        mesh = trimesh.creation.box(extents=size)
    elif primitive.kind == "sphere":
        mesh = trimesh.creation.icosphere(subdivisions=3, radius=size[0])
    elif primitive.kind == "capsule":
        mesh = trimesh.creation.capsule(height=size[1], radius=size[0], count=[24, 24])
        mesh.apply_translation([0.0, 0.0, -mesh.bounds[:, 2].mean()])
    else:
        mesh = trimesh.creation.cylinder(radius=size[0], height=size[1], sections=32)
    mesh.apply_transform(primitive.T_link_primitive)
    return mesh


def pad_points(tip: Primitive, pad: Array, outward: Array, count: int) -> tuple[Array, Array]:
    """About `count` points on the pad side of a fingertip capsule, and their unit normals.

    pad: (3,) direction in the link that the pad faces; outward: (3,) along the finger to its
    end. The points spread by a Fibonacci lattice over side and dome, deterministically.
    """
    radius = tip.size[0]
    length = tip.size[1] if tip.kind == "capsule" else 0.0
    total = 6 * count
    index = np.arange(total) + 0.5
    polar = np.arccos(1.0 - 2.0 * index / total)
    azimuth = np.pi * (1.0 + 5.0**0.5) * index
    normals = np.stack(
        [np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=1
    )
    stretch = np.where(np.abs(normals[:, 2]) < 0.3, normals[:, 2] / 0.3, np.sign(normals[:, 2]))
    points = radius * normals
    points[:, 2] += 0.5 * length * stretch
    turn = tip.T_link_primitive[:3, :3]
    side = np.abs(normals[:, 2]) < 0.3
    normals[side, 2] = 0.0
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points[side] = radius * normals[side]
    points[side, 2] = 0.5 * length * stretch[side]
    points, normals = transform_points(tip.T_link_primitive, points), normals @ turn.T
    keep = (normals @ pad > 0.35) & (normals @ outward > -0.25)
    return points[keep], normals[keep]
