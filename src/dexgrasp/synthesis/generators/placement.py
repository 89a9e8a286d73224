"""Where generators begin: palms around an object, aimed at what the condition asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import trimesh

from dexgrasp.errors import NoGraspError
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.hands.config import GraspTypeConfig
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.synthesis.sampling import (
    Starts,
    approach_directions,
    cone_directions,
    finger_directions,
    from_above,
)
from dexgrasp.synthesis.walls import THICKEST, Spots, opposite, rim_spots
from dexgrasp.types import Array

SURFACE_SAMPLES = 4000  # points of the surface among which those of a region are looked for
SPOTS = 128  # points that stand for a region in compiled code
SPREAD = 0.22  # standard deviation of a target in edge lengths of the box
NOISE = 0.12  # standard deviation of the joints around a posture [rad]
TURN_COST = 0.012  # [m] that a contact which looks away counts as far, as in `kernels.energy`
WALL = 0.005  # [m] below the surface around which the fingers close where no side is opposite
WIDEST = 0.08  # [m] between two fingers that oppose each other
CHOICES = 4  # spots drawn for a palm, of which the one that lies best across it is taken


def grasp_types(
    hand: HandModel, geometry: GraspGeometry, condition: Condition
) -> Sequence[GraspTypeConfig]:
    """Those of the hand's types that are asked for and that the object allows.

    Raises UnknownNameError, and NoGraspError where a rim is asked for and there is none.
    """
    asked = condition.grasp_types(hand)
    allowed = [k for k in asked if k.place != "rim" or len(wanted_rim(geometry, condition))]
    if not allowed:
        raise NoGraspError(
            f"{geometry.model.name} has no rim"
            + (" where contacts are asked for" if condition.somewhere else "")
            + f": no upright wall below {1e3 * THICKEST:g} mm with a free upper edge and room for "
            "fingertips on both sides; ask for another grasp type"
        )
    return allowed


def wanted_rim(geometry: GraspGeometry, condition: Condition) -> Spots:
    """The object's rim, as far as contacts are wanted there."""
    spots = rim_spots(geometry.model)
    return spots.take(condition.wanted(spots.points, spots.normals))


def region_spots(
    geometry: GraspGeometry, condition: Condition, rng: np.random.Generator
) -> tuple[Array, Array, float]:
    """Points (k, 3) of the surface where contacts are wanted, normals, and their spacing [m].

    No points where contacts may be anywhere. Raises NoGraspError where they may be nowhere.
    """
    if not condition.somewhere:
        return np.zeros((0, 3)), np.zeros((0, 3)), 0.0
    mesh = geometry.model.mesh
    seed = int(rng.integers(2**31))
    drawn = trimesh.sample.sample_surface(mesh, SURFACE_SAMPLES, seed=seed)
    points, normals = np.asarray(drawn[0]), np.asarray(mesh.face_normals)[drawn[1]]
    inside = np.flatnonzero(condition.wanted(points, normals))
    if not len(inside):
        raise NoGraspError(
            f"the region holds none of {SURFACE_SAMPLES} points of the surface of "
            f"{geometry.model.name}; give a region that meets the surface"
        )
    area = mesh.area * len(inside) / SURFACE_SAMPLES
    rows = rng.permutation(inside)[:SPOTS]
    return points[rows], normals[rows], float(np.sqrt(area / len(rows)))


def spots_at(geometry: GraspGeometry, condition: Condition, points: Array, normals: Array) -> Spots:
    """Surface points (k, 3) as places to close around.

    Where the other side of the object is near and contacts are wanted there, too, fingers
    oppose each other across; else they close around a point shortly below the surface.
    """
    thickness, others = opposite(geometry.model, points, normals)
    ends = points - np.where(thickness < WIDEST, thickness, 0.0)[:, None] * normals
    both = (thickness < WIDEST) & condition.wanted(ends, others)
    depth = np.where(both, 0.5 * thickness, WALL)[:, None]
    return Spots(
        points, normals, points - depth * normals, np.where(both[:, None], normals, np.nan)
    )


def starts_around(
    hand: HandModel,
    geometry: GraspGeometry,
    condition: Condition,
    types: Sequence[GraspTypeConfig],
    spots: Spots | None,
    box: tuple[Array, Array],
    count: int,
    rng: np.random.Generator,
) -> Starts:
    """`count` starts of the types in turn, whose fingers close around spots or inside a box.

    spots: where contacts are wanted; None: anywhere.  box: corners (3,) of what can be touched.
    """
    kinds = [types[n % len(types)] for n in range(count)]
    postures = np.array([hand.postures[kind.posture] for kind in types])
    members = np.array([[f in kind.fingers for f in hand.finger_names] for kind in types])
    turn = np.arange(count) % len(types)
    joints, used = postures[turn], members[turn]
    tips = hand.fingertips(postures)[turn]
    palms = aimed_palms(hand, geometry, condition, kinds, tips, used, spots, box, rng)
    noisy = hand.clip(joints + rng.normal(0.0, NOISE, joints.shape))
    return Starts(palms, noisy, joints, used, [kind.name for kind in kinds])


def aimed_palms(
    hand: HandModel,
    geometry: GraspGeometry,
    condition: Condition,
    kinds: Sequence[GraspTypeConfig],
    tips: Array,
    used: Array,
    spots: Spots | None,
    box: tuple[Array, Array],
    rng: np.random.Generator,
) -> Array:
    """T_object_palm (n, 4, 4) of hands that close around spots or inside a box.

    kinds: n types.  tips: (n, F, 3) contacts in the palm [m], of which `used` (n, F) touch.
    spots, box: as in `starts_around`.
    """
    n = len(kinds)
    rim = np.array([kind.place == "rim" for kind in kinds])
    approach = approaches(condition, n, rng)
    along = finger_directions(approach, rng)
    targets = targets_in(box, geometry.table, n, rng)
    across = np.full((n, 3), np.nan)
    groups = [(~rim, spots)] if spots is not None else []
    if rim.any():
        if condition.approach is None:
            approach[rim] = from_above(int(rim.sum()), rng)
        groups.append((rim, wanted_rim(geometry, condition)))
    for rows, places in groups:
        chosen = chosen_spots(places, approach[rows], rng)
        targets[rows], across[rows] = chosen.middles, chosen.across
    return palms_around(hand, tips, used, targets, approach, along, across)


def approaches(condition: Condition, count: int, rng: np.random.Generator) -> Array:
    """(count, 3) unit directions of the palm's motion: within the cone asked for, or any."""
    if condition.approach is None:
        return approach_directions(count, rng)
    return cone_directions(condition.approach, condition.cone, count, rng)


def targets_in(
    box: tuple[Array, Array], table: float, count: int, rng: np.random.Generator
) -> Array:
    """(count, 3) points around the middle of a box, above the table [m]."""
    low, high = box
    size = high - low
    points = 0.5 * (low + high)
    points = points + np.clip(rng.normal(0.0, SPREAD, (count, 3)), -0.45, 0.45) * size
    points[:, 2] = np.maximum(points[:, 2], table + min(0.02, 0.5 * size[2]))
    return points


def chosen_spots(spots: Spots, approach: Array, rng: np.random.Generator) -> Spots:
    """A spot for each approach (n, 3): of a few, the one whose opposition lies best across it.

    Either of two opposing sides may be the thumb's.
    """
    drawn = rng.integers(len(spots), size=(len(approach), CHOICES))
    slant = np.abs((spots.across[drawn] * approach[:, None]).sum(axis=2))
    best = np.argmin(np.where(np.isnan(slant), 0.5, slant), axis=1)
    chosen = spots.take(drawn[np.arange(len(approach)), best])
    flip = np.where(rng.random(len(approach)) < 0.5, -1.0, 1.0)[:, None]
    return Spots(chosen.points, chosen.normals, chosen.middles, flip * chosen.across)


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
    hand: HandModel,
    tips: Array,
    used: Array,
    targets: Array,
    approach: Array,
    along: Array,
    across: Array,
) -> Array:
    """T_object_palm (n, 4, 4) whose used tips (n, F, 3), in the palm [m], close around targets.

    targets: (n, 3) [m].  approach, along: (n, 3) unit directions of the palm's motion and of its
    extended fingers.  across: (n, 3) from the thumb to the other tips; where it is not NaN, the
    palm turns about its approach until they lie so.
    """
    middles = closures(tips, used)
    opposed = (middles - tips[:, -1]) @ hand.T_palm_grasp[:3, :2]
    opposed /= np.maximum(np.linalg.norm(opposed, axis=1, keepdims=True), 1e-9)
    flat = across - (across * approach).sum(axis=1, keepdims=True) * approach
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    turned = opposed[:, :1] * flat - opposed[:, 1:] * np.cross(approach, flat)
    along = np.where(np.linalg.norm(turned, axis=1, keepdims=True) > 0.5, turned, along)
    turn = np.stack([along, np.cross(approach, along), approach], axis=2)
    palms = np.tile(np.eye(4), (len(targets), 1, 1))
    palms[:, :3, :3] = turn @ hand.T_palm_grasp[:3, :3].T
    palms[:, :3, 3] = targets - np.einsum("nij,nj->ni", palms[:, :3, :3], middles)
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
