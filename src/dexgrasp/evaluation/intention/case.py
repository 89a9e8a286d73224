"""What an intention judge is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from dexgrasp.errors import GraspError
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel, SurfaceLabels
from dexgrasp.types import Array, DepthFrame

PASS_SCORE = 0.70  # each score must exceed it: the survey, section 6 (facts/evaluation.md)
SCORES = ("alignment", "visual_consistency", "task_score")


@dataclass(frozen=True, eq=False)
class IntentionCase:
    """One grasp and the instruction that it should serve. Lengths [m], angles [rad].

    q: (J,) in the hand's canonical order.  T_object_palm: (4, 4), the object's mesh frame.
    instruction: plain English, e.g. "pick up the mug by the handle".
    parts: labels of the object's surface; None takes those of `model`.
    depth: a picture of hand and object in the grasp, if one was taken.
    T_world_object: (4, 4), places `model` in the world of `depth`.
    cloud: (n, 3) of the object as perceived before the grasp, in the mesh frame, if there is one.

    Raises GraspError for a wrong shape, NaN, a palm pose that is not rigid or no instruction.
    """

    hand: HandModel
    q: Array
    T_object_palm: Array
    model: ObjectModel
    instruction: str
    parts: SurfaceLabels | None = None
    depth: DepthFrame | None = None
    T_world_object: Array = field(default_factory=lambda: np.eye(4))
    cloud: Array | None = None

    def __post_init__(self) -> None:
        if np.shape(self.q) != (self.hand.joint_count,) or not np.isfinite(self.q).all():
            raise GraspError(
                f"q has shape {np.shape(self.q)}; {self.hand.name} needs "
                f"({self.hand.joint_count},), all finite [rad]"
            )
        _check_pose("T_object_palm", self.T_object_palm)
        _check_pose("T_world_object", self.T_world_object)
        if not self.instruction.strip():
            raise GraspError("the instruction is empty; say what the grasp is for, e.g. 'lift it'")
        if self.cloud is not None and (np.ndim(self.cloud) != 2 or np.shape(self.cloud)[1] != 3):
            raise GraspError(f"the cloud has shape {np.shape(self.cloud)}; expected (n, 3)")

    @property
    def labels(self) -> SurfaceLabels | None:
        """The labels to judge by: those given, else the model's own."""
        return self.parts if self.parts is not None else self.model.labels


@dataclass(frozen=True)
class IntentionScores:
    """The answer: three scores in [0, 1], words for them, who judged and how long [s].

    Raises ValueError for a score outside [0, 1].
    """

    alignment: float
    visual_consistency: float
    task_score: float
    reasons: str
    judge: str
    seconds: float

    def __post_init__(self) -> None:
        for name in SCORES:
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:  # NaN fails as well
                raise ValueError(f"{name} is {value}; scores are within [0, 1]")

    @property
    def passed(self) -> bool:
        """Whether each score exceeds 0.70."""
        return all(getattr(self, name) > PASS_SCORE for name in SCORES)


class IntentionJudge(Protocol):
    """Says how well a grasp serves its instruction. `name` goes into the scores."""

    name: str

    def judge(self, case: IntentionCase) -> IntentionScores:
        """Score one case. Raises JudgeError, or UnknownNameError for a part the object lacks."""
        ...

    def release(self) -> None:
        """Free what the calling thread holds, such as an OpenGL context; judging may go on."""
        ...


def _check_pose(name: str, pose: Array) -> None:
    if np.shape(pose) != (4, 4) or not np.isfinite(pose).all():
        raise GraspError(f"{name} has shape {np.shape(pose)}; expected (4, 4), all finite")
    rotation = np.asarray(pose)[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0.0:
        raise GraspError(f"{name} is not a rigid transform")
