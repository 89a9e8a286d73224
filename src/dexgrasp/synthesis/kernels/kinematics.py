"""Poses of a chain of links, and what forces at its points do to palm and joints."""

from __future__ import annotations

import numpy as np
from numba import njit

from dexgrasp.synthesis.kernels.vectors import axis_turn, compose, cross, dot, rotate


@njit(cache=True, fastmath=True)
def forward(parent, offset_rotation, offset_position, axis, joint, palm, q, rotation, position):
    """Poses of all links from the palm pose (4, 4) and joints; parents come before children."""
    base, turn = np.empty((3, 3)), np.empty((3, 3))
    for link in range(len(parent)):
        up = parent[link]
        if up < 0:
            rotation[link] = palm[:3, :3]
            position[link] = palm[:3, 3]
            continue
        rotate(rotation[up], offset_position[link], position[link])
        for i in range(3):
            position[link, i] += position[up, i]
        if joint[link] < 0:
            compose(rotation[up], offset_rotation[link], rotation[link])
            continue
        compose(rotation[up], offset_rotation[link], base)
        axis_turn(axis[link, 0], axis[link, 1], axis[link, 2], q[joint[link]], turn)
        compose(base, turn, rotation[link])


@njit(cache=True, fastmath=True, inline="always")
def push(force, moment, link, point, gx, gy, gz):
    """Add the gradient (gx, gy, gz) of the energy at `point` to a link's force and moment."""
    force[link, 0] += gx
    force[link, 1] += gy
    force[link, 2] += gz
    moment[link, 0] += point[1] * gz - point[2] * gy
    moment[link, 1] += point[2] * gx - point[0] * gz
    moment[link, 2] += point[0] * gy - point[1] * gx


@njit(cache=True, fastmath=True)
def collect(kinematics, rotation, position, force, moment, gradient):
    """gradient (6 + J) of palm twist and joints from the links' forces and moments.

    Children come before parents, whose force and moment they are added to.
    """
    parent, _, _, axis, joint, _ = kinematics
    turning, direction = np.empty(3), np.empty(3)
    gradient[:] = 0.0
    for link in range(len(parent) - 1, -1, -1):
        up = parent[link]
        cross(position[link], force[link], turning)
        for i in range(3):
            turning[i] = moment[link, i] - turning[i]
        if joint[link] >= 0:
            rotate(rotation[link], axis[link], direction)
            gradient[6 + joint[link]] = dot(direction, turning)
        if up >= 0:
            for i in range(3):
                force[up, i] += force[link, i]
                moment[up, i] += moment[link, i]
        else:
            for i in range(3):
                gradient[i] = force[link, i]
                gradient[3 + i] = turning[i]
