"""Rays through a mesh: Open3D's scene of it, and which nodes of a lattice lie inside."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import open3d as o3d
import trimesh

from dexgrasp.errors import MeshError
from dexgrasp.types import Array

THREADS = 2  # Open3D otherwise takes every core of the machine
# By such shares of a spacing lattices are moved, to keep rays off edges of axis-aligned meshes.
OFF_LATTICE = np.array([0.0137, 0.0293, 0.0211])
SIGN_RAYS = 3  # odd; the sign is their majority, so that one ray through an edge does no harm


class _Geometry:
    """A mesh as the key of a cache: equal when vertices and faces are."""

    def __init__(self, mesh: trimesh.Trimesh) -> None:
        self.mesh, self.identity = mesh, hash(mesh)

    def __hash__(self) -> int:
        return self.identity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Geometry) and self.identity == other.identity


@lru_cache(maxsize=64)
def _cached_scene(geometry: _Geometry) -> o3d.t.geometry.RaycastingScene:
    scene = o3d.t.geometry.RaycastingScene(nthreads=THREADS)
    vertices = np.array(geometry.mesh.vertices, dtype=np.float32)
    faces = np.array(geometry.mesh.faces, dtype=np.uint32)
    scene.add_triangles(o3d.core.Tensor.from_numpy(vertices), o3d.core.Tensor.from_numpy(faces))
    return scene


def scene_of(mesh: trimesh.Trimesh) -> o3d.t.geometry.RaycastingScene:
    """Open3D's ray casting scene of a mesh, built once for the last few. Raises MeshError."""
    if len(mesh.faces) == 0:
        raise MeshError("an empty mesh has no signed distance")
    return _cached_scene(_Geometry(mesh))


def lattice(low: Array, count: Array, spacing: float) -> Array:
    """(nx, ny, nz, 3) float32 nodes from `low` (3,) on [m]."""
    axes = [low[k] + spacing * np.arange(count[k]) for k in range(3)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float32)


def inside_nodes(mesh: trimesh.Trimesh, low: Array, count: Array, spacing: float) -> Array:
    """(nx, ny, nz) bool: nodes of a lattice inside a watertight mesh, column by column.

    Where those along z and along x disagree, as a ray through an edge may, the nodes are asked
    one by one.
    """
    upright = _columns(mesh, low, count, spacing, 2)
    doubtful = upright != _columns(mesh, low, count, spacing, 0)
    if doubtful.any():
        points = o3d.core.Tensor.from_numpy(lattice(low, count, spacing)[doubtful])
        occupied = scene_of(mesh).compute_occupancy(points, nthreads=THREADS, nsamples=SIGN_RAYS)
        upright[doubtful] = occupied.numpy() > 0.5
    return upright


def _columns(mesh: trimesh.Trimesh, low: Array, count: Array, spacing: float, axis: int) -> Array:
    """(nx, ny, nz) bool by the parity of hits along `axis`."""
    others = [k for k in range(3) if k != axis]
    first, second = (low[k] + spacing * np.arange(count[k]) for k in others)
    rays = np.zeros((len(first) * len(second), 6), dtype=np.float32)
    rays[:, others] = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    rays[:, axis], rays[:, 3 + axis] = low[axis] - spacing, 1.0
    hits = scene_of(mesh).list_intersections(o3d.core.Tensor.from_numpy(rays))
    node = np.ceil(hits["t_hit"].numpy() / spacing - 1.0).astype(int)  # the first one behind
    flips = np.zeros((len(rays), count[axis] + 1), dtype=np.uint8)
    np.add.at(flips, (hits["ray_ids"].numpy().astype(int), np.clip(node, 0, count[axis])), 1)
    inside = np.cumsum(flips, axis=1)[:, :-1] % 2 == 1
    return np.moveaxis(inside.reshape(len(first), len(second), -1), 2, axis)
