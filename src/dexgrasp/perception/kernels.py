"""Compiled look-ups of the free space, the cost of many symmetries, and the robot's own points."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, fastmath=True, inline="always")
def margin(x, y, z, origin, rotation, low, pitch, depth, outline):
    """Metres by which a point lies in seen free space: in front of or beside the object."""
    x, y, z = x - origin[0], y - origin[1], z - origin[2]
    ahead = max(x * rotation[0, 2] + y * rotation[1, 2] + z * rotation[2, 2], 1e-3)
    across = (x * rotation[0, 0] + y * rotation[1, 0] + z * rotation[2, 0]) / ahead
    down = (x * rotation[0, 1] + y * rotation[1, 1] + z * rotation[2, 1]) / ahead
    row = int(min(max((across - low[0]) / pitch + 0.5, 0.0), depth.shape[0] - 1.0))
    column = int(min(max((down - low[1]) / pitch + 0.5, 0.0), depth.shape[1] - 1.0))
    return max(depth[row, column] - ahead, outline[row, column])


@njit(cache=True, fastmath=True)
def margins(points, view, result):
    """Margins (n,) of points (n, 3), written to `result`."""
    origin, rotation, low, pitch, depth, outline = view
    for i in range(len(points)):
        result[i] = margin(
            points[i, 0], points[i, 1], points[i, 2],
            origin, rotation, low, pitch, depth, outline,
        )  # fmt: skip


@njit(cache=True, fastmath=True)
def group_costs(parameters, turns, mirrored, points, view, saturation, weight, unseen, result):
    """Costs (k,) of the groups at (x, y, yaw) (k, 3): `turns` rotations, mirrored or not.

    Mean over the points of the worst margin of their images, from 0 to 1 at `saturation`,
    plus `weight` times the mean depth of all images behind the surface, 1 at `unseen`.
    """
    origin, rotation, low, pitch, depth, outline = view
    images = 2 * turns if mirrored else turns
    for k in range(len(parameters)):
        cx, cy, yaw = parameters[k, 0], parameters[k, 1], parameters[k, 2]
        wrong, hidden = 0.0, 0.0
        for i in range(len(points)):
            x, y, z = points[i, 0] - cx, points[i, 1] - cy, points[i, 2]
            worst = -1.0
            for image in range(images):
                angle = 2.0 * np.pi * (image % turns) / turns
                flip = image >= turns
                if flip:  # a mirror at direction m is a turn by 2 m after y -> -y
                    angle += 2.0 * yaw
                c, s = np.cos(angle), np.sin(angle)
                v = -y if flip else y
                free = margin(
                    c * x - s * v + cx, s * x + c * v + cy, z,
                    origin, rotation, low, pitch, depth, outline,
                )  # fmt: skip
                worst = max(worst, free)
                hidden += min(max(-free / unseen, 0.0), 1.0) / images
            wrong += min(max(worst / saturation, 0.0), 1.0)
        result[k] = (wrong + weight * hidden) / len(points)


@njit(cache=True)
def drop_inside(points, centers, radii, keep):
    """Set keep (n,) to False for points (n, 3) in a sphere: centres (k, 3), radii (k,)."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for k in range(len(radii)):
        for i in range(3):
            low[i] = min(low[i], centers[k, i] - radii[k])
            high[i] = max(high[i], centers[k, i] + radii[k])
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        if not (low[0] <= x <= high[0] and low[1] <= y <= high[1] and low[2] <= z <= high[2]):
            continue
        for k in range(len(radii)):
            dx, dy, dz = x - centers[k, 0], y - centers[k, 1], z - centers[k, 2]
            if dx * dx + dy * dy + dz * dz <= radii[k] * radii[k]:
                keep[n] = False
                break
