"""Signed distance to a mesh: exact, and on a grid that compiled code can read."""

from __future__ import annotations

import numba
import numpy as np
import open3d as o3d
import trimesh
from scipy.ndimage import distance_transform_edt

from dexgrasp.objects.rays import OFF_LATTICE, SIGN_RAYS, THREADS, inside_nodes, lattice, scene_of
from dexgrasp.types import Array

CELLS = 80  # cells along the longest edge
SPACING_RANGE = (0.0015, 0.005)  # [m]
PADDING = 0.015  # [m] of grid around the bounding box
NEAR = 2.5  # spacings from the surface within which interpolation does not do
TINY = 1e-30  # keeps the edges of degenerate triangles from dividing by zero


class SignedDistance:
    """Signed distance on a regular grid, trilinear in between; negative inside [m].

    grid: (nx, ny, nz) float32 [m].  origin: (3,) of grid[0, 0, 0] [m].  spacing: [m].
    The error is below 1 mm near the surface; in the middle of walls thinner than two spacings
    and deep inside, where the distance has a kink, it reaches half a spacing and a spacing.
    """

    def __init__(self, grid: Array, origin: Array, spacing: float) -> None:
        self.grid = np.ascontiguousarray(grid, dtype=np.float32)
        self.origin = np.asarray(origin, dtype=float)
        self.spacing = float(spacing)

    @classmethod
    def from_mesh(
        cls, mesh: trimesh.Trimesh, spacing: float | None = None, padding: float = PADDING
    ) -> SignedDistance:
        """Sample a watertight mesh [m]; by default 1/80 of its length, within 1.5 to 5 mm."""
        if spacing is None:
            spacing = float(np.clip(mesh.extents.max() / CELLS, *SPACING_RANGE))
        low = mesh.bounds[0] - padding + OFF_LATTICE * spacing
        half = np.ceil((mesh.extents + 2.0 * padding) / (2.0 * spacing)).astype(int)
        return cls(_sample(mesh, low, half, spacing), low, spacing)

    def query(self, points: Array) -> tuple[Array, Array]:
        """Distance (...,) [m] and its gradient (..., 3) at points (..., 3) [m].

        Beyond the grid: the value at its border plus the way there.
        """
        points = np.asarray(points, dtype=float)
        flat = np.ascontiguousarray(points.reshape(-1, 3))
        distance, gradient = np.empty(len(flat)), np.empty((len(flat), 3))
        _query(self.grid, self.origin, self.spacing, flat, distance, gradient)
        return distance.reshape(points.shape[:-1]), gradient.reshape(points.shape)


def exact_signed_distance(mesh: trimesh.Trimesh, points: Array) -> Array:
    """Distance (...,) [m] of points (..., 3) to a watertight mesh; negative inside."""
    points = np.asarray(points)
    query = o3d.core.Tensor.from_numpy(np.array(points, dtype=np.float32).reshape(-1, 3))
    distance = scene_of(mesh).compute_signed_distance(query, nthreads=THREADS, nsamples=SIGN_RAYS)
    return distance.numpy().reshape(points.shape[:-1])


def _sample(mesh: trimesh.Trimesh, low: Array, half: Array, spacing: float) -> Array:
    """Exact near the surface, interpolated from every second node where it is far."""
    triangles = np.ascontiguousarray(mesh.triangles, dtype=float)
    coarse, nearest = _near(triangles, low, half + 1, 2.0 * spacing)
    far = nearest < 0
    closest = np.asarray(distance_transform_edt(far, return_distances=False, return_indices=True))
    nearest = nearest[tuple(closest)]  # the triangle of the nearest node that has one
    _sweep(triangles, low, 2.0 * spacing, far, nearest, coarse)
    coarse[inside_nodes(mesh, low, half + 1, 2.0 * spacing)] *= -1.0

    count = 2 * half + 1
    exact, nearest = _near(triangles, low, count, spacing)
    exact[inside_nodes(mesh, low, count, spacing)] *= -1.0
    points = lattice(low, count, spacing).reshape(-1, 3).astype(float)
    fine, gradient = np.empty(len(points)), np.empty((len(points), 3))
    _query(coarse, low, 2.0 * spacing, points, fine, gradient)
    return np.where(nearest < 0, fine.reshape(count), exact)


def _near(triangles: Array, low: Array, count: Array, spacing: float) -> tuple[Array, Array]:
    """Distance [m] and nearest triangle (nx, ny, nz) of nodes within `NEAR`; -1 elsewhere."""
    band = NEAR * spacing
    squared = np.full(tuple(count), band**2)
    nearest = np.full(tuple(count), -1, dtype=np.int64)
    _splat(triangles, low, spacing, band, squared, nearest)
    return np.sqrt(squared), nearest


@numba.njit(cache=True)
def _splat(triangles, low, spacing, band, squared, nearest):
    count = squared.shape
    first, last, point = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3)
    for t in range(len(triangles)):
        for k in range(3):
            least = min(triangles[t, 0, k], triangles[t, 1, k], triangles[t, 2, k])
            most = max(triangles[t, 0, k], triangles[t, 1, k], triangles[t, 2, k])
            first[k] = max(int(np.ceil((least - band - low[k]) / spacing)), 0)
            last[k] = min(int(np.floor((most + band - low[k]) / spacing)), count[k] - 1)
        for i in range(first[0], last[0] + 1):
            point[0] = low[0] + i * spacing
            for j in range(first[1], last[1] + 1):
                point[1] = low[1] + j * spacing
                for k in range(first[2], last[2] + 1):
                    point[2] = low[2] + k * spacing
                    value = _squared_distance(triangles[t], point)
                    if value < squared[i, j, k]:
                        squared[i, j, k], nearest[i, j, k] = value, t


@numba.njit(cache=True)
def _sweep(triangles, low, spacing, far, nearest, distance):
    """Distances of the far nodes: their own triangle or a neighbour's, there and back."""
    nx, ny, nz = far.shape
    point = np.empty(3)
    count = nx * ny * nz
    for turn in range(2):
        for m in range(count):
            n = m if turn == 0 else count - 1 - m
            i, j, k = n // (ny * nz), n // nz % ny, n % nz
            if not far[i, j, k]:
                continue
            point[0], point[1], point[2] = (
                low[0] + i * spacing, low[1] + j * spacing, low[2] + k * spacing,
            )  # fmt: skip
            best = _squared_distance(triangles[nearest[i, j, k]], point)
            for side in range(6):
                a = min(max(i + (side == 0) - (side == 1), 0), nx - 1)
                b = min(max(j + (side == 2) - (side == 3), 0), ny - 1)
                c = min(max(k + (side == 4) - (side == 5), 0), nz - 1)
                if nearest[a, b, c] != nearest[i, j, k]:
                    value = _squared_distance(triangles[nearest[a, b, c]], point)
                    if value < best:
                        best, nearest[i, j, k] = value, nearest[a, b, c]
            distance[i, j, k] = np.sqrt(best)


@numba.njit(cache=True, inline="always")
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(cache=True)
def _squared_distance(triangle, point):
    """Of a point to a triangle (3, 3), by the region that it lies in (Ericson 2005, 5.1.5)."""
    a, b, c = triangle[0], triangle[1], triangle[2]
    ab = (b[0] - a[0], b[1] - a[1], b[2] - a[2])
    ac = (c[0] - a[0], c[1] - a[1], c[2] - a[2])
    ap = (point[0] - a[0], point[1] - a[1], point[2] - a[2])
    bp = (point[0] - b[0], point[1] - b[1], point[2] - b[2])
    cp = (point[0] - c[0], point[1] - c[1], point[2] - c[2])
    d1, d2, d3, d4, d5, d6 = (
        _dot(ab, ap), _dot(ac, ap), _dot(ab, bp), _dot(ac, bp), _dot(ab, cp), _dot(ac, cp),
    )  # fmt: skip
    if d1 <= 0.0 and d2 <= 0.0:
        return _dot(ap, ap)
    if d3 >= 0.0 and d4 <= d3:
        return _dot(bp, bp)
    if d6 >= 0.0 and d5 <= d6:
        return _dot(cp, cp)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        v, w = d1 / max(d1 - d3, TINY), 0.0
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        v, w = 0.0, d2 / max(d2 - d6, TINY)
    elif va <= 0.0 and d4 >= d3 and d5 >= d6:
        w = (d4 - d3) / max((d4 - d3) + (d5 - d6), TINY)
        v = 1.0 - w
    else:
        v, w = vb / (va + vb + vc), vc / (va + vb + vc)
    gap = (
        ap[0] - v * ab[0] - w * ac[0],
        ap[1] - v * ab[1] - w * ac[1],
        ap[2] - v * ab[2] - w * ac[2],
    )
    return _dot(gap, gap)


@numba.njit(cache=True)
def _axis(value, count):
    """Cell, fraction inside it and the gap outside the grid, all in cells."""
    inside = min(max(value, 0.0), count - 1.0)
    cell = min(int(inside), count - 2)
    return cell, inside - cell, value - inside


@numba.njit(cache=True)
def _query(grid, origin, spacing, points, distance, gradient):
    for n in range(len(points)):
        i, u, du = _axis((points[n, 0] - origin[0]) / spacing, grid.shape[0])
        j, v, dv = _axis((points[n, 1] - origin[1]) / spacing, grid.shape[1])
        k, w, dw = _axis((points[n, 2] - origin[2]) / spacing, grid.shape[2])
        c00 = grid[i, j, k] * (1.0 - u) + grid[i + 1, j, k] * u
        c10 = grid[i, j + 1, k] * (1.0 - u) + grid[i + 1, j + 1, k] * u
        c01 = grid[i, j, k + 1] * (1.0 - u) + grid[i + 1, j, k + 1] * u
        c11 = grid[i, j + 1, k + 1] * (1.0 - u) + grid[i + 1, j + 1, k + 1] * u
        d0, d1 = c00 * (1.0 - v) + c10 * v, c01 * (1.0 - v) + c11 * v
        x0 = (grid[i + 1, j, k] - grid[i, j, k]) * (1.0 - v) + (
            grid[i + 1, j + 1, k] - grid[i, j + 1, k]
        ) * v
        x1 = (grid[i + 1, j, k + 1] - grid[i, j, k + 1]) * (1.0 - v) + (
            grid[i + 1, j + 1, k + 1] - grid[i, j + 1, k + 1]
        ) * v
        gradient[n, 0] = (x0 * (1.0 - w) + x1 * w) / spacing
        gradient[n, 1] = ((c10 - c00) * (1.0 - w) + (c11 - c01) * w) / spacing
        gradient[n, 2] = (d1 - d0) / spacing
        gap = np.sqrt(du * du + dv * dv + dw * dw)
        distance[n] = d0 * (1.0 - w) + d1 * w + gap * spacing
        if gap > 0.0:
            gradient[n, 0], gradient[n, 1], gradient[n, 2] = du / gap, dv / gap, dw / gap
