"""Compiled choice of contact points: which surface points the fingers of a placed palm share."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from dexgrasp.synthesis.generators.contact_fields import EMPTY, bin_index
from dexgrasp.synthesis.kernels.field import lookup

CROWDED = 10.0  # residual of contacts closer than fingertips fit
NEVER = 100.0  # of a finger that reaches nothing; finite, as fast mathematics takes no infinity


@njit(cache=True, fastmath=True, parallel=True)
def clear_palms(palms, centers, radii, sdf, table, approach, backs, overlap, clear):
    """Mark palms (n, 4, 4) whose spheres stay out of object and table, there and on the way.

    centers (s, 3), radii (s,): of the palm [m].  approach: (3,) in the palm.  backs: (b,)
    distances before the grasp [m].  overlap: [m] that spheres may reach in.
    """
    grid, origin, spacing = sdf
    for n in prange(len(palms)):
        slope = np.empty(3)
        palm = palms[n]
        free = True
        for s in range(len(radii)):
            for b in range(len(backs)):
                x, y, z = palm[0, 3], palm[1, 3], palm[2, 3]
                for i in range(3):
                    along = centers[s, i] - backs[b] * approach[i]
                    x += palm[0, i] * along
                    y += palm[1, i] * along
                    z += palm[2, i] * along
                if (
                    z - radii[s] < table - overlap
                    or lookup(grid, origin, spacing, x, y, z, slope) < radii[s] - overlap
                ):
                    free = False
                if not free:
                    break
            if not free:
                break
        clear[n] = free


@njit(cache=True, fastmath=True, inline="always")
def draw(state, bound):
    """The next state of a xorshift generator (Marsaglia 2003) and an integer below `bound`."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state, np.int64((state >> np.uint64(11)) % np.uint64(bound))


@njit(cache=True, fastmath=True)
def residual(wrenches, points, pick, used, apart, total, share):
    """What is left of the pushes at the picked points when they balance best, in [0, 1].

    wrenches: (P, 6) of unit pushes.  The shares of the fingers lie within [0.15, 1], as in
    `kernels.closure_weights`, so that every finger counts.  CROWDED if two points are closer
    than `apart` [m] on one side: opposed fingers may hold a thin wall. It is also the answer
    where a push is nothing, because the surface has no direction there.
    """
    fingers = len(used)
    for f in range(fingers):
        for g in range(f):
            if used[f] and used[g]:
                a, b = points[pick[f]], points[pick[g]]
                squared = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2
                v, w = wrenches[pick[f]], wrenches[pick[g]]
                opposed = v[0] * w[0] + v[1] * w[1] + v[2] * w[2] < 0.0
                if squared < apart * apart and not opposed:
                    return CROWDED
    total[:] = 0.0
    for f in range(fingers):
        share[f] = 0.5 if used[f] else 0.0
        if used[f]:
            for i in range(6):
                total[i] += 0.5 * wrenches[pick[f], i]
    for _ in range(6):
        for f in range(fingers):
            if used[f]:
                w = wrenches[pick[f]]
                along, size = 0.0, 0.0
                for i in range(6):
                    along += total[i] * w[i]
                    size += w[i] * w[i]
                if size == 0.0:
                    return CROWDED
                best = min(max(share[f] - along / size, 0.15), 1.0)
                for i in range(6):
                    total[i] += (best - share[f]) * w[i]
                share[f] = best
    left, pressing = 0.0, 0.0
    for i in range(6):
        left += total[i] * total[i]
    for f in range(fingers):
        pressing += share[f]
    return np.sqrt(left) / pressing


@njit(cache=True, fastmath=True)
def residuals_of(wrenches, points, used):
    """(n,) `residual` of hands with one contact a finger: wrenches (n, F, 6), points (n, F, 3)."""
    samples, fingers = used.shape
    pick, total, share = np.arange(fingers), np.zeros(6), np.zeros(fingers)
    result = np.zeros(samples)
    for n in range(samples):
        result[n] = residual(wrenches[n], points[n], pick, used[n], 0.0, total, share)
    return result


@njit(cache=True, fastmath=True, inline="always")
def stays_above(tips, palm, entry, f, height, floor):
    """Whether the last link of finger f is above `floor` [m] with its contact at a height [m]."""
    turns, contact, center, radius, first = tips
    sample, own = entry // len(contact), contact[entry % len(contact)]
    up = np.empty(3)
    for j in range(3):
        up[j] = 0.0
        for i in range(3):
            up[j] += palm[2, i] * turns[sample, f, i, j]
    for k in range(first[f], first[f + 1]):
        low = height - radius[k]
        for j in range(3):
            low += up[j] * (center[k, j] - own[j])
        if low < floor:
            return False
    return True


@njit(cache=True, fastmath=True)
def options(field, tips, palm, points, normals, floor, used, state, where, entries, counts):
    """For each used finger a random selection of at most K points within its field.

    field, tips: of `ContactFields`.  floor: height [m] that the last links stay above.
    Fills point indices and field entries (F, K), and the counts (F,). Returns the state.
    """
    bins = field[0]
    counts[:] = 0
    room = where.shape[1]
    for p in range(len(points)):
        x, y, z = points[p, 0] - palm[0, 3], points[p, 1] - palm[1, 3], points[p, 2] - palm[2, 3]
        px = palm[0, 0] * x + palm[1, 0] * y + palm[2, 0] * z
        py = palm[0, 1] * x + palm[1, 1] * y + palm[2, 1] * z
        pz = palm[0, 2] * x + palm[1, 2] * y + palm[2, 2] * z
        n = normals[p]
        dx = -(palm[0, 0] * n[0] + palm[1, 0] * n[1] + palm[2, 0] * n[2])
        dy = -(palm[0, 1] * n[0] + palm[1, 1] * n[1] + palm[2, 1] * n[2])
        dz = -(palm[0, 2] * n[0] + palm[1, 2] * n[1] + palm[2, 2] * n[2])
        for f in range(len(used)):
            if not used[f]:
                continue
            spot = bin_index(field, f, px, py, pz, dx, dy, dz)
            if spot == EMPTY or bins[spot] == EMPTY:
                continue
            if not stays_above(tips, palm, bins[spot], f, points[p, 2], floor):
                continue
            counts[f] += 1
            slot = counts[f] - 1
            if slot >= room:  # reservoir sampling keeps every point equally likely
                state, slot = draw(state, counts[f])
            if slot < room:
                where[f, slot], entries[f, slot] = p, bins[spot]
    for f in range(len(used)):
        counts[f] = min(counts[f], room)
    return state


@njit(cache=True, fastmath=True, parallel=True)
def match(
    field,
    tips,
    palms,
    points,
    normals,
    floors,
    wrenches,
    used,
    seeds,
    tries,
    room,
    apart,
    chosen,
    chosen_entries,
    residuals,
):
    """The best balanced points of each palm: random tuples, then one finger after the other.

    field, tips: see `options`.  floors: (n,) height [m] that the last links stay above.
    Fills point indices and field entries (n, F) and residuals (n,), `NEVER` where a used finger
    reaches nothing.
    """
    samples, fingers = used.shape
    for n in prange(samples):
        where = np.zeros((fingers, room), dtype=np.int64)
        entries = np.zeros((fingers, room), dtype=np.int64)
        counts = np.zeros(fingers, dtype=np.int64)
        total, share = np.zeros(6), np.zeros(fingers)
        pick, slot = np.zeros(fingers, dtype=np.int64), np.zeros(fingers, dtype=np.int64)
        best_slot = np.zeros(fingers, dtype=np.int64)
        mine = used[n]
        state = options(
            field,
            tips,
            palms[n],
            points,
            normals,
            floors[n],
            mine,
            seeds[n],
            where,
            entries,
            counts,
        )
        residuals[n] = NEVER
        feasible = True
        for f in range(fingers):
            feasible = feasible and (not mine[f] or counts[f] > 0)
        if not feasible:
            continue
        best = NEVER
        for _ in range(tries):
            for f in range(fingers):
                if mine[f]:
                    state, slot[f] = draw(state, counts[f])
                    pick[f] = where[f, slot[f]]
            value = residual(wrenches, points, pick, mine, apart, total, share)
            if value < best:
                best = value
                best_slot[:] = slot
        for f in range(fingers):
            pick[f] = where[f, best_slot[f]]
        for f in range(fingers):
            if not mine[f]:
                continue
            for k in range(counts[f]):
                pick[f] = where[f, k]
                value = residual(wrenches, points, pick, mine, apart, total, share)
                if value < best:
                    best = value
                    best_slot[f] = k
            pick[f] = where[f, best_slot[f]]
        for f in range(fingers):
            chosen[n, f], chosen_entries[n, f] = pick[f], entries[f, best_slot[f]]
        residuals[n] = best
