"""Q1 as other projects normalise it. Figures of different presets do not compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexgrasp.errors import UnknownNameError
from dexgrasp.evaluation.metrics.wrench import contact_wrenches, min_weight, q1
from dexgrasp.types import Array


@dataclass(frozen=True)
class Q1Preset:
    """How a project turns contacts into its figure.

    friction, edges: of the friction cones.  arm: [m] that torques are divided by; None is
    the contacts' mean distance from the centre.  centre_on_contacts: torques are about the
    contacts' mean, whatever centre is given.  contact_threshold: gap [m] below which a point
    is a contact: for the caller, who chooses the contacts.
    max_penetration, max_table_penetration: [m] from which on the figure is that of no closure.
    ceiling: the largest figure.  open_value: the figure without closure.
    subtracted_from: the figure is this number minus the radius, so that lower is better.
    """

    friction: float
    edges: int
    contact_threshold: float
    arm: float | None = None
    centre_on_contacts: bool = False
    max_penetration: float = np.inf
    max_table_penetration: float = np.inf
    ceiling: float = np.inf
    open_value: float = 0.0
    subtracted_from: float | None = None


# src/task/eval_func/fc_metric/{base,q1}.py and config/task/eval.yaml at 1e7a5a6f: half of the
# simulator's 0.6; fingertips within 5 mm, averaged per body; adds the origin to the hull, so
# open grasps have radius 0 and the figure 2, the worst. Radii are cut at 2.
DEXGRASPBENCH = Q1Preset(
    friction=0.3,
    edges=8,
    contact_threshold=0.005,
    centre_on_contacts=True,
    ceiling=2.0,
    subtracted_from=2.0,
)
# dexgrasp_generation's q1 (facts/grasping.md): torque times 10 about the object's origin, the
# origin added to the hull, cut at 1; nearest point of each link within 10 mm.
UNIDEXGRASP = Q1Preset(
    friction=1.0,
    edges=8,
    contact_threshold=0.010,
    arm=0.1,
    max_penetration=0.005,
    max_table_penetration=0.010,
    ceiling=1.0,
)
# frogger/metrics.py: raw torque [Nm] about the centre of mass, -1 without closure. Contacts are
# exact: one per fingertip, on the surface.
FROGGER = Q1Preset(
    friction=0.7,
    edges=4,
    contact_threshold=0.0,
    arm=1.0,
    open_value=-1.0,
)
Q1_PRESETS = {"dexgraspbench": DEXGRASPBENCH, "unidexgrasp": UNIDEXGRASP, "frogger": FROGGER}


def preset_q1(
    preset: Q1Preset | str,
    points: Array,
    normals: Array,
    center: Array,
    penetration: float = 0.0,
    table_penetration: float = 0.0,
) -> float:
    """Q1 of contacts (k, 3) [m] with unit normals (k, 3) into the object, as a project reports it.

    preset: one of Q1_PRESETS, or its name.  center: (3,) [m] that torques are about unless the
    preset has its own: the object's origin for UniDexGrasp, its centre of mass for FRoGGeR.
    penetration, table_penetration: depths [m].  Raises UnknownNameError.
    """
    if isinstance(preset, str):
        if preset not in Q1_PRESETS:
            raise UnknownNameError("Q1 preset", preset, Q1_PRESETS)
        preset = Q1_PRESETS[preset]
    points, normals = np.asarray(points, dtype=float), np.asarray(normals, dtype=float)
    if preset.centre_on_contacts and len(points):
        center = points.mean(axis=0)
    radius = q1(points, normals, center, preset.friction, preset.arm, edges=preset.edges)
    if penetration >= preset.max_penetration or table_penetration >= preset.max_table_penetration:
        radius = 0.0
    figure = min(radius, preset.ceiling) if radius > 0.0 else preset.open_value
    return figure if preset.subtracted_from is None else preset.subtracted_from - figure


def frogger_min_weight(points: Array, normals: Array, center: Array) -> float:
    """FRoGGeR's own figure of contacts (k, 3): `min_weight`, which it asks to be at least 0.3."""
    if len(points) == 0:
        return -1.0
    return min_weight(
        contact_wrenches(points, normals, center, FROGGER.friction, 1.0, edges=FROGGER.edges)
    )


def average_contacts(points: Array, normals: Array, body: Array) -> tuple[Array, Array]:
    """One contact per body (k,): mean points (b, 3) and unit mean normals (b, 3).

    DexGraspBench's rule. Raises ValueError where a body's normals cancel out.
    """
    bodies = np.unique(body)
    points = np.array([points[body == b].mean(axis=0) for b in bodies]).reshape(-1, 3)
    normals = np.array([normals[body == b].mean(axis=0) for b in bodies]).reshape(-1, 3)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    if (length < 1e-9).any():
        raise ValueError(f"the contact normals of body {bodies[length.argmin()]} cancel out")
    return points, normals / length


def nearest_contacts(
    points: Array, normals: Array, distance: Array, body: Array, threshold: float
) -> tuple[Array, Array]:
    """Each body's point (k, 3) nearest to the object, if within `threshold` [m], and its normal.

    distance: (k,) [m].  body: (k,).  UniDexGrasp's rule.
    """
    rows = [np.flatnonzero(body == b) for b in np.unique(body)]
    nearest = np.array([row[np.argmin(distance[row])] for row in rows], dtype=int)
    nearest = nearest[distance[nearest] < threshold]
    return points[nearest], normals[nearest]
