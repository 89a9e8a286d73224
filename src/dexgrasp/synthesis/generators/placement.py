"""Where generators begin and what they must keep: palms around an object under a condition."""

from __future__ import annotations

import numpy as np
import trimesh

from dexgrasp.errors import NoGraspError
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.sampling import approach_directions, finger_directions, unit
from dexgrasp.types import Array

SURFACE_SAMPLES = 4000  # points of the surface among which those of a region are looked for
SPOTS = 128  # points that stand for a region in compiled code
SPREAD = 0.22  # standard deviation of a target in edge lengths, as in `sample_starts`
TURN_COST = 0.012  # [m] that a contact which looks away counts as far, as in `kernels.energy`
WALL = 0.005  # [m] below the surface of a region around which the fingers close


def approaches(condition: Condition, count: int, rng: np.random.Generator) -> Array:
    """(count, 3) unit directions of the palm's motion: within the cone asked for, or any."""
    if condition.approach is None:
        return approach_directions(count, rng)
    axis = unit(np.asarray(condition.approach, dtype=float))
    across = rng.normal(size=(count, 3))
    across = unit(across - (across @ axis)[:, None] * axis)
    # Uniform by area on the cap, and off its border, which a later step could cross.
    cosine = rng.uniform(np.cos(0.8 * condition.cone), 1.0, count)
    return cosine[:, None] * axis + np.sqrt(1.0 - cosine**2)[:, None] * across


def region_spots(
    geometry: GraspGeometry, condition: Condition, rng: np.random.Generator
) -> tuple[Array, float]:
    """Points (k, 3) of the surface in the condition's region and their spacing [m].

    No points where no region is asked for. Raises NoGraspError where a region is empty.
    """
    if condition.region is None:
        return np.zeros((0, 3)), 0.0
    mesh = geometry.model.mesh
    seed = int(rng.integers(2**31))
    points = np.asarray(trimesh.sample.sample_surface(mesh, SURFACE_SAMPLES, seed=seed)[0])
    inside = points[condition.region(points)]
    if not len(inside):
        raise NoGraspError(
            f"the region holds none of {SURFACE_SAMPLES} points of the surface of "
            f"{geometry.model.name}; give a region that meets the surface"
        )
    area = mesh.area * len(inside) / SURFACE_SAMPLES
    spots = inside[rng.permutation(len(inside))[:SPOTS]]
    return spots, float(np.sqrt(area / len(spots)))


def targets(geometry: GraspGeometry, spots: Array, count: int, rng: np.random.Generator) -> Array:
    """(count, 3) points around which the fingers shall close: in the region, or anywhere."""
    if len(spots):
        chosen = spots[rng.integers(len(spots), size=count)]
        return chosen - WALL * surface_at(geometry, chosen)[1]
    low, high = geometry.bounds
    size = high - low
    points = 0.5 * (low + high)
    points = points + np.clip(rng.normal(0.0, SPREAD, (count, 3)), -0.45, 0.45) * size
    points[:, 2] = np.maximum(points[:, 2], geometry.table + min(0.02, 0.5 * size[2]))
    return points


def surface_at(geometry: GraspGeometry, points: Array) -> tuple[Array, Array]:
    """Signed distance (...,) [m] and outward unit normal (..., 3) of the object at points.

    The grid's own gradient is not of unit length in thin walls and on edges.
    """
    distance, slope = geometry.model.sdf.query(points)
    return distance, slope / np.maximum(np.linalg.norm(slope, axis=-1, keepdims=True), 1e-9)


def closures(tips: Array, used: Array) -> Array:
    """(n, 3) middle between the thumb, the last finger, and the mean of the other used tips.

    tips: (n, F, 3).  used: (n, F) bool, the thumb among them.
    """
    share = used[:, :-1, None] / used[:, :-1].sum(axis=1)[:, None, None]
    return 0.5 * ((tips[:, :-1] * share).sum(axis=1) + tips[:, -1])


def palms_around(
    hand: HandModel, middles: Array, aims: Array, approach: Array, rng: np.random.Generator
) -> Array:
    """T_object_palm (n, 4, 4) that put `middles` (n, 3), in the palm [m], at `aims` (n, 3).

    approach: (n, 3) unit directions of the palm's motion in the object's frame.
    """
    along = finger_directions(approach, rng)
    turn = np.stack([along, np.cross(approach, along), approach], axis=2)
    palms = np.tile(np.eye(4), (len(aims), 1, 1))
    palms[:, :3, :3] = turn @ hand.T_palm_grasp[:3, :3].T
    palms[:, :3, 3] = aims - np.einsum("nij,nj->ni", palms[:, :3, :3], middles)
    return palms


def touching(
    hand: HandModel,
    geometry: GraspGeometry,
    palms: Array,
    joints: Array,
    used: Array,
    kinds: Array,
    energy: Array,
) -> Candidates:
    """Candidates of posed hands: of each finger the tip contact nearest to the surface it faces.

    palms: T_object_palm (n, 4, 4).  joints: (n, J) [rad].  used: (n, F).  kinds, energy: (n,).
    """
    point, normal, link, finger = hand.kernel_contacts
    poses = (palms[:, None] @ hand.forward(joints))[:, link]
    points = transform_points(poses, point[:, None])[:, :, 0]
    facings = (poses[..., :3, :3] @ normal[..., None])[..., 0]
    distance, surfaces = surface_at(geometry, points)
    cost = np.abs(distance) + TURN_COST * (1.0 + (facings * surfaces).sum(axis=2))
    chosen = np.stack(
        [
            np.flatnonzero(finger == f)[np.argmin(cost[:, finger == f], axis=1)]
            for f in range(used.shape[1])
        ],
        axis=1,
    )
    rows = np.arange(len(palms))[:, None]
    tips, facings, surfaces = (a[rows, chosen] for a in (points, facings, surfaces))
    return Candidates(palms, joints, used, tips, facings, surfaces, kinds, energy)


def fulfils(hand: HandModel, condition: Condition, candidates: Candidates) -> Array:
    """(n,) bool: every used fingertip is in the region and the palm comes within the cone."""
    kept = np.ones(len(candidates), dtype=bool)
    if condition.region is not None and len(kept):
        inside = condition.region(candidates.tips.reshape(-1, 3)).reshape(candidates.used.shape)
        kept &= (inside | ~candidates.used).all(axis=1)
    if condition.approach is not None:
        coming = candidates.palms[:, :3, :3] @ hand.T_palm_grasp[:3, 2]
        axis = unit(np.asarray(condition.approach, dtype=float))
        kept &= coming @ axis >= np.cos(condition.cone)
    return kept
