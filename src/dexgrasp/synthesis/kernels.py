"""Compiled inner loop of the contact optimisation: one sample at a time, in parallel.

The energy of a sample (palm pose and joints, in the object's frame, table below):

- contact: squared distance of each used finger's best contact candidate to the surface;
- normal: 1 + n_finger . n_object, so that the pads face the surface;
- closure: the wrench left by the best non-negative combination of the finger normals
  (the differentiable force-closure estimator of DFC, with finger instead of object normals,
  whose gradient needs no second derivative of the signed distance);
- penetration of the hand's spheres into the object, the table and each other;
- distance of the joints from the grasp type's posture.

Every term pushes with a force at a point of a link; forces and moments are summed over the
chain to give exact gradients in the palm's twist and the joints.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

MAX_FINGERS = 6


@njit(cache=True, fastmath=True, inline="always")
def lookup(grid, origin, spacing, x, y, z, gradient):
    """Trilinear signed distance and its gradient; beyond the grid, its border plus the gap."""
    nx, ny, nz = grid.shape
    u = (x - origin[0]) / spacing
    v = (y - origin[1]) / spacing
    w = (z - origin[2]) / spacing
    cu = min(max(u, 0.0), nx - 1.001)
    cv = min(max(v, 0.0), ny - 1.001)
    cw = min(max(w, 0.0), nz - 1.001)
    i, j, k = int(cu), int(cv), int(cw)
    a, b, c = cu - i, cv - j, cw - k
    g000, g100 = grid[i, j, k], grid[i + 1, j, k]
    g010, g110 = grid[i, j + 1, k], grid[i + 1, j + 1, k]
    g001, g101 = grid[i, j, k + 1], grid[i + 1, j, k + 1]
    g011, g111 = grid[i, j + 1, k + 1], grid[i + 1, j + 1, k + 1]
    x00, x10 = g000 + a * (g100 - g000), g010 + a * (g110 - g010)
    x01, x11 = g001 + a * (g101 - g001), g011 + a * (g111 - g011)
    y0, y1 = x00 + b * (x10 - x00), x01 + b * (x11 - x01)
    distance = y0 + c * (y1 - y0)
    dx0 = (g100 - g000) + b * ((g110 - g010) - (g100 - g000))
    dx1 = (g101 - g001) + b * ((g111 - g011) - (g101 - g001))
    gx = dx0 + c * (dx1 - dx0)
    gy = (x10 - x00) + c * ((x11 - x01) - (x10 - x00))
    gz = y1 - y0
    ou, ov, ow = (u - cu) * spacing, (v - cv) * spacing, (w - cw) * spacing
    gap = np.sqrt(ou * ou + ov * ov + ow * ow)
    if gap > 1e-9:
        gx, gy, gz = ou / gap, ov / gap, ow / gap
        distance += gap
    norm = np.sqrt(gx * gx + gy * gy + gz * gz) + 1e-12
    gradient[0], gradient[1], gradient[2] = gx / norm, gy / norm, gz / norm
    return distance


@njit(cache=True, fastmath=True)
def forward(parent, offset_rotation, offset_position, axis, joint, palm, q, rotation, position):
    """Poses of all links from the palm pose (4, 4) and joints; parents come before children."""
    for link in range(len(parent)):
        up = parent[link]
        if up < 0:
            rotation[link] = palm[:3, :3]
            position[link] = palm[:3, 3]
            continue
        position[link] = position[up] + rotation[up] @ offset_position[link]
        base = rotation[up] @ offset_rotation[link]
        if joint[link] < 0:
            rotation[link] = base
            continue
        angle = q[joint[link]]
        x, y, z = axis[link]
        s, c = np.sin(angle), np.cos(angle)
        turn = np.array(
            [
                [c + x * x * (1 - c), x * y * (1 - c) - z * s, x * z * (1 - c) + y * s],
                [y * x * (1 - c) + z * s, c + y * y * (1 - c), y * z * (1 - c) - x * s],
                [z * x * (1 - c) - y * s, z * y * (1 - c) + x * s, c + z * z * (1 - c)],
            ]
        )
        rotation[link] = base @ turn


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
def closure_weights(points, normals, used, center, length, weights):
    """Non-negative shares of the fingers' pushes that best balance each other, first one 1."""
    count = len(used)
    for f in range(count):
        weights[f] = 0.5 if used[f] else 0.0
    force = np.zeros(3)
    torque = np.zeros(3)
    for _ in range(12):
        for f in range(count):
            if not used[f]:
                continue
            force[:] = 0.0
            torque[:] = 0.0
            for g in range(count):
                if g != f and used[g]:
                    arm = (points[g] - center) / length
                    force += weights[g] * normals[g]
                    torque += weights[g] * np.cross(arm, normals[g])
            arm = (points[f] - center) / length
            own = np.cross(arm, normals[f])
            best = -(force @ normals[f] + torque @ own) / (1.0 + own @ own)
            weights[f] = min(max(best, 0.15), 1.0)
        total = 0.0
        for f in range(count):
            total += weights[f]
        for f in range(count):
            weights[f] *= 2.0 / total


@njit(cache=True, fastmath=True)
def energy(
    kinematics, spheres, pairs, candidates, field, table, center, length, terms,
    palm, q, reference, used, buffers, gradient, chosen, report,
):
    """Energy of one sample; fills its gradient (6 + J), contacts (F) and report (7)."""
    parent, offset_rotation, offset_position, axis, joint, order = kinematics
    sphere_center, sphere_radius, sphere_link = spheres
    candidate_point, candidate_normal, candidate_link, candidate_finger = candidates
    grid, origin, spacing = field
    rotation, position, force, moment, where, tip, facing, surface = buffers
    forward(parent, offset_rotation, offset_position, axis, joint, palm, q, rotation, position)
    force[:] = 0.0
    moment[:] = 0.0
    report[:] = 0.0
    slope = np.zeros(3)
    # Penetration of object and table.
    for s in range(len(sphere_link)):
        link = sphere_link[s]
        where[s] = position[link] + rotation[link] @ sphere_center[s]
        depth = sphere_radius[s] + terms[6] - lookup(
            grid, origin, spacing, where[s, 0], where[s, 1], where[s, 2], slope
        )
        if depth > 0.0:
            report[3] += depth * depth
            g = -2.0 * terms[3] * depth
            push(force, moment, link, where[s], g * slope[0], g * slope[1], g * slope[2])
        low = sphere_radius[s] + terms[7] - (where[s, 2] - table)
        if low > 0.0:
            report[4] += low * low
            push(force, moment, link, where[s], 0.0, 0.0, -2.0 * terms[4] * low)
    # Self-collision.
    for p in range(len(pairs)):
        a, b = pairs[p, 0], pairs[p, 1]
        delta = where[a] - where[b]
        gap = np.sqrt(delta @ delta) + 1e-9
        depth = sphere_radius[a] + sphere_radius[b] - gap
        if depth > 0.0:
            report[5] += depth * depth
            g = -2.0 * terms[5] * depth / gap
            push(force, moment, sphere_link[a], where[a], g * delta[0], g * delta[1], g * delta[2])
            push(force, moment, sphere_link[b], where[b], -g * delta[0], -g * delta[1],
                 -g * delta[2])
    # The candidate of each finger that is nearest and faces the surface best.
    for f in range(len(used)):
        chosen[f] = -1
        best = 1e9
        for c in range(len(candidate_link)):
            if candidate_finger[c] != f or not used[f]:
                continue
            link = candidate_link[c]
            point = position[link] + rotation[link] @ candidate_point[c]
            distance = lookup(grid, origin, spacing, point[0], point[1], point[2], slope)
            normal = rotation[link] @ candidate_normal[c]
            cost = abs(distance) + 0.012 * (1.0 + normal @ slope)
            if cost < best:
                best = cost
                chosen[f] = c
                tip[f] = point
                facing[f] = normal
                surface[f] = slope
                report[6] = max(report[6], 0.0)
    for f in range(len(used)):
        if not used[f]:
            continue
        link = candidate_link[chosen[f]]
        point = tip[f]
        distance = lookup(grid, origin, spacing, point[0], point[1], point[2], slope)
        report[0] += distance * distance
        g = 2.0 * terms[0] * distance
        push(force, moment, link, point, g * slope[0], g * slope[1], g * slope[2])
        report[1] += 1.0 + facing[f] @ slope
        moment[link] += terms[1] * np.cross(facing[f], slope)
    # Balance of the pushes.
    weights = np.zeros(MAX_FINGERS)
    closure_weights(tip, facing, used, center, length, weights)
    net = np.zeros(3)
    twist = np.zeros(3)
    for f in range(len(used)):
        if used[f]:
            net += weights[f] * facing[f]
            twist += weights[f] * np.cross((tip[f] - center) / length, facing[f])
    report[2] = net @ net + twist @ twist
    for f in range(len(used)):
        if not used[f]:
            continue
        link = candidate_link[chosen[f]]
        arm = (tip[f] - center) / length
        on_normal = 2.0 * terms[2] * weights[f] * (net + np.cross(twist, arm))
        moment[link] += np.cross(facing[f], on_normal)
        on_point = 2.0 * terms[2] * weights[f] / length * np.cross(facing[f], twist)
        push(force, moment, link, tip[f], on_point[0], on_point[1], on_point[2])
    # Sum over the chain, children before parents.
    gradient[:] = 0.0
    for link in range(len(parent) - 1, -1, -1):
        up = parent[link]
        if joint[link] >= 0:
            direction = rotation[link] @ axis[link]
            at = position[link]
            about = moment[link] - np.cross(at, force[link])
            gradient[6 + joint[link]] = direction @ about
        if up >= 0:
            force[up] += force[link]
            moment[up] += moment[link]
        else:
            gradient[0:3] = force[link]
            gradient[3:6] = moment[link] - np.cross(position[link], force[link])
    for j in range(len(q)):
        away = q[j] - reference[j]
        gradient[6 + j] += 2.0 * terms[8] * away
    return (
        terms[0] * report[0] + terms[1] * report[1] + terms[2] * report[2]
        + terms[3] * report[3] + terms[4] * report[4] + terms[5] * report[5]
    )


@njit(cache=True, fastmath=True)
def turn_palm(palm, wx, wy, wz):
    """Rotate the palm by the world rotation vector (wx, wy, wz) about its own origin."""
    angle = np.sqrt(wx * wx + wy * wy + wz * wz)
    if angle < 1e-12:
        return
    x, y, z = wx / angle, wy / angle, wz / angle
    s, c = np.sin(angle), np.cos(angle)
    turn = np.array(
        [
            [c + x * x * (1 - c), x * y * (1 - c) - z * s, x * z * (1 - c) + y * s],
            [y * x * (1 - c) + z * s, c + y * y * (1 - c), y * z * (1 - c) - x * s],
            [z * x * (1 - c) - y * s, z * y * (1 - c) + x * s, c + z * z * (1 - c)],
        ]
    )
    palm[:3, :3] = turn @ np.ascontiguousarray(palm[:3, :3])


@njit(cache=True, fastmath=True, parallel=True)
def optimise(
    kinematics, spheres, pairs, candidates, field, table, center, length, terms, steps, rates,
    lower, upper, palms, joints, references, used, tips, facings, surfaces, reports,
):
    """Adam on every sample in place; fills contacts, normals and the last report of each."""
    samples, joint_count = joints.shape
    link_count = len(kinematics[0])
    sphere_count = len(spheres[2])
    fingers = used.shape[1]
    for n in prange(samples):
        buffers = (
            np.zeros((link_count, 3, 3)), np.zeros((link_count, 3)), np.zeros((link_count, 3)),
            np.zeros((link_count, 3)), np.zeros((sphere_count, 3)), np.zeros((fingers, 3)),
            np.zeros((fingers, 3)), np.zeros((fingers, 3)),
        )
        size = 6 + joint_count
        gradient, first, second = np.zeros(size), np.zeros(size), np.zeros(size)
        chosen = np.zeros(fingers, dtype=np.int64)
        report = np.zeros(7)
        palm, q = palms[n].copy(), joints[n].copy()
        for step in range(steps):
            energy(
                kinematics, spheres, pairs, candidates, field, table, center, length, terms,
                palm, q, references[n], used[n], buffers, gradient, chosen, report,
            )
            decay = 1.0 - 0.9 * step / steps
            for i in range(size):
                first[i] = 0.9 * first[i] + 0.1 * gradient[i]
                second[i] = 0.95 * second[i] + 0.05 * gradient[i] * gradient[i]
            scale = decay / (1.0 - 0.9 ** (step + 1))
            norm = 1.0 - 0.95 ** (step + 1)
            for i in range(3):
                palm[i, 3] -= rates[0] * scale * first[i] / (np.sqrt(second[i] / norm) + 1e-12)
            spin = np.zeros(3)
            for i in range(3):
                spin[i] = -rates[1] * scale * first[3 + i] / (
                    np.sqrt(second[3 + i] / norm) + 1e-12)
            turn_palm(palm, spin[0], spin[1], spin[2])
            for j in range(joint_count):
                change = rates[2] * scale * first[6 + j] / (np.sqrt(second[6 + j] / norm) + 1e-12)
                q[j] = min(max(q[j] - change, lower[j]), upper[j])
        reports[n, 7] = energy(
            kinematics, spheres, pairs, candidates, field, table, center, length, terms,
            palm, q, references[n], used[n], buffers, gradient, chosen, report,
        )
        palms[n], joints[n] = palm, q
        tips[n], facings[n], surfaces[n] = buffers[5], buffers[6], buffers[7]
        reports[n, :7] = report
