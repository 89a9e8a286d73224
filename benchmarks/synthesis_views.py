"""One noisy view of an object: how soon a grasp comes, and whether it holds the true object."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from perception import noisy_frame
from synthesis_judge import (
    Job,
    Setup,
    Thing,
    loaded_hand,
    tell,
    timed,
    timed_sets,
    verdicts,
    warm_up,
)
from synthesis_report import Figure, Section, quantile, share

from dexgrasp.errors import SceneError
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel
from dexgrasp.perception import perceive
from dexgrasp.synthesis import GraspGeometry
from dexgrasp.synthesis.source import GraspTarget
from dexgrasp.types import DetectedObject, GraspSet, concatenated

ASKED = 10  # grasps, of which the best is tried: the robot has one try
TOP_1, FIRST = 0.80, 1.0  # share and [s] (issue 4)
PLACE = 0.04  # [m] that objects lie off the middle of the table, at most
KINDS = ("held", "touching", "valid")
NOTE = (
    "valid: issue 4's definition on the true mesh, which is the headline: held in six directions "
    "by fingers that close on the true object, at least 3 fingertips within 5 mm and at most 1 mm "
    "inside at the planned pose. held: the first of these alone; touching: without the depth. "
    "The planned pose is about a guessed shape, so depth also counts the guess's error."
)


def views(setup: Setup) -> Section:
    """The best of ASKED grasps and the best of the first set that is streamed."""
    rows: list[dict[str, Any]] = []
    judged: list[dict[str, Any]] = []
    jobs: list[Job] = []
    for name in setup.hands:
        hand = loaded_hand(name)
        for thing in setup.things:
            model = thing.load()
            for index in range(setup.views):
                if not rows or rows[-1]["hand"] != name:
                    _warm_up(setup, hand, thing, model)
                row, grasps = _view(setup, hand, thing, model, index)
                rows.append(row)
                tell(f"views: {name} {thing.name} {index}: {row.get('first_s', np.nan):.2f} s")
                if grasps is not None:
                    judged.append(row)
                    jobs.append(Job(name, thing, grasps))
    for row, verdict in zip(judged, verdicts(jobs, "views"), strict=True):
        for kind in KINDS:
            top, first = getattr(verdict, kind)
            row |= {f"top_{kind}": bool(top), f"first_{kind}": bool(first)}
        row["top_depth_mm"] = 1e3 * float(verdict.depth[0])
    columns = (
        "hand", "object", "view", "first_s", "cpu_s", *(f"top_{kind}" for kind in KINDS),
        *(f"first_{kind}" for kind in KINDS), "top_depth_mm", "words",
    )  # fmt: skip
    return Section(rows, _figures(setup, rows), columns, [NOTE])


def _warm_up(setup: Setup, hand: HandModel, thing: Thing, model: ObjectModel) -> None:
    """The code of synthesis and of perception. The completed shape is no cached one's."""
    warm_up(setup, hand)
    detected, _ = _seen(setup, thing, model, setup.views)
    if detected is not None:
        GraspGeometry.from_detection(detected)


def _seen(
    setup: Setup, thing: Thing, model: ObjectModel, index: int
) -> tuple[DetectedObject | None, GraspTarget]:
    """What the simulated camera sees of the object somewhere, and where it truly is."""
    rng = np.random.default_rng([setup.seed, index])
    place = np.r_[rng.uniform(-PLACE, PLACE, 2), 0.0]
    T_world_object = model.rest_pose(place, rng.uniform(0.0, 2.0 * np.pi))
    geometry = GraspGeometry(model, T_world_object, 0.0)
    truth = GraspTarget(thing.name, geometry, np.eye(4), model)
    frame = noisy_frame(model.mesh.copy().apply_transform(T_world_object), rng)
    try:
        return perceive(frame).objects[0], truth
    except SceneError as error:
        tell(f"views: {thing.name} {index}: {error}")
        return None, truth


def _view(
    setup: Setup, hand: HandModel, thing: Thing, model: ObjectModel, index: int
) -> tuple[dict[str, Any], GraspSet | None]:
    """A row, and the best grasp of all with the best of the first set, in the mesh's frame."""
    row: dict[str, Any] = {"hand": hand.name, "object": thing.name, "view": index}
    detected, truth = _seen(setup, thing, model, index)
    if detected is None:
        return row | {"words": "nothing perceived"}, None
    synthesizer = setup.synthesizer()
    start = time.perf_counter()
    try:
        geometry = GraspGeometry.from_detection(detected)
    except SceneError as error:
        return row | {"words": str(error)}, None
    row["completed_s"] = time.perf_counter() - start
    sets, words = timed_sets(synthesizer.stream(hand, geometry, ASKED, setup.seed), start)
    if not sets:
        return row | {"words": words}, None
    row["first_s"], first = sets[0]
    found = timed(synthesizer, hand, geometry, ASKED, setup.seed)
    row |= {"cpu_s": found.cpu, "words": found.words}
    if found.grasps is None:
        return row, None
    return row, truth.in_file(concatenated([found.grasps[:1], first[:1]]))


def _figures(setup: Setup, rows: list[dict[str, Any]]) -> list[Figure]:
    figures = []
    for hand in setup.hands:
        own = [row for row in rows if row["hand"] == hand]
        figures += [
            Figure(hand, "cloud to first set [s], median", quantile(own, "first_s", 0.5), FIRST,
                   at_most=True),
            Figure(hand, "cloud to first set [s], 95 %", quantile(own, "first_s", 0.95)),
        ]  # fmt: skip
        for which, words in (("top", f"best of {ASKED}"), ("first", "best of the first set")):
            for kind in KINDS:
                good = share(sum(row.get(f"{which}_{kind}", False) for row in own), len(own))
                floor = TOP_1 if (which, kind) == ("top", "valid") else None
                figures.append(Figure(hand, f"{words}, {kind} on the true mesh", good, floor))
    return figures
