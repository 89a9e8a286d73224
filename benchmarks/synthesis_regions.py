"""Grasps that are asked to touch a part of an object: do they?"""

from __future__ import annotations

from typing import Any

import numpy as np
from synthesis_judge import Job, Setup, Thing, loaded_hand, tell, timed, verdicts, warm_up
from synthesis_report import Figure, Section, share, total

from dexgrasp.evaluation.plausibility import CONTACT_THRESHOLD
from dexgrasp.evaluation.reach import HAND_POINTS
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel, exact_signed_distance
from dexgrasp.synthesis import Condition, part_region
from dexgrasp.synthesis.source import mesh_target
from dexgrasp.types import Array, GraspSet

REGIONS = (("mug", "handle"), ("hammer", "handle"), ("mustard_bottle", "body"), ("bowl", "rim"))
COUNT = 20
INSIDE = 0.80  # share of contacts (issue 4)


def regions(setup: Setup) -> Section:
    """Issue 4's four parts, on the catalogue's labelled objects."""
    rows: list[dict[str, Any]] = []
    judged: list[dict[str, Any]] = []
    jobs: list[Job] = []
    for name in setup.hands:
        hand = loaded_hand(name)
        warm_up(setup, hand)
        for thing, part in ((Thing(o, o), part) for o, part in REGIONS):
            row, grasps = _asked(setup, hand, thing, part)
            rows.append(row)
            tell(f"regions: {name} {thing.name} {part}: {row['inside']} of {row['contacts']}")
            if grasps is not None:
                judged.append(row)
                jobs.append(Job(name, thing, grasps))
    for row, verdict in zip(judged, verdicts(jobs, "regions"), strict=True):
        row["valid"] = int(verdict.valid.sum())
    columns = (
        "hand", "object", "part", "returned", "contacts", "inside", "share", "cpu_s", "cost",
        "valid", "words",
    )  # fmt: skip
    return Section(rows, _figures(setup, rows), columns)


def _asked(
    setup: Setup, hand: HandModel, thing: Thing, part: str
) -> tuple[dict[str, Any], GraspSet | None]:
    model = thing.load()
    target = mesh_target(thing.name, model)
    _ = target.geometry.model.sdf, target.geometry.model.pieces
    condition = Condition(region=part_region(target.geometry.model, part))
    found = timed(setup.synthesizer(), hand, target.geometry, COUNT, setup.seed, condition)
    row = {"hand": hand.name, "object": thing.name, "part": part, "words": found.words}
    row |= {"returned": 0, "contacts": 0, "inside": 0, "cpu_s": found.cpu}
    if found.grasps is None:
        return row, None
    grasps = target.in_file(found.grasps)
    points = fingertip_contacts(hand, model, grasps.T_frame_palm, grasps.grasp)
    inside = part_region(model, part)(points[np.isfinite(points[..., 0])])
    row |= {"returned": len(grasps), "contacts": len(inside), "inside": int(inside.sum())}
    row |= {"share": share(inside.sum(), len(inside)), "cost": found.cpu / len(grasps)}
    return row, grasps


def fingertip_contacts(
    hand: HandModel, model: ObjectModel, T_object_palm: Array, joints: Array
) -> Array:
    """(n, F, 3) [m] the place of each last link nearest to the mesh, NaN if 5 mm or more away.

    The evaluator's rule for contacts. T_object_palm: (n, 4, 4).  joints: (n, J) [rad].
    """
    points, _, links = hand.surface_points(HAND_POINTS)
    poses = T_object_palm[:, None] @ hand.forward(joints)
    nearest = np.full((len(joints), len(hand.distal_links), 3), np.nan)
    for finger, link in enumerate(hand.distal_links):
        placed = transform_points(poses[:, link], points[links == link][None])
        distance = exact_signed_distance(model.mesh, placed.reshape(-1, 3)).reshape(
            placed.shape[:2]
        )
        rows = np.arange(len(joints))
        best = distance.argmin(axis=1)
        touches = distance[rows, best] < CONTACT_THRESHOLD
        nearest[touches, finger] = placed[rows, best][touches]
    return nearest


def _figures(setup: Setup, rows: list[dict[str, Any]]) -> list[Figure]:
    figures = []
    for hand in setup.hands:
        own = [row for row in rows if row["hand"] == hand]
        figures += [
            Figure(hand, f"contacts inside: {row['object']} {row['part']}",
                   row.get("share", float("nan")), INSIDE)
            for row in own
        ]  # fmt: skip
        returned = total(own, "returned")
        figures.append(Figure(hand, "valid share", share(total(own, "valid"), returned)))
        figures.append(Figure(hand, "CPU-s a grasp", share(total(own, "cpu_s"), returned)))
    return figures
