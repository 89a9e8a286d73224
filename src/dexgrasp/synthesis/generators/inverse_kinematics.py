"""Compiled inverse kinematics of a whole hand: fingertips onto points, facing their normals.

Damped least squares with analytic Jacobians over the palm's twist and the joints, one hand at
a time, in parallel. A contact asks for a position and, weighted, for a direction; the turn
about that direction is free.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from dexgrasp.synthesis.kernels.kinematics import forward
from dexgrasp.synthesis.kernels.vectors import cross, dot, rotate, turn_palm

PALM_SCALE = 0.05  # [m] of palm motion that costs as much damping as 1 rad of a joint
LONGEST_STEP = 0.4  # [rad] of a joint, in one iteration


@njit(cache=True, fastmath=True)
def solve(matrix, vector):
    """vector <- matrix^-1 vector for a symmetric positive matrix, overwritten (Cholesky)."""
    n = len(vector)
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(total) if i == j else total / matrix[j, j]
    for i in range(n):
        for k in range(i):
            vector[i] -= matrix[i, k] * vector[k]
        vector[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= matrix[k, i] * vector[k]
        vector[i] /= matrix[i, i]


@njit(cache=True, fastmath=True, inline="always")
def add_row(row, error, matrix, vector):
    """Accumulate one weighted equation row . x = error into the normal equations."""
    n = len(row)
    for i in range(n):
        if row[i] != 0.0:
            vector[i] += row[i] * error
            for j in range(i + 1):
                matrix[i, j] += row[i] * row[j]


@njit(cache=True, fastmath=True)
def add_contact(
    kinematics, rotation, position, contact, goal, facing_weight, arms, rows, matrix, vector
):
    """Equations of one contact: its point to the goal's point, its normal against the goal's.

    contact: link, point and normal in it.  goal: point and outward normal of the surface.
    rows: (3, 6 + J) for positions and (3, 6 + J) for directions.  Returns the gap [m].
    """
    parent, _, _, axis, joint, _ = kinematics
    link, local_point, local_normal = contact
    goal_point, goal_normal = goal
    tip, facing, gap, turn, spin = arms
    row, turned = rows
    rotate(rotation[link], local_point, tip)
    rotate(rotation[link], local_normal, facing)
    row[:], turned[:] = 0.0, 0.0
    for i in range(3):
        tip[i] += position[link, i]
        gap[i] = goal_point[i] - tip[i]
        row[i, i] = PALM_SCALE
    cross(goal_normal, facing, turn)  # = facing x (-goal_normal)
    if dot(facing, goal_normal) > 0.0:  # more than a right angle: the sine shrinks again
        size = np.sqrt(dot(turn, turn)) + 1e-9
        for i in range(3):
            turn[i] /= size
    for i in range(3):
        spin[:] = 0.0
        spin[i] = 1.0
        add_hinge(spin, position[0], tip, facing, 3 + i, row, turned)
    while parent[link] >= 0:
        if joint[link] >= 0:
            rotate(rotation[link], axis[link], spin)
            add_hinge(spin, position[link], tip, facing, 6 + joint[link], row, turned)
        link = parent[link]
    for i in range(3):
        add_row(row[i], gap[i], matrix, vector)
        for k in range(row.shape[1]):
            turned[i, k] *= facing_weight
        add_row(turned[i], facing_weight * turn[i], matrix, vector)
    return np.sqrt(dot(gap, gap))


@njit(cache=True, fastmath=True, inline="always")
def add_hinge(spin, origin, tip, facing, column, row, turned):
    """Velocities of the tip and, without the part about itself, of its direction."""
    x, y, z = tip[0] - origin[0], tip[1] - origin[1], tip[2] - origin[2]
    row[0, column] = spin[1] * z - spin[2] * y
    row[1, column] = spin[2] * x - spin[0] * z
    row[2, column] = spin[0] * y - spin[1] * x
    along = dot(spin, facing)
    for i in range(3):
        turned[i, column] = spin[i] - along * facing[i]


@njit(cache=True, fastmath=True, parallel=True)
def reach(
    kinematics,
    contacts,
    chosen,
    used,
    points,
    normals,
    lower,
    upper,
    iterations,
    damping,
    facing_weight,
    palms,
    joints,
    gaps,
):
    """Move palms (n, 4, 4) and joints (n, J) in place until chosen contacts meet their points.

    chosen: (n, F) contact of each finger.  used: (n, F).  points, normals: (n, F, 3) of the
    object's surface.  facing_weight: [m/rad].  gaps: (n, F) distances left before the last
    iteration [m].
    """
    parent, offset_rotation, offset_position, axis, joint, _ = kinematics
    contact_point, contact_normal, contact_link, _ = contacts
    samples, fingers = used.shape
    size = 6 + joints.shape[1]
    for n in prange(samples):
        rotation, position = np.zeros((len(parent), 3, 3)), np.zeros((len(parent), 3))
        arms = (np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3))
        rows = (np.zeros((3, size)), np.zeros((3, size)))
        matrix, step = np.zeros((size, size)), np.zeros(size)
        palm, q = palms[n].copy(), joints[n].copy()
        for _ in range(iterations):
            forward(
                parent, offset_rotation, offset_position, axis, joint, palm, q, rotation, position
            )
            matrix[:], step[:] = 0.0, 0.0
            for i in range(size):
                matrix[i, i] = damping
            for f in range(fingers):
                if used[n, f]:
                    c = chosen[n, f]
                    contact = (contact_link[c], contact_point[c], contact_normal[c])
                    goal = (points[n, f], normals[n, f])
                    gaps[n, f] = add_contact(
                        kinematics,
                        rotation,
                        position,
                        contact,
                        goal,
                        facing_weight,
                        arms,
                        rows,
                        matrix,
                        step,
                    )
            solve(matrix, step)
            for i in range(3):
                palm[i, 3] += PALM_SCALE * step[i]
            turn_palm(palm, step[3], step[4], step[5])
            for j in range(size - 6):
                change = min(max(step[6 + j], -LONGEST_STEP), LONGEST_STEP)
                q[j] = min(max(q[j] + change, lower[j]), upper[j])
        palms[n], joints[n] = palm, q
