"""Contact fields: where, and facing which way, each fingertip can touch, in the palm's frame.

Lightning Grasp (arXiv 2511.07418) pushes contacts of the hand through random configurations
and bins them by position and direction. Here a bin also remembers the configuration that got
there closest to one of the hand's grasp postures: looked up, it starts inverse kinematics.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit

from dexgrasp.hands import HandModel
from dexgrasp.synthesis.kernels.kinematics import forward
from dexgrasp.synthesis.kernels.vectors import rotate
from dexgrasp.types import Array

EMPTY = -1
UNREACHED = 1e9  # finite, as fast mathematics takes no infinity
WORKSPACE_SAMPLES = 4000
MARGIN = 0.03  # [m] from the tip points to contacts on the tips: `hands.contacts.TIP_REACH`


@dataclass(frozen=True, eq=False)
class ContactFields:
    """Fields of F fingers, with S sampled configurations of J joints and C tip contacts.

    samples: (S, J) [rad].  bins: flat; of each box and direction the best reaching entry,
    `sample * C + contact`, or EMPTY.  start: (F,) first bin of a finger.  low: (F, 3) lowest
    corner of its boxes [m].  shape: (F, 3) how many.  spacing: edge of a box [m].
    splits: of a face of the direction cube along each edge.
    turns: (S, F, 3, 3) orientation of the last links in the palm.
    contacts: (C, 3) places of the tip contacts in their links [m].
    spheres: those that cover the last links: centres (K, 3) in their links and radii (K,) [m],
    first one of each finger and of none (F + 1,).
    """

    samples: Array
    bins: Array
    start: Array
    low: Array
    shape: Array
    spacing: float
    splits: int
    turns: Array
    contacts: Array
    spheres: tuple[Array, Array, Array]

    @property
    def kernel(self) -> tuple:
        """Bins, start, low, shape, spacing, splits for compiled code."""
        return self.bins, self.start, self.low, self.shape, self.spacing, self.splits

    @property
    def kernel_tips(self) -> tuple:
        """Turns, contacts, spheres for compiled code."""
        return self.turns, self.contacts, *self.spheres

    @property
    def filled(self) -> Array:
        """(F,) number of bins that some configuration reaches."""
        ends = np.append(self.start[1:], len(self.bins))
        pairs = zip(self.start, ends, strict=True)
        return np.array([np.sum(self.bins[a:b] != EMPTY) for a, b in pairs])


@njit(cache=True, fastmath=True, inline="always")
def direction_bin(x, y, z, splits):
    """Index of the cell of the direction cube, 6 * splits^2 in all, that (x, y, z) meets."""
    ax, ay, az = abs(x), abs(y), abs(z)
    if ax >= ay and ax >= az:
        face, u, v, size = (0 if x > 0.0 else 1), y, z, ax
    elif ay >= az:
        face, u, v, size = (2 if y > 0.0 else 3), x, z, ay
    else:
        face, u, v, size = (4 if z > 0.0 else 5), x, y, az
    i = min(int((u / size + 1.0) * 0.5 * splits), splits - 1)
    j = min(int((v / size + 1.0) * 0.5 * splits), splits - 1)
    return (face * splits + i) * splits + j


@njit(cache=True, fastmath=True, inline="always")
def bin_index(field, f, px, py, pz, dx, dy, dz):
    """Bin of finger f at a point [m] and direction in the palm; EMPTY outside of its boxes."""
    _, start, low, shape, spacing, splits = field
    i = int(np.floor((px - low[f, 0]) / spacing))
    j = int(np.floor((py - low[f, 1]) / spacing))
    k = int(np.floor((pz - low[f, 2]) / spacing))
    if i < 0 or j < 0 or k < 0 or i >= shape[f, 0] or j >= shape[f, 1] or k >= shape[f, 2]:
        return EMPTY
    box = (i * shape[f, 1] + j) * shape[f, 2] + k
    return start[f] + box * 6 * splits * splits + direction_bin(dx, dy, dz, splits)


@njit(cache=True, fastmath=True)
def fill(kinematics, contacts, last, samples, costs, field, best, turns):
    """Enter every contact of every sample into its bin where it costs least, (S, F) costs.

    Fills the turns (S, F, 3, 3) of the last links (F,), too.
    """
    parent, offset_rotation, offset_position, axis, joint, _ = kinematics
    contact_point, contact_normal, contact_link, contact_finger = contacts
    bins = field[0]
    count = len(contact_link)
    rotation, position = np.zeros((len(parent), 3, 3)), np.zeros((len(parent), 3))
    point, normal, palm = np.empty(3), np.empty(3), np.eye(4)
    for s in range(len(samples)):
        q = samples[s]
        forward(parent, offset_rotation, offset_position, axis, joint, palm, q, rotation, position)
        for f in range(len(last)):
            turns[s, f] = rotation[last[f]]
        for c in range(count):
            f, link = contact_finger[c], contact_link[c]
            rotate(rotation[link], contact_point[c], point)
            rotate(rotation[link], contact_normal[c], normal)
            x, y, z = point[0] + position[link, 0], point[1] + position[link, 1], point[2]
            z += position[link, 2]
            spot = bin_index(field, f, x, y, z, normal[0], normal[1], normal[2])
            if spot != EMPTY and costs[s, f] < best[spot]:
                best[spot] = costs[s, f]
                bins[spot] = s * count + c


def posture_costs(hand: HandModel, samples: Array) -> Array:
    """(S, F) squared distance of each finger to its nearest grasp posture, in joint ranges."""
    width = hand.joint_upper - hand.joint_lower
    costs = np.full((len(samples), len(hand.finger_names)), np.inf)
    for name in {kind.posture for kind in hand.grasp_types}:
        off = ((samples - hand.postures[name]) / width) ** 2
        costs = np.minimum(costs, off @ hand.finger_joint_mask.T)
    return costs


@lru_cache(maxsize=8)
def contact_fields(
    hand: HandModel, count: int, spacing: float, splits: int, seed: int = 0
) -> ContactFields:
    """The fields of a hand from `count` configurations drawn within its limits, kept in memory.

    spacing: edge of the boxes [m] (Lightning Grasp: 0.01).  splits: see `ContactFields`.
    """
    rng = np.random.default_rng(seed)
    samples = rng.uniform(hand.joint_lower, hand.joint_upper, (count, hand.joint_count))
    tips = hand.fingertips(samples[:WORKSPACE_SAMPLES])
    low = tips.min(axis=0) - MARGIN
    shape = np.ceil((tips.max(axis=0) + MARGIN - low) / spacing).astype(np.int64)
    sizes = shape.prod(axis=1) * 6 * splits**2
    start = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    bins = np.full(int(sizes.sum()), EMPTY, dtype=np.int32)
    centers, radii, links = hand.kernel_spheres
    last = np.array(hand.distal_links)
    rows = [np.flatnonzero(links == link) for link in last]
    own, ends = np.concatenate(rows), np.cumsum([0, *(len(r) for r in rows)])
    turns = np.zeros((count, len(last), 3, 3), dtype=np.float32)
    contacts, spheres = hand.kernel_contacts, (centers[own], radii[own], ends)
    fields = ContactFields(
        samples, bins, start, low, shape, spacing, splits, turns, contacts[0], spheres
    )
    best = np.full(len(bins), UNREACHED, dtype=np.float32)
    costs = posture_costs(hand, samples)
    fill(hand.kernel_kinematics, contacts, last, samples, costs, fields.kernel, best, turns)
    return fields
