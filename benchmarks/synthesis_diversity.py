"""How different valid grasps are, beside the classical baseline's, and which kinds there are."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.cluster.vq import kmeans2
from synthesis_judge import Job, Setup, Thing, loaded_hand, tell, timed, verdicts, warm_up
from synthesis_report import Figure, Section

from dexgrasp.evaluation import metrics
from dexgrasp.evaluation.batch.set_metrics import CLUSTERS, UNIT_LENGTH
from dexgrasp.hands import HandModel
from dexgrasp.synthesis import Condition
from dexgrasp.synthesis.selection import the_best
from dexgrasp.synthesis.source import mesh_target
from dexgrasp.types import Array, GraspSet

BASELINE = "anneal"
COUNT = 30  # grasps of each method on each object
WITH_RIM = (Thing("bowl", "bowl"),)  # of the catalogue, for the kinds alone
ENOUGH = 4  # valid grasps of both methods, below which there is nothing to compare
TRIED = 4  # grasps of a kind that none was found of
FAMILIES = {
    "fingertip": ("four_finger", "tripod", "pinch"),
    "power": ("power",),
    "rim": ("rim",),
}
FIGURES = ("joint_std_rad", "translation_std_m", "rotation_std_rad", "own_entropy", "entropy")
NOTE = (
    "entropy: of the clusters that both methods' grasps make together, in nats; own_entropy: of "
    "each method's own clusters. Positions count 0.1 m as one radian. Both methods have the same "
    "number of valid grasps; of the method with more, those that a list of that length has."
)


def diversity(setup: Setup) -> Section:
    """`--method` and BASELINE at equal count, valid grasps alone."""
    rows: list[dict[str, Any]] = []
    for name in setup.hands:
        hand = loaded_hand(name)
        for method in (setup.method, BASELINE):
            warm_up(setup, hand, method)
        rows += _compared(setup, hand, list(setup.things))
        rows += _kinds(setup, hand, [*setup.things, *WITH_RIM])
    columns = ("hand", "object", "method", "valid", "compared", *FIGURES, "kinds", "absent")
    return Section(rows, _figures(setup, rows), columns, [NOTE])


def _compared(setup: Setup, hand: HandModel, things: list[Thing]) -> list[dict[str, Any]]:
    """Two rows for each object, with equal numbers of grasps."""
    rows = []
    methods = (setup.method, BASELINE)
    cells = [(thing, method) for thing in things for method in methods]
    found = [_proposed(setup, hand, thing, method, COUNT) for thing, method in cells]
    valid = _valid_only(hand, [thing for thing, _ in cells], found)
    for k, thing in enumerate(things):
        pair = valid[2 * k : 2 * k + 2]
        count = min(len(grasps) if grasps is not None else 0 for grasps in pair)
        figures: list[dict[str, float]] = [{}, {}]
        if count >= ENOUGH:
            figures = spreads([the_best([grasps], count) for grasps in pair if grasps is not None])
        for method, grasps, own in zip(methods, pair, figures, strict=True):
            number = 0 if grasps is None else len(grasps)
            row = {"hand": hand.name, "object": thing.name, "method": method, "valid": number}
            rows.append(row | {"compared": count if own else 0} | own)
    return rows


def _proposed(
    setup: Setup, hand: HandModel, thing: Thing, method: str, count: int, kind: str = ""
) -> GraspSet | None:
    """Grasps in the frame of the mesh, of one type if it is named."""
    target = mesh_target(thing.name, thing.load())
    condition = Condition(types=(kind,) if kind else ())
    synthesizer = setup.synthesizer(method)
    found = timed(synthesizer, hand, target.geometry, count, setup.seed, condition)
    tell(f"diversity: {hand.name} {thing.name} {method} {kind}: {found.cpu:.1f} CPU-s")
    return None if found.grasps is None else target.in_file(found.grasps)


def _valid_only(
    hand: HandModel, things: list[Thing], found: list[GraspSet | None]
) -> list[GraspSet | None]:
    """Of each set the valid grasps, in their order."""
    sets = [(k, grasps) for k, grasps in enumerate(found) if grasps is not None]
    jobs = [Job(hand.name, things[k], grasps) for k, grasps in sets]
    valid: list[GraspSet | None] = [None] * len(found)
    for (k, grasps), verdict in zip(sets, verdicts(jobs, "diversity"), strict=True):
        valid[k] = grasps[verdict.valid]
    return valid


def spreads(sets: list[GraspSet]) -> list[dict[str, float]]:
    """FIGURES of sets with n grasps each, n > 1."""
    vectors = [metrics.pose_vectors(grasps.T_frame_palm, grasps.grasp) for grasps in sets]
    for own in vectors:
        own[:, :3] /= UNIT_LENGTH
    clusters = min(CLUSTERS, len(vectors[0]) // 2)
    results = []
    for grasps, own, labels in zip(sets, vectors, common_clusters(vectors, clusters), strict=True):
        spread = metrics.diversity(grasps.T_frame_palm, grasps.grasp)
        results.append(
            {
                "joint_std_rad": spread.joints,
                "translation_std_m": spread.translation,
                "rotation_std_rad": spread.rotation,
                "own_entropy": metrics.cluster_entropy(own, clusters),
                "entropy": metrics.assignment_entropy(labels),
            }
        )
    return results


def common_clusters(vectors: list[Array], clusters: int) -> list[Array]:
    """Labels (n,) of each method's vectors (n, d) in the clusters of all of them together."""
    rng = np.random.default_rng(0)
    labels = kmeans2(np.concatenate(vectors), clusters, minit="++", iter=50, rng=rng)[1]
    return np.split(labels, np.cumsum([len(own) for own in vectors])[:-1])


def _kinds(setup: Setup, hand: HandModel, things: list[Thing]) -> list[dict[str, Any]]:
    """Valid grasps of each family in the list, and families that only exist when asked for.

    A pinch touches with two fingertips and is never valid; it counts in the list if it is one.
    """
    rows = []
    known = [kind.name for kind in hand.grasp_types]
    found = [_proposed(setup, hand, thing, setup.method, COUNT) for thing in things]
    for thing, grasps in zip(things, _valid_only(hand, things, found), strict=True):
        kinds = () if grasps is None else grasps.kind
        have = {family: sum(k in names for k in kinds) for family, names in FAMILIES.items()}
        missing = [family for family, number in have.items() if not number]
        asked = [k for family in missing for k in FAMILIES[family] if k in known]
        tried = [_proposed(setup, hand, thing, setup.method, TRIED, kind) for kind in asked]
        valid = _valid_only(hand, [thing] * len(tried), tried)
        could = [k for k, g in zip(asked, valid, strict=True) if g is not None and len(g)]
        absent = [family for family in missing if set(FAMILIES[family]) & set(could)]
        row = {"hand": hand.name, "object": thing.name, "method": setup.method}
        rows.append(row | {"valid": len(kinds), "kinds": have, "absent": ", ".join(absent)})
    return rows


def _figures(setup: Setup, rows: list[dict[str, Any]]) -> list[Figure]:
    figures = []
    for hand in setup.hands:
        own = [row for row in rows if row["hand"] == hand]
        compared = [row for row in own if row.get("compared")]
        for key in FIGURES:
            mine, base = (
                np.array([row[key] for row in compared if row["method"] == method])
                for method in (setup.method, BASELINE)
            )
            value = float((mine / base).mean()) if len(base) else float("nan")
            figures.append(Figure(hand, f"{key} over {BASELINE}'s, mean of objects", value, 1.0))
        absent = sum(bool(row.get("absent")) for row in own)
        figures.append(
            Figure(hand, "objects whose list lacks a kind that they allow", absent, 0, at_most=True)
        )
    return figures
