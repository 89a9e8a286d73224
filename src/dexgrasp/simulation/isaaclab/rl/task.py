"""What is trained: a hand, objects, actions and rewards. Plain values, no torch."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.hands import HandModel
from dexgrasp.types import Array

STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
# Household objects that both hands hold from above, of several sizes.
OBJECTS = ("tomato_soup_can", "apple", "rubiks_cube")
DECIMATION = 8  # time steps of 2 ms under one action: 62.5 Hz, near the 60 Hz of policies
EPISODE = 4.0  # [s]
JOINT_REACH = 0.4  # [rad] that an action of one moves a joint target from its reference
PALM_SPEED = (0.25, 0.25, 0.25, 1.0)  # [m/s, m/s, m/s, rad/s] of an action of one
GOAL_HEIGHT = 0.25  # [m] of the centre of mass over the table: the survey's success
LIFT = 0.30  # [m], as the executor lifts; 0.25 m over the table asks for no more of any object
LIFT_SPEED = 0.20  # [m/s], the executor's


class RewardWeights(BaseModel):
    """Factors of the terms of `rewards`, which are in m, rad, N and their like."""

    model_config = STRICT

    approach: float = 1.0
    imitation: float = 0.2
    trajectory: float = 4.0
    contact: float = 0.5
    force: float = 0.2
    lift: float = 1.0
    regularisation: float = 0.01
    success: float = 1.0
    bonus: float = Field(default=5.0, gt=0.0)


class TaskConfig(BaseModel):
    """One training.

    actions: of the fingers, `joints` or `eigengrasps` (as many as `eigengrasps` says).
    palm: `scripted`, it stands at the grasp and lifts by the clock, as the executor does
    beside a policy; or `free`, the policy moves it in x, y, z and about the vertical.
    actor: what it sees. `student`, what a robot has; `teacher`, everything.
    objects: of the catalogue; the curriculum begins with the largest.
    """

    model_config = STRICT

    hand: str
    objects: tuple[str, ...] = Field(default=OBJECTS, min_length=1, max_length=8)
    envs: int = Field(default=512, ge=1)
    seed: int = 0
    actions: Literal["joints", "eigengrasps"] = "joints"
    eigengrasps: int = Field(default=4, ge=1)
    palm: Literal["scripted", "free"] = "scripted"
    actor: Literal["student", "teacher"] = "student"
    weights: RewardWeights = RewardWeights()

    @property
    def free(self) -> bool:
        """Whether the policy moves the palm."""
        return self.palm == "free"

    @property
    def exportable(self) -> bool:
        """Whether the executor can run the actor: it moves the palm itself, and is no oracle."""
        return self.actor == "student" and not self.free

    @property
    def closing(self) -> tuple[float, float]:
        """When the fingers' reference leaves the pregrasp, and when it is the squeeze [s]."""
        return (0.8, 1.8) if self.free else (0.0, 1.0)

    @property
    def lifting(self) -> float:
        """When the object shall begin to rise [s]."""
        return self.closing[1] + 0.3  # the executor's settle_time


def finger_basis(hand: HandModel, task: TaskConfig) -> Array:
    """(A, J) [rad]: what each finger action of one adds to the joint targets.

    Raises ConfigError for more eigengrasps than the hand's postures span.
    """
    # Imported here: the generators take seconds to load.
    from dexgrasp.synthesis.generators.eigengrasps import Eigengrasps

    if task.actions == "joints":
        return JOINT_REACH * np.eye(hand.joint_count)
    synergies = Eigengrasps.of(hand, task.eigengrasps)
    return 0.5 * (synergies.upper - synergies.lower)[:, None] * synergies.directions
