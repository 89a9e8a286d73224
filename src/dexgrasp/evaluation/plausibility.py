"""The mesh-plausibility modality: does the hand touch the object, and not enter it?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import trimesh

from dexgrasp.errors import GraspError
from dexgrasp.evaluation import metrics
from dexgrasp.evaluation.cells import cells_inside
from dexgrasp.evaluation.reach import hand_contact, reachable
from dexgrasp.evaluation.solid_pairs import deepest_overlap, depth_below
from dexgrasp.evaluation.solids import Solids, points_near
from dexgrasp.hands import HandModel
from dexgrasp.hands.clusters import Clusters
from dexgrasp.objects import ObjectModel
from dexgrasp.types import Array

CONTACT_THRESHOLD = 0.005  # [m], DexGraspBench's rule for fingertips
MAX_VOLUME = 1e-5  # [m3], the survey, section 6
MIN_CONTACTS = 3  # distinct fingertips, the survey, section 6
SURFACE_DENSITY = 5e5  # points per m2 of object surface: one per 2 mm2
MAX_SURFACE_POINTS = 20_000
BATCH = 64  # grasps whose intermediate arrays stay in the processor's cache


@dataclass(frozen=True)
class Plausibility:
    """Figures of one posed hand against the true mesh.

    penetration_volume [m3], penetration_depth [m], contact_count: distinct fingertips,
    contact_area [m2], passed: little penetration and at least three fingertips.
    self_penetration: depth [m] of the deepest pair of links that may not overlap.
    table_penetration: depth [m] of the hand's lowest point below the table; None without one.
    """

    penetration_volume: float
    penetration_depth: float
    contact_count: int
    contact_area: float
    passed: bool
    self_penetration: float
    table_penetration: float | None

    @property
    def contact_area_cm2(self) -> float:
        """Contact area in the survey's unit [cm2]."""
        return 1e4 * self.contact_area


def plausibility(
    hand: HandModel,
    q: Array,
    T_object_palm: Array,
    model: ObjectModel,
    table: Array | None = None,
    contact_threshold: float = CONTACT_THRESHOLD,
) -> Plausibility:
    """`plausibilities` of one grasp: q (J,) [rad], T_object_palm (4, 4)."""
    q, T = np.asarray(q)[None], np.asarray(T_object_palm)[None]
    return plausibilities(hand, q, T, model, table, contact_threshold)[0]


def plausibilities(
    hand: HandModel,
    q: Array,
    T_object_palm: Array,
    model: ObjectModel,
    table: Array | None = None,
    contact_threshold: float = CONTACT_THRESHOLD,
) -> list[Plausibility]:
    """Judge n grasps of one object against its true mesh.

    q: (n, J) [rad].  T_object_palm: (n, 4, 4), the palm in the object's mesh frame.
    table: (4,) plane in that frame, normal and offset [m]; the free side is where
    normal · x + offset >= 0.  contact_threshold: gap [m] below which surfaces touch.
    Volume: 1 mm cells inside both (the survey, section 6).  Depth: distance to the mesh of the
    deepest point found on the hand (`reach`).  Self-penetration: exact between the hand's
    primitives (`solid_pairs`).  Contact area: object surface near the hand.
    Raises GraspError for arrays of the wrong shape or with NaN, ValueError for a bad table.
    """
    q, T_object_palm = np.asarray(q, dtype=float), np.asarray(T_object_palm, dtype=float)
    _check_poses(q, T_object_palm)
    plane = None if table is None else _unit_plane(table)
    judged: list[Plausibility] = []
    for start in range(0, len(q), BATCH):
        rows = slice(start, start + BATCH)
        judged += _judge(hand, q[rows], T_object_palm[rows], model, plane, contact_threshold)
    return judged


def _judge(
    hand: HandModel,
    q: Array,
    T_object_palm: Array,
    model: ObjectModel,
    plane: Array | None,
    threshold: float,
) -> list[Plausibility]:
    T_object_link = T_object_palm[:, None] @ hand.forward(q)
    solids = Solids.posed(hand.primitives, T_object_link)
    gap = reachable(model, solids.pose[..., :3, 3]) - solids.radius
    voxels, surface = model.voxels, _surface(model)
    cells = cells_inside(solids, voxels, gap <= 0.0)
    touched = points_near(solids, surface, threshold, gap <= threshold)
    depth, fingers = hand_contact(hand, T_object_link, model, threshold)
    own = deepest_overlap(solids, meeting_pairs(hand))
    below = None if plane is None else depth_below(solids, plane)
    area = float(model.mesh.area) / len(surface.points)
    volumes = [metrics.penetration_volume(int(count), voxels.edge) for count in cells]
    return [
        Plausibility(
            penetration_volume=volume,
            penetration_depth=float(depth[n]),
            contact_count=int(fingers[n].sum()),
            contact_area=float(touched[n]) * area,
            passed=bool(volume < MAX_VOLUME and fingers[n].sum() >= MIN_CONTACTS),
            self_penetration=float(own[n]),
            table_penetration=None if below is None else float(below[n]),
        )
        for n, volume in enumerate(volumes)
    ]


def _check_poses(q: Array, T_object_palm: Array) -> None:
    if q.ndim != 2 or T_object_palm.shape != (len(q), 4, 4):
        raise GraspError(
            f"joints {q.shape} and palm poses {T_object_palm.shape} do not match; expected "
            "(n, J) and (n, 4, 4)"
        )
    bad = np.flatnonzero(~np.isfinite(T_object_palm).all(axis=(1, 2)))
    if len(bad):
        raise GraspError(f"the palm pose of grasp {bad[0]} is not finite")


def _unit_plane(table: Array) -> Array:
    plane = np.asarray(table, dtype=float)
    length = np.linalg.norm(plane[:3]) if plane.shape == (4,) else np.nan
    if not (np.isfinite(plane).all() and length > 0.0):
        raise ValueError(f"table {table} is not a plane; expected (4,): a normal and an offset [m]")
    return plane / length


@lru_cache(maxsize=32)
def _surface(model: ObjectModel) -> Clusters:
    """Points spread evenly over the object's surface."""
    count = int(np.clip(model.mesh.area * SURFACE_DENSITY, 1000, MAX_SURFACE_POINTS))
    return Clusters.of(np.asarray(trimesh.sample.sample_surface(model.mesh, count, seed=0)[0]))


@lru_cache(maxsize=8)
def meeting_pairs(hand: HandModel) -> Array:
    """(p, 2) primitives of links that can meet; left out if they overlap in the open hand."""
    links = np.unique(np.sort(hand.sphere_link[hand.self_collision_pairs], axis=1), axis=0)
    first, second = np.triu_indices(len(hand.primitives), 1)
    link = np.array([p.link for p in hand.primitives])
    key = np.sort(np.stack([link[first], link[second]], axis=1), axis=1)
    meets = (key[:, None] == links[None]).all(axis=2).any(axis=1)
    pairs = np.stack([first, second], axis=1)[meets]
    opened = Solids.posed(hand.primitives, hand.forward(hand.postures["open"]))
    apart = [deepest_overlap(opened, pair[None])[0] == 0.0 for pair in pairs]
    return np.ascontiguousarray(pairs[np.array(apart, dtype=bool)])
