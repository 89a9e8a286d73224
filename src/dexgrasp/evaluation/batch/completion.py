"""What a grasp from a file lacks: contacts, squeeze, pregrasp and the way in."""

from __future__ import annotations

import numpy as np

from dexgrasp.geometry import inverse, transform_points
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.squeeze import squeeze_and_pregrasp
from dexgrasp.types import Array, GraspSet

MAX_GAP = 0.015  # [m] between a finger and the surface that it is meant to touch
TIP_PREFERENCE = 0.002  # [m] that another link must be nearer than the tip to be taken
SWEEP = np.linspace(0.0, 1.0, 6)  # shares of the clearance at which the way in is looked at
EQUAL_DEPTH = 0.002  # [m] within which two ways in are equally clear


def complete_grasps(
    hand: HandModel,
    model: ObjectModel,
    T_object_palm: Array,
    joints: tuple[Array, Array, Array],
    clearance: float,
    config: SynthesisConfig,
) -> GraspSet:
    """A set in the object's frame from palm poses (n, 4, 4) and joints, each (n, J) [rad].

    joints: pregrasp, grasp, squeeze; rows of NaN in the first or the last are made by the
    squeeze rule (`squeeze_and_pregrasp`) from the contacts of the grasp: for every finger the
    point of its links nearest to the surface, within 15 mm. The way in, over `clearance` [m],
    is the clearest of the palm's own axis, the line to the object's centre and straight down.
    Raises GraspError for joints of the wrong shape.
    """
    given, grasp, squeeze = (np.array(value, dtype=float) for value in joints)
    n, fingers = len(grasp), len(hand.finger_names)
    points = np.full((n, fingers, 3), np.nan)
    normals = points.copy()
    for i in range(n):
        contacts = find_contacts(hand, model, grasp[i], T_object_palm[i])
        links, touching, where, into = contacts
        points[i, touching[touching >= 0]] = where[touching >= 0]
        normals[i, touching[touching >= 0]] = into[touching >= 0]
        missing_squeeze, missing_pregrasp = np.isnan(squeeze[i, 0]), np.isnan(given[i, 0])
        if not (missing_squeeze or missing_pregrasp):
            continue
        in_palm = transform_points(inverse(T_object_palm[i]), where)
        jacobians = hand.jacobian(grasp[i : i + 1], links, in_palm[None])[0]
        pressed, opened, *_ = squeeze_and_pregrasp(
            hand, model, config, grasp[i], T_object_palm[i], (where, into, jacobians)
        )
        squeeze[i] = pressed if missing_squeeze else squeeze[i]
        given[i] = opened if missing_pregrasp else given[i]
    return GraspSet(
        hand=hand.name,
        frame=model.name,
        T_frame_palm=T_object_palm,
        approach=clearest_approach(hand, model, T_object_palm, given, clearance),
        pregrasp=given,
        grasp=grasp,
        squeeze=squeeze,
        contact_points=points,
        contact_normals=normals,
        score=np.ones(n),
        kind=("imported",) * n,
        source="file",
    )


def find_contacts(
    hand: HandModel, model: ObjectModel, q: Array, T_object_palm: Array
) -> tuple[Array, Array, Array, Array]:
    """Where one grasp touches: links (k,), fingers (k,), points and normals into it (k, 3).

    Finger -1 is the palm, which comes first when it touches; the last finger comes last. The
    two nearest fingers always count, so that a grasp drawn a little too wide can still squeeze.
    """
    candidates = hand.contacts
    poses = T_object_palm @ hand.forward(q[None])[0]
    points = transform_points(poses[candidates.link], candidates.point[:, None])[:, 0]
    distance, gradient = model.sdf.query(points)
    gap = np.abs(distance) + np.where(candidates.tip, 0.0, TIP_PREFERENCE)
    fingers = range(-1, len(hand.finger_names))
    best = np.array([np.where(candidates.finger == f, gap, np.inf).argmin() for f in fingers])
    near = gap[best] < MAX_GAP
    near[1:][np.argsort(gap[best[1:]])[:2]] = True
    rows = best[near]
    into = -gradient[rows] / np.maximum(np.linalg.norm(gradient[rows], axis=1), 1e-9)[:, None]
    where = points[rows] + distance[rows, None] * into
    return candidates.link[rows], candidates.finger[rows], where, into


def clearest_approach(
    hand: HandModel, model: ObjectModel, T_object_palm: Array, pregrasp: Array, clearance: float
) -> Array:
    """(n, 3) unit directions in the object's frame along which the opened hand enters least.

    The object stands on the table as `ObjectModel.T_table_object` says; earlier candidates
    win where two are equally clear.
    """
    centers = hand.sphere_positions(pregrasp)
    centers = np.einsum("nij,nsj->nsi", T_object_palm[:, :3, :3], centers)
    centers += T_object_palm[:, None, :3, 3]
    own = T_object_palm[:, :3, :3] @ hand.T_palm_grasp[:3, 2]
    palm_center = transform_points(T_object_palm, hand.T_palm_grasp[None, :3, 3])[:, 0]
    inward = np.asarray(model.com) - palm_center
    inward /= np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-9)
    down = np.broadcast_to(-model.T_table_object[2, :3], own.shape)
    directions = np.stack([own, inward, down], axis=1)
    depth = np.stack(
        [_swept_depth(hand, model, centers, d, clearance) for d in directions.swapaxes(0, 1)], 1
    )
    choice = (depth < depth.min(axis=1, keepdims=True) + EQUAL_DEPTH).argmax(axis=1)
    return directions[np.arange(len(own)), choice]


def _swept_depth(
    hand: HandModel, model: ObjectModel, centers: Array, direction: Array, clearance: float
) -> Array:
    """(n,) deepest overlap of the covering spheres with object and table on the way in [m]."""
    up, height = model.T_table_object[2, :3], model.T_table_object[2, 3]
    worst = np.zeros(len(centers))
    for share in SWEEP:
        moved = centers - share * clearance * direction[:, None]
        distance = np.minimum(model.sdf.query(moved)[0], moved @ up + height)
        worst = np.maximum(worst, (hand.sphere_radii - distance).max(axis=1))
    return worst
