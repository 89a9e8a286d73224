"""Energy of a sample: palm pose and joints, in the object's frame, table below.

- contact: squared distance of each used finger's best contact candidate to the surface;
- normal: 1 + n_finger . n_object, so that the pads face the surface;
- closure: how badly the contacts balance, by one of the measures of `closure`;
- penetration of the hand into the object, by the balls of its `skin`: the spheres that cover
  it, or points of its surface where it matters exactly;
- penetration of the spheres into the table and each other;
- distance of the joints from the grasp type's posture.

Every term pushes with a force at a point of a link; forces and moments are summed over the
chain to give gradients in the palm's twist and the joints.

Arrays that kernels take together:

- hand: kinematics, spheres, self-collision pairs, contact candidates of `HandModel`;
- scene: field (grid, origin [m], spacing [m]), height of the table [m], centre of mass (3,) [m],
  length that divides moments [m];
- terms: weights of contact, normal, closure, penetration, table, self-collision; margins of
  penetration and table [m]; weight of the posture;
- cone: as `closure.balance_cones` has it; empty: closure by pushes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dexgrasp.synthesis.kernels.closure import EDGES, LOADS, balance_cones, balance_pushes
from dexgrasp.synthesis.kernels.field import lookup
from dexgrasp.synthesis.kernels.kinematics import collect, forward, push
from dexgrasp.synthesis.kernels.vectors import cross, dot, rotate

TURN_COST = 0.012  # [m] that a contact which looks away counts as far


@njit(cache=True)
def workspace(hand, fingers):
    """What `energy` fills: poses, loads of the links, spheres, contacts, report, cones' state.

    report: squared gaps, normals, closure, penetration, table, self-collision, then a cost a
    finger.
    """
    links, spheres, shares = len(hand[0][0]), len(hand[1][2]), fingers * EDGES + 1
    return (
        (np.zeros((links, 3, 3)), np.zeros((links, 3))),
        (np.zeros((links, 3)), np.zeros((links, 3))),
        np.zeros((spheres, 3)),
        (np.zeros((fingers, 3)), np.zeros((fingers, 3)), np.zeros((fingers, 3))),
        np.zeros(fingers, dtype=np.int64),
        np.zeros(6 + fingers),
        (np.zeros((LOADS, shares)), np.zeros((LOADS, shares))),
    )


@njit(cache=True, fastmath=True, inline="always")
def place(poses, link, local, out):
    """out = a point of a link, in the object's frame."""
    rotation, position = poses
    rotate(rotation[link], local, out)
    for i in range(3):
        out[i] += position[link, i]


@njit(cache=True, fastmath=True)
def avoid_object(skin, field, poses, weight, margin, force, moment):
    """Squared depths of the skin's balls, of those groups that come near the object."""
    skin_center, skin_radius, skin_start, ball_center, ball_radius, ball_link = skin
    grid, origin, spacing = field
    slope, point = np.empty(3), np.empty(3)
    total = 0.0
    for ball in range(len(ball_link)):
        link = ball_link[ball]
        place(poses, link, ball_center[ball], point)
        near = lookup(grid, origin, spacing, point[0], point[1], point[2], slope)
        if near > ball_radius[ball] + margin:
            continue
        for s in range(skin_start[ball], skin_start[ball + 1]):
            place(poses, link, skin_center[s], point)
            distance = lookup(grid, origin, spacing, point[0], point[1], point[2], slope)
            depth = skin_radius[s] + margin - distance
            if depth > 0.0:
                total += depth * depth
                g = -2.0 * weight * depth
                push(force, moment, link, point, g * slope[0], g * slope[1], g * slope[2])
    return total


@njit(cache=True, fastmath=True)
def avoid_table(spheres, poses, table, weight, margin, where, force, moment):
    """Squared depths of the spheres in the table; puts their centres into `where`."""
    center, radius, links = spheres
    total = 0.0
    for s in range(len(links)):
        spot = where[s]
        place(poses, links[s], center[s], spot)
        low = radius[s] + margin - (spot[2] - table)
        if low > 0.0:
            total += low * low
            push(force, moment, links[s], spot, 0.0, 0.0, -2.0 * weight * low)
    return total


@njit(cache=True, fastmath=True)
def avoid_itself(spheres, pairs, where, weight, force, moment):
    """Squared depths of pairs of spheres in each other."""
    _, radius, links = spheres
    total = 0.0
    for p in range(len(pairs)):
        a, b = pairs[p, 0], pairs[p, 1]
        reach = radius[a] + radius[b]
        dx, dy, dz = (
            where[a, 0] - where[b, 0],
            where[a, 1] - where[b, 1],
            where[a, 2] - where[b, 2],
        )
        squared = dx * dx + dy * dy + dz * dz
        if squared < reach * reach:
            gap = np.sqrt(squared) + 1e-9
            depth = reach - gap
            total += depth * depth
            g = -2.0 * weight * depth / gap
            push(force, moment, links[a], where[a], g * dx, g * dy, g * dz)
            push(force, moment, links[b], where[b], -g * dx, -g * dy, -g * dz)
    return total


@njit(cache=True, fastmath=True)
def choose_contacts(candidates, field, poses, used, contacts, chosen, costs):
    """The candidate of each finger that is nearest and faces the surface best."""
    local, normals, links, fingers = candidates
    tip, facing, surface = contacts
    grid, origin, spacing = field
    slope, point, normal = np.empty(3), np.empty(3), np.empty(3)
    for f in range(len(used)):
        chosen[f] = -1
        costs[f] = 1e9
    for c in range(len(links)):
        f = fingers[c]
        if not used[f]:
            continue
        link = links[c]
        place(poses, link, local[c], point)
        distance = lookup(grid, origin, spacing, point[0], point[1], point[2], slope)
        rotate(poses[0][link], normals[c], normal)
        cost = abs(distance) + TURN_COST * (1.0 + dot(normal, slope))
        if cost < costs[f]:
            costs[f] = cost
            chosen[f] = c
            for i in range(3):
                tip[f, i], facing[f, i], surface[f, i] = point[i], normal[i], slope[i]


@njit(cache=True, fastmath=True)
def meet_surface(field, links, used, contacts, terms, force, moment, report):
    """Gaps and normals of the chosen contacts."""
    tip, facing, _ = contacts
    grid, origin, spacing = field
    slope, turning = np.empty(3), np.empty(3)
    for f in range(len(used)):
        if not used[f]:
            continue
        link = links[f]
        distance = lookup(grid, origin, spacing, tip[f, 0], tip[f, 1], tip[f, 2], slope)
        report[0] += distance * distance
        g = 2.0 * terms[0] * distance
        push(force, moment, link, tip[f], g * slope[0], g * slope[1], g * slope[2])
        report[1] += 1.0 + dot(facing[f], slope)
        cross(facing[f], slope, turning)
        for i in range(3):
            moment[link, i] += terms[1] * turning[i]


@njit(cache=True, fastmath=True)
def energy(hand, skin, scene, terms, cone, palm, q, reference, used, fresh, work, gradient):
    """Energy of one sample without the posture's; fills its whole gradient (6 + J) and `work`.

    fresh: whether the forces in the cones are solved anew or are those of the last call.
    """
    kinematics, spheres, pairs, candidates = hand
    field, table, center, length = scene
    poses, (force, moment), where, contacts, chosen, report, state = work
    parent, offset_rotation, offset_position, axis, joint, _ = kinematics
    rotation, position = poses
    forward(parent, offset_rotation, offset_position, axis, joint, palm, q, rotation, position)
    force[:] = 0.0
    moment[:] = 0.0
    report[:] = 0.0
    report[3] = avoid_object(skin, field, poses, terms[3], terms[6], force, moment)
    report[4] = avoid_table(spheres, poses, table, terms[4], terms[7], where, force, moment)
    report[5] = avoid_itself(spheres, pairs, where, terms[5], force, moment)
    choose_contacts(candidates, field, poses, used, contacts, chosen, report[6:])
    links = candidates[2][chosen]
    meet_surface(field, links, used, contacts, terms, force, moment, report)
    if len(cone):
        own = (links, rotation[links], candidates[1][chosen], contacts[0])
        report[2] = balance_cones(
            own, used, center, length, cone, fresh, terms[2], state, force, moment
        )
    else:
        report[2] = balance_pushes(
            links, contacts[0], contacts[1], used, center, length, terms[2], force, moment
        )
    collect(kinematics, rotation, position, force, moment, gradient)
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
