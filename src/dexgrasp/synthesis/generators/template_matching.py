"""Compiled matching of rigid contact sets to a surface: Adam on the pose, joints fixed."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from dexgrasp.synthesis.kernels.field import lookup
from dexgrasp.synthesis.kernels.vectors import cross, dot, rotate, turn_palm

DISTANCE_WEIGHT = 1000.0  # [1/m2], against 1 of the normal error: Dexonomy, facts/grasping.md
REACH = 2.0  # cells to either side for the turn of the normal, which is a staircase on the grid


@njit(cache=True, fastmath=True)
def match_energy(field, spots, spacing, palm, points, normals, used, gradient, report):
    """Energy of one posed contact set; fills its gradient (6) and report (2).

    The sum over contacts of 1000 d^2 + (1 + n_finger . n_object), and of 1000 times the squared
    way to the nearest of `spots` beyond `spacing`. gradient: by the shift of the palm and its
    rotation about its own origin. report: largest |d| [m] and largest angle [rad].
    """
    grid, origin, cell = field
    arm, spot, facing, slope = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    pull, moment = np.empty(3), np.empty(3)
    gradient[:] = 0.0
    report[:] = 0.0
    value = 0.0
    for f in range(len(used)):
        if not used[f]:
            continue
        rotate(palm[:3, :3], points[f], arm)
        rotate(palm[:3, :3], normals[f], facing)
        for i in range(3):
            spot[i] = arm[i] + palm[i, 3]
        distance = lookup(grid, origin, cell, spot[0], spot[1], spot[2], slope)
        cosine = dot(facing, slope)
        value += DISTANCE_WEIGHT * distance * distance + 1.0 + cosine
        report[0] = max(report[0], abs(distance))
        report[1] = max(report[1], np.arccos(min(max(-cosine, -1.0), 1.0)))
        turning(field, spot, facing, pull)
        for i in range(3):
            pull[i] += 2.0 * DISTANCE_WEIGHT * distance * slope[i]
        value += region_pull(spots, spacing, spot, pull)
        cross(arm, pull, moment)
        for i in range(3):
            gradient[i] += pull[i]
            gradient[3 + i] += moment[i]
        cross(facing, slope, moment)
        for i in range(3):
            gradient[3 + i] += moment[i]
    return value


@njit(cache=True, fastmath=True)
def turning(field, point, facing, out):
    """out = the gradient by place of facing . normal, the object's normal turning with it.

    The Hessian of the distance being symmetric, it is the change of the normal along `facing`.
    """
    grid, origin, cell = field
    behind = np.empty(3)
    reach = REACH * cell
    x, y, z = reach * facing[0], reach * facing[1], reach * facing[2]
    lookup(grid, origin, cell, point[0] + x, point[1] + y, point[2] + z, out)
    lookup(grid, origin, cell, point[0] - x, point[1] - y, point[2] - z, behind)
    for i in range(3):
        out[i] = (out[i] - behind[i]) / (2.0 * reach)


@njit(cache=True, fastmath=True)
def region_pull(spots, spacing, point, pull):
    """Energy of a point outside the region of `spots`; adds its gradient to `pull`."""
    nearest, squared = -1, 1e9
    for s in range(len(spots)):
        gap = 0.0
        for i in range(3):
            gap += (point[i] - spots[s, i]) ** 2
        if gap < squared:
            nearest, squared = s, gap
    beyond = np.sqrt(squared) - spacing
    if nearest < 0 or beyond <= 0.0:
        return 0.0
    scale = 2.0 * DISTANCE_WEIGHT * beyond / np.sqrt(squared)
    for i in range(3):
        pull[i] += scale * (point[i] - spots[nearest, i])
    return DISTANCE_WEIGHT * beyond * beyond


@njit(cache=True, fastmath=True, parallel=True)
def match(field, spots, spacing, steps, rates, palms, points, normals, used, reports):
    """Adam on every palm pose (n, 4, 4) in place; reports (n, 3): |d|, angle and energy."""
    for n in prange(len(palms)):
        gradient, first, second = np.zeros(6), np.zeros(6), np.zeros(6)
        spin, report = np.zeros(3), np.zeros(2)
        palm = palms[n].copy()
        for step in range(steps):
            match_energy(
                field, spots, spacing, palm, points[n], normals[n], used[n], gradient, report
            )
            scale = (1.0 - step / steps) / (1.0 - 0.9 ** (step + 1))
            norm = 1.0 - 0.95 ** (step + 1)
            for i in range(6):
                first[i] = 0.9 * first[i] + 0.1 * gradient[i]
                second[i] = 0.95 * second[i] + 0.05 * gradient[i] * gradient[i]
                change = scale * first[i] / (np.sqrt(second[i] / norm) + 1e-12)
                if i < 3:
                    palm[i, 3] -= rates[0] * change
                else:
                    spin[i - 3] = -rates[1] * change
            turn_palm(palm, spin[0], spin[1], spin[2])
        reports[n, 2] = match_energy(
            field, spots, spacing, palm, points[n], normals[n], used[n], gradient, report
        )
        palms[n], reports[n, :2] = palm, report
