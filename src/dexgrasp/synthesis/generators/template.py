"""Templates of the hand matched to the surface and pulled onto it by the physics engine.

After Dexonomy (arXiv 2504.18829): a posture with its contacts stays rigid while its pose is
optimised; contacts that come near a surface they face and that balance are kept; MuJoCo then
draws them onto the surface, the joints giving way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dexgrasp.errors import NoGraspError
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.synthesis.candidates import Candidates
from dexgrasp.synthesis.condition import Condition
from dexgrasp.synthesis.config import SynthesisConfig
from dexgrasp.synthesis.forces import holding_forces
from dexgrasp.synthesis.generators.effort import lighter
from dexgrasp.synthesis.generators.placement import (
    aimed_palms,
    grasp_types,
    region_spots,
    spots_at,
    surface_at,
    touching,
)
from dexgrasp.synthesis.generators.template_hands import HandTemplates, hand_templates
from dexgrasp.synthesis.generators.template_matching import match
from dexgrasp.synthesis.generators.template_pulling import PulledContacts, PulledHand
from dexgrasp.synthesis.generators.template_settings import TemplateConfig
from dexgrasp.synthesis.geometry import GraspGeometry
from dexgrasp.types import Array


@lru_cache(maxsize=1)
def settings() -> TemplateConfig:
    """The shipped figures, read once."""
    return TemplateConfig.load()


@dataclass
class Matches:
    """n templates at poses: row (n,) of the template, T_object_palm (n, 4, 4), reports (n, 3)."""

    rows: Array
    palms: Array
    reports: Array

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: Array) -> Matches:
        """Those at `chosen` (indices or a mask), in that order."""
        return Matches(self.rows[chosen], self.palms[chosen], self.reports[chosen])


def propose(
    hand: HandModel,
    geometry: GraspGeometry,
    config: SynthesisConfig,
    condition: Condition,
    rng: np.random.Generator,
    effort: float = 1.0,
) -> Candidates:
    """At most `worlds` matches after the pull. Raises NoGraspError when no template fits."""
    figures = lighter(settings(), effort, "starts", "worlds")
    templates = hand_templates(hand, grasp_types(hand, geometry, condition), figures.openings)
    matches = matched(hand, geometry, templates, condition, figures, rng)
    found = len(matches)
    matches = fitting(hand, geometry, templates, matches, figures)
    if not len(matches):
        raise NoGraspError(
            f"none of {found} poses of {len(templates)} templates of {hand.name} fits "
            f"{geometry.model.name}; ask for other grasp types, or another generator"
        )
    return pull(hand, geometry, templates, matches, figures)


def matched(
    hand: HandModel,
    geometry: GraspGeometry,
    templates: HandTemplates,
    condition: Condition,
    figures: TemplateConfig,
    rng: np.random.Generator,
) -> Matches:
    """`starts` templates in turn, each at the pose near its start that fits best."""
    count = figures.starts
    rows = np.arange(count) % len(templates)
    points, normals, spacing = region_spots(geometry, condition, rng)
    spots = spots_at(geometry, condition, points, normals) if len(points) else None
    kinds = {kind.name: kind for kind in grasp_types(hand, geometry, condition)}
    palms = aimed_palms(
        hand,
        geometry,
        condition,
        [kinds[templates.kinds[row]] for row in rows],
        templates.points[rows],
        templates.used[rows],
        spots,
        geometry.bounds,
        rng,
    )
    reports = np.zeros((count, 3))
    sdf = geometry.model.sdf
    match(
        (sdf.grid, sdf.origin, sdf.spacing),
        points,
        spacing,
        figures.steps,
        np.array(figures.rates),
        palms,
        templates.points[rows],
        templates.normals[rows],
        templates.used[rows],
        reports,
    )
    return Matches(rows, palms, reports)


def fitting(
    hand: HandModel,
    geometry: GraspGeometry,
    templates: HandTemplates,
    matches: Matches,
    figures: TemplateConfig,
) -> Matches:
    """At most `worlds` matches that touch, face, stay out and balance, in the starts' order.

    That order is random in pose and even in the templates, which keeps the choice diverse.
    """
    near = matches.reports[:, 0] < figures.max_distance
    near &= matches.reports[:, 1] < figures.max_angle
    matches = matches.take(near)
    matches = matches.take(outside(hand, geometry, templates, matches, figures.max_depth))
    chosen: list[int] = []
    for n in range(len(matches)):
        if unbalanced(geometry, templates, matches, n, figures.friction) < figures.max_residual:
            chosen.append(n)
        if len(chosen) == figures.worlds:
            break
    return matches.take(np.array(chosen, dtype=int))


def outside(
    hand: HandModel,
    geometry: GraspGeometry,
    templates: HandTemplates,
    matches: Matches,
    depth: float,
) -> Array:
    """(n,) bool: covering spheres reach less than `depth` [m] into the object and the table."""
    centers = hand.sphere_positions(templates.joints)[matches.rows]
    placed = transform_points(matches.palms, centers)
    distance = np.minimum(geometry.model.sdf.query(placed)[0], placed[..., 2] - geometry.table)
    return (hand.sphere_radii - distance).max(axis=1, initial=-np.inf) < depth


def unbalanced(
    geometry: GraspGeometry, templates: HandTemplates, matches: Matches, n: int, friction: float
) -> float:
    """Residual of `holding_forces` of one match without load, each side pressing alike."""
    row = matches.rows[n]
    used = templates.used[row]
    points = transform_points(matches.palms[n], templates.points[row, used])
    inward = -surface_at(geometry, points)[1]
    pressing = np.full(len(points), 1.0 / max(len(points) - 1, 1))
    pressing[-1] = 1.0
    center = np.asarray(geometry.model.com, dtype=float)
    return holding_forces(points, inward, pressing, np.zeros(3), center, friction)[1]


def pull(
    hand: HandModel,
    geometry: GraspGeometry,
    templates: HandTemplates,
    matches: Matches,
    figures: TemplateConfig,
) -> Candidates:
    """The matches with their contacts drawn to the nearest points of the surface."""
    rows = matches.rows
    points = transform_points(matches.palms, templates.points[rows])
    distance, slope = surface_at(geometry, points)
    point, _, link, _ = hand.kernel_contacts
    chosen, used = templates.chosen[rows], templates.used[rows]
    contacts = PulledContacts(
        link[chosen], point[chosen], points - distance[..., None] * slope, used
    )
    hands = PulledHand(hand, geometry, matches.palms, templates.joints[rows], figures.pull)
    palms, joints = hands.pull(contacts)
    kinds = np.array([templates.kinds[row] for row in rows], dtype=object)
    return touching(hand, geometry, palms, joints, used, kinds, matches.reports[:, 2])
