"""The grasp that an episode is asked for: the best from above that our own planner proposes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh

from dexgrasp.geometry import inverse, transform_points
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel
from dexgrasp.synthesis import Condition, GraspGeometry, SynthesisConfig
from dexgrasp.synthesis.filters import grasp_set, prepare
from dexgrasp.synthesis.generators import GENERATORS
from dexgrasp.types import Array, GraspSet

GENERATOR = "search"
FROM_ABOVE = Condition(approach=np.array([0.0, 0.0, -1.0]), cone=0.5)
POINTS = 64  # of the surface: the nearest one to a fingertip is then within a centimetre


@dataclass(frozen=True)
class PlannedObject:
    """An object at rest at the origin of the table, and one grasp of it in the world.

    surface: (POINTS, 3) points in the palm's frame at the grasp [m].
    """

    model: ObjectModel
    T_world_object: Array
    grasp: GraspSet
    surface: Array


def planned(hand: HandModel, model: ObjectModel, table_height: float, seed: int) -> PlannedObject:
    """Plan without a trial in physics, which needs a newer MuJoCo than IsaacLab has.

    Raises NoGraspError.
    """
    T = model.T_table_object.copy()
    T[2, 3] += table_height
    geometry, config = GraspGeometry(model, T, table_height), SynthesisConfig.load()
    rng = np.random.default_rng(seed)
    candidates = GENERATORS[GENERATOR](hand, geometry, config, FROM_ABOVE, rng)
    prepared = prepare(hand, geometry, candidates, config, FROM_ABOVE)
    grasp = grasp_set(hand, geometry, prepared, GENERATOR)[:1]
    points = np.asarray(trimesh.sample.sample_surface(model.mesh, POINTS, seed=seed)[0])
    surface = transform_points(inverse(grasp.T_frame_palm[0]) @ T, points)
    return PlannedObject(model, T, grasp, surface)
