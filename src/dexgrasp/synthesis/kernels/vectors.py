"""Vectors of three and rotations, without the allocation and call of a matrix library."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, fastmath=True, inline="always")
def rotate(rotation, vector, out):
    """out = rotation @ vector, without the allocation and call of a matrix library."""
    for i in range(3):
        out[i] = (
            rotation[i, 0] * vector[0] + rotation[i, 1] * vector[1] + rotation[i, 2] * vector[2]
        )


@njit(cache=True, fastmath=True, inline="always")
def compose(first, second, out):
    """out = first @ second for 3 x 3 matrices."""
    for i in range(3):
        for j in range(3):
            out[i, j] = (
                first[i, 0] * second[0, j] + first[i, 1] * second[1, j] + first[i, 2] * second[2, j]
            )


@njit(cache=True, fastmath=True, inline="always")
def cross(a, b, out):
    """out = a x b."""
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]


@njit(cache=True, fastmath=True, inline="always")
def dot(a, b):
    """a . b of two vectors of three."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, fastmath=True, inline="always")
def axis_turn(x, y, z, angle, out):
    """Rotation about the unit axis (x, y, z) by `angle` [rad] (Rodrigues)."""
    s, c = np.sin(angle), np.cos(angle)
    d = 1.0 - c
    out[0, 0], out[0, 1], out[0, 2] = c + x * x * d, x * y * d - z * s, x * z * d + y * s
    out[1, 0], out[1, 1], out[1, 2] = y * x * d + z * s, c + y * y * d, y * z * d - x * s
    out[2, 0], out[2, 1], out[2, 2] = z * x * d - y * s, z * y * d + x * s, c + z * z * d


@njit(cache=True, fastmath=True)
def turn_palm(palm, wx, wy, wz):
    """Rotate the palm by the world rotation vector (wx, wy, wz) about its own origin."""
    angle = np.sqrt(wx * wx + wy * wy + wz * wz)
    if angle < 1e-12:
        return
    turn, turned = np.empty((3, 3)), np.empty((3, 3))
    axis_turn(wx / angle, wy / angle, wz / angle, angle, turn)
    compose(turn, palm, turned)
    palm[:3, :3] = turned
