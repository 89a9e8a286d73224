"""How deep a hand's links are in one another, by the shapes that the simulator collides.

`HandModel.self_gap` goes by covering spheres, from which the edges of a link may stand out by
millimetres: quick enough for a descent, but fingers that it lets pass can press on each other.
"""

from __future__ import annotations

from functools import lru_cache

import mujoco
import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.simulation.config import SimulationConfig
from dexgrasp.simulation.scene import build_model
from dexgrasp.types import Array

ELEVATION = 1.0  # [m] of the palm, where nothing but the hand is


def self_overlap(hand: HandModel, q: Array) -> Array:
    """(n,) deepest overlap [m] of links that can collide, 0 where none touch; q: (n, J) [rad]."""
    model, addresses = _model(hand)
    data = mujoco.MjData(model)
    data.qpos[2] += ELEVATION
    depth = np.zeros(len(q))
    for i, joints in enumerate(q):
        data.qpos[addresses] = joints
        mujoco.mj_kinematics(model, data)
        mujoco.mj_collision(model, data)
        depth[i] = -min(data.contact.dist, default=0.0)
    return np.maximum(depth, 0.0)


@lru_cache(maxsize=4)
def _model(hand: HandModel) -> tuple[mujoco.MjModel, Array]:
    """The hand above the table, and where its joints are in `qpos`."""
    model = build_model(hand, [], SimulationConfig.load())
    joints = [model.joint(name).id for name in hand.joint_names]
    return model, model.jnt_qposadr[joints]
