"""Compiled inner loop of the contact optimisation: one sample at a time, in parallel.

The energy of a sample (palm pose and joints, in the object's frame, table below):

- contact: squared distance of each used finger's best contact candidate to the surface;
- normal: 1 + n_finger . n_object, so that the pads face the surface;
- closure: the wrench left by the best non-negative combination of the finger normals
  (the differentiable force-closure estimator of DFC, with finger instead of object normals,
  whose gradient needs no second derivative of the signed distance);
- penetration of the hand into the object, by the balls of its `skin`: the spheres that cover
  it, or points of its surface where it matters exactly;
- penetration of the spheres into the table and each other;
- distance of the joints from the grasp type's posture.

Every term pushes with a force at a point of a link; forces and moments are summed over the
chain to give exact gradients in the palm's twist and the joints.
"""

from __future__ import annotations

import numpy as np
from numba import config, njit, prange

config.THREADING_LAYER = "omp"  # callable from several threads, present wherever g++ is


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
def closure_weights(points, normals, used, center, length, weights):
    """Non-negative shares of the fingers' pushes that best balance each other; they sum to 2.

    Coordinate descent on the squared wrench, shares within [0.15, 1] before scaling.
    """
    count = len(used)
    wrench = np.zeros((count, 6))
    arm = np.empty(3)
    total = np.zeros(6)
    for f in range(count):
        weights[f] = 0.5 if used[f] else 0.0
        for i in range(3):
            arm[i] = (points[f, i] - center[i]) / length
            wrench[f, i] = normals[f, i]
        cross(arm, normals[f], wrench[f, 3:])
        for i in range(6):
            total[i] += weights[f] * wrench[f, i]
    for _ in range(12):
        for f in range(count):
            if not used[f]:
                continue
            along, size = 0.0, 0.0
            for i in range(6):
                along += (total[i] - weights[f] * wrench[f, i]) * wrench[f, i]
                size += wrench[f, i] * wrench[f, i]
            best = min(max(-along / size, 0.15), 1.0)
            for i in range(6):
                total[i] += (best - weights[f]) * wrench[f, i]
            weights[f] = best
    sum_of_shares = 0.0
    for f in range(count):
        sum_of_shares += weights[f]
    for f in range(count):
        weights[f] *= 2.0 / sum_of_shares


@njit(cache=True, fastmath=True)
def energy(
    kinematics,
    spheres,
    skin,
    pairs,
    candidates,
    field,
    table,
    center,
    length,
    terms,
    palm,
    q,
    reference,
    used,
    buffers,
    gradient,
    chosen,
    report,
):
    """Energy of one sample; fills its gradient (6 + J), contacts (F) and report:

    squared gaps, normals, closure, penetration, table, self-collision, then a cost a finger.
    """
    parent, offset_rotation, offset_position, axis, joint, _ = kinematics
    sphere_center, sphere_radius, sphere_link = spheres
    skin_center, skin_radius, skin_start, ball_center, ball_radius, ball_link = skin
    candidate_point, candidate_normal, candidate_link, candidate_finger = candidates
    grid, origin, spacing = field
    rotation, position, force, moment, where, tip, facing, surface = buffers
    forward(parent, offset_rotation, offset_position, axis, joint, palm, q, rotation, position)
    force[:] = 0.0
    moment[:] = 0.0
    report[:] = 0.0
    slope, point, normal, scratch = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    # Penetration of the object, of those groups of the skin that come near it.
    for ball in range(len(ball_link)):
        link = ball_link[ball]
        rotate(rotation[link], ball_center[ball], point)
        for i in range(3):
            point[i] += position[link, i]
        near = lookup(grid, origin, spacing, point[0], point[1], point[2], slope)
        if near > ball_radius[ball] + terms[6]:
            continue
        for s in range(skin_start[ball], skin_start[ball + 1]):
            rotate(rotation[link], skin_center[s], point)
            for i in range(3):
                point[i] += position[link, i]
            depth = (
                skin_radius[s]
                + terms[6]
                - lookup(grid, origin, spacing, point[0], point[1], point[2], slope)
            )
            if depth > 0.0:
                report[3] += depth * depth
                g = -2.0 * terms[3] * depth
                push(force, moment, link, point, g * slope[0], g * slope[1], g * slope[2])
    # Penetration of the table.
    for s in range(len(sphere_link)):
        link = sphere_link[s]
        spot = where[s]
        rotate(rotation[link], sphere_center[s], spot)
        for i in range(3):
            spot[i] += position[link, i]
        low = sphere_radius[s] + terms[7] - (spot[2] - table)
        if low > 0.0:
            report[4] += low * low
            push(force, moment, link, spot, 0.0, 0.0, -2.0 * terms[4] * low)
    # Self-collision.
    for p in range(len(pairs)):
        a, b = pairs[p, 0], pairs[p, 1]
        reach = sphere_radius[a] + sphere_radius[b]
        dx, dy, dz = (
            where[a, 0] - where[b, 0],
            where[a, 1] - where[b, 1],
            where[a, 2] - where[b, 2],
        )
        squared = dx * dx + dy * dy + dz * dz
        if squared < reach * reach:
            gap = np.sqrt(squared) + 1e-9
            depth = reach - gap
            report[5] += depth * depth
            g = -2.0 * terms[5] * depth / gap
            push(force, moment, sphere_link[a], where[a], g * dx, g * dy, g * dz)
            push(force, moment, sphere_link[b], where[b], -g * dx, -g * dy, -g * dz)
    # The candidate of each finger that is nearest and faces the surface best.
    for f in range(len(used)):
        chosen[f] = -1
        report[6 + f] = 1e9
    for c in range(len(candidate_link)):
        f = candidate_finger[c]
        if not used[f]:
            continue
        link = candidate_link[c]
        rotate(rotation[link], candidate_point[c], point)
        for i in range(3):
            point[i] += position[link, i]
        distance = lookup(grid, origin, spacing, point[0], point[1], point[2], slope)
        rotate(rotation[link], candidate_normal[c], normal)
        cost = abs(distance) + 0.012 * (1.0 + dot(normal, slope))
        if cost < report[6 + f]:
            report[6 + f] = cost
            chosen[f] = c
            for i in range(3):
                tip[f, i], facing[f, i], surface[f, i] = point[i], normal[i], slope[i]
    for f in range(len(used)):
        if not used[f]:
            continue
        link = candidate_link[chosen[f]]
        distance = lookup(grid, origin, spacing, tip[f, 0], tip[f, 1], tip[f, 2], slope)
        report[0] += distance * distance
        g = 2.0 * terms[0] * distance
        push(force, moment, link, tip[f], g * slope[0], g * slope[1], g * slope[2])
        report[1] += 1.0 + dot(facing[f], slope)
        cross(facing[f], slope, scratch)
        for i in range(3):
            moment[link, i] += terms[1] * scratch[i]
    # Balance of the pushes.
    weights = np.zeros(len(used))
    closure_weights(tip, facing, used, center, length, weights)
    net, twist, arm = np.zeros(3), np.zeros(3), np.empty(3)
    for f in range(len(used)):
        if used[f]:
            for i in range(3):
                arm[i] = (tip[f, i] - center[i]) / length
            cross(arm, facing[f], scratch)
            for i in range(3):
                net[i] += weights[f] * facing[f, i]
                twist[i] += weights[f] * scratch[i]
    report[2] = dot(net, net) + dot(twist, twist)
    for f in range(len(used)):
        if not used[f]:
            continue
        link = candidate_link[chosen[f]]
        for i in range(3):
            arm[i] = (tip[f, i] - center[i]) / length
        cross(twist, arm, scratch)
        g = 2.0 * terms[2] * weights[f]
        for i in range(3):
            normal[i] = g * (net[i] + scratch[i])
        cross(facing[f], normal, scratch)
        for i in range(3):
            moment[link, i] += scratch[i]
        cross(facing[f], twist, scratch)
        g /= length
        push(force, moment, link, tip[f], g * scratch[0], g * scratch[1], g * scratch[2])
    # Sum over the chain, children before parents.
    gradient[:] = 0.0
    for link in range(len(parent) - 1, -1, -1):
        up = parent[link]
        cross(position[link], force[link], scratch)
        for i in range(3):
            scratch[i] = moment[link, i] - scratch[i]
        if joint[link] >= 0:
            rotate(rotation[link], axis[link], normal)
            gradient[6 + joint[link]] = dot(normal, scratch)
        if up >= 0:
            for i in range(3):
                force[up, i] += force[link, i]
                moment[up, i] += moment[link, i]
        else:
            for i in range(3):
                gradient[i] = force[link, i]
                gradient[3 + i] = scratch[i]
    for j in range(len(q)):
        gradient[6 + j] += 2.0 * terms[8] * (q[j] - reference[j])
    return (
        terms[0] * report[0]
        + terms[1] * report[1]
        + terms[2] * report[2]
        + terms[3] * report[3]
        + terms[4] * report[4]
        + terms[5] * report[5]
    )


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


@njit(cache=True, fastmath=True, parallel=True)
def optimise(
    kinematics,
    spheres,
    skin,
    pairs,
    candidates,
    field,
    table,
    center,
    length,
    terms,
    steps,
    rates,
    lower,
    upper,
    palms,
    joints,
    references,
    used,
    tips,
    facings,
    surfaces,
    reports,
):
    """Adam on every sample in place; fills contacts, normals and the last report of each."""
    samples, joint_count = joints.shape
    link_count = len(kinematics[0])
    sphere_count = len(spheres[2])
    fingers = used.shape[1]
    for n in prange(samples):
        buffers = (
            np.zeros((link_count, 3, 3)),
            np.zeros((link_count, 3)),
            np.zeros((link_count, 3)),
            np.zeros((link_count, 3)),
            np.zeros((sphere_count, 3)),
            np.zeros((fingers, 3)),
            np.zeros((fingers, 3)),
            np.zeros((fingers, 3)),
        )
        size = 6 + joint_count
        gradient, first, second = np.zeros(size), np.zeros(size), np.zeros(size)
        chosen = np.zeros(fingers, dtype=np.int64)
        report = np.zeros(6 + fingers)
        palm, q = palms[n].copy(), joints[n].copy()
        spin = np.zeros(3)
        for step in range(steps):
            energy(
                kinematics,
                spheres,
                skin,
                pairs,
                candidates,
                field,
                table,
                center,
                length,
                terms,
                palm,
                q,
                references[n],
                used[n],
                buffers,
                gradient,
                chosen,
                report,
            )
            decay = 1.0 - 0.9 * step / steps
            for i in range(size):
                first[i] = 0.9 * first[i] + 0.1 * gradient[i]
                second[i] = 0.95 * second[i] + 0.05 * gradient[i] * gradient[i]
            scale = decay / (1.0 - 0.9 ** (step + 1))
            norm = 1.0 - 0.95 ** (step + 1)
            for i in range(3):
                palm[i, 3] -= rates[0] * scale * first[i] / (np.sqrt(second[i] / norm) + 1e-12)
            for i in range(3):
                spin[i] = -rates[1] * scale * first[3 + i] / (np.sqrt(second[3 + i] / norm) + 1e-12)
            turn_palm(palm, spin[0], spin[1], spin[2])
            for j in range(joint_count):
                change = rates[2] * scale * first[6 + j] / (np.sqrt(second[6 + j] / norm) + 1e-12)
                q[j] = min(max(q[j] - change, lower[j]), upper[j])
        reports[n, 6] = energy(
            kinematics,
            spheres,
            skin,
            pairs,
            candidates,
            field,
            table,
            center,
            length,
            terms,
            palm,
            q,
            references[n],
            used[n],
            buffers,
            gradient,
            chosen,
            report,
        )
        palms[n], joints[n] = palm, q
        tips[n], facings[n], surfaces[n] = buffers[5], buffers[6], buffers[7]
        reports[n, :6] = report[:6]
