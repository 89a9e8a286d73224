"""What a student learns from: objects as one camera saw them, and grasps planned for that."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from dexgrasp.errors import DexgraspError
from dexgrasp.evaluation.pick import random_placement
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.perception import body_spheres, perceive
from dexgrasp.simulation import MujocoBackend, SimulationConfig
from dexgrasp.synthesis import GraspGeometry, make_synthesizer
from dexgrasp.types import Array, GraspSet, ObjectPlacement

GRASPS = 10  # of each view, the best of what the nodes' synthesizer proposes


@dataclass(frozen=True)
class Lesson:
    """One object of the catalogue on the table, seen from one side.

    T_world_object: (4, 4), its true pose.  cloud: (n, 3) seen points in the world [m].
    grasps: in the world, planned for the shape completed from the cloud.
    """

    name: str
    T_world_object: Array
    cloud: Array
    grasps: GraspSet

    @property
    def placement(self) -> ObjectPlacement:
        """The true object where it stands."""
        return ObjectPlacement(load_object(self.name), self.T_world_object)


def plan_lesson(hand: HandModel, name: str, seed: int) -> Lesson:
    """Look at the object at random on the table and plan grasps, as a pick does.

    Raises DexgraspError where nothing is seen or no grasp is found.
    """
    simulation = SimulationConfig.load()
    placement = random_placement(load_object(name), simulation.table_height, seed)
    backend = MujocoBackend(hand, simulation, threads=1, seed=seed)
    try:
        backend.load([placement])
        frame, body = backend.depth(), body_spheres(hand, backend.observe())
    finally:
        backend.close()
    detected = perceive(frame, exclude=body).objects[0]
    geometry = GraspGeometry.from_detection(detected)
    synthesizer = make_synthesizer("search", check="lift")
    grasps = synthesizer.synthesize(hand, geometry, GRASPS, seed)
    return Lesson(name, placement.T_world_object, detected.cloud, grasps)


def lesson(hand: HandModel, name: str, seed: int, folder: Path) -> Lesson | None:
    """A lesson of `folder`, planned if it is not there yet; None where none can be planned."""
    path = folder / f"{hand.name}-{name}-{seed}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, hand, name, seed)
    return _read(path)


def _write(path: Path, hand: HandModel, name: str, seed: int) -> None:
    partial = path.with_suffix(".part.npz")
    try:
        planned = plan_lesson(hand, name, seed)
    except DexgraspError as error:
        np.savez_compressed(partial, words=str(error))
    else:
        grasps: dict[str, Any] = {
            f.name: np.asarray(getattr(planned.grasps, f.name)) for f in fields(GraspSet)
        }
        np.savez_compressed(
            partial,
            object_name=name,
            T_world_object=planned.T_world_object,
            cloud=planned.cloud,
            **grasps,
        )
    partial.rename(path)  # an interrupted run leaves no half of a file


def _read(path: Path) -> Lesson | None:
    with np.load(path, allow_pickle=False) as stored:
        if "words" in stored:
            return None
        columns = {f.name: stored[f.name] for f in fields(GraspSet)}
        for name in ("hand", "frame", "source"):
            columns[name] = str(columns[name])
        columns["kind"] = tuple(str(kind) for kind in columns["kind"])
        name, pose, cloud = str(stored["object_name"]), stored["T_world_object"], stored["cloud"]
    return Lesson(name, pose, cloud, GraspSet(**columns))
