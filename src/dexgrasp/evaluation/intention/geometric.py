"""The geometric judge: contact map, working parts, firmness and ray-cast pictures.

Offline and deterministic. Its formulas are those of docs/intention.md, its figures those of
`config/evaluation/intention.yaml`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from dexgrasp.evaluation import metrics
from dexgrasp.evaluation.intention.case import IntentionCase, IntentionScores
from dexgrasp.evaluation.intention.config import (
    AlignmentConfig,
    GeometricConfig,
    IntentionConfig,
    TaskConfig,
)
from dexgrasp.evaluation.intention.lexicon import Intent, Lexicon
from dexgrasp.evaluation.intention.surface import (
    LabelledSurface,
    Touch,
    contact_map,
    labelled_surface,
    ramp,
    touch,
)
from dexgrasp.evaluation.intention.visual import VisualFigures, visual_figures
from dexgrasp.types import Array


@dataclass(frozen=True)
class TaskFigures:
    """covered: largest share of a working part under the hand.  reach: gap [m] between a
    fingertip and the part to press, None if there is none.  fingers: how many touch.
    q1: of one contact per finger and palm, torques about their centre.  turned: angle [rad]
    between the approach and the direction that the action does not want, None if any does.
    """

    covered: float
    reach: float | None
    fingers: int
    q1: float
    turned: float | None

    def score(self, intent: Intent, config: TaskConfig) -> float:
        """Product of: working parts free, part to press in reach, firm, approach. In [0, 1]."""
        weight = config.q1_weight
        firm = weight * min(self.q1 / config.q1, 1.0)
        firm += (1.0 - weight) * min(self.fingers / intent.fingers, 1.0)
        score = (1.0 - ramp(self.covered, config.covered)) * firm
        if self.reach is not None:
            score *= 1.0 - ramp(self.reach, config.reach)
        if self.turned is not None:
            score *= 1.0 - config.approach_weight * (1.0 - ramp(self.turned, config.approach))
        return score


class GeometricJudge:
    """Scores by geometry alone; the object's labels say where its parts are."""

    name = "geometric"

    def __init__(self, config: IntentionConfig | None = None) -> None:
        config = config or IntentionConfig.load()
        self.config: GeometricConfig = config.geometric
        self.lexicon = Lexicon(config.lexicon)

    def judge(self, case: IntentionCase) -> IntentionScores:
        """Score one case. Raises UnknownNameError for a part that a labelled object lacks."""
        start = time.perf_counter()
        config, labels = self.config, case.labels
        surface = labelled_surface(
            case.model, labels, config.surface_points, config.points_per_part
        )
        intent = self.lexicon.read(case.instruction, surface.names, case.model.name)
        T_object_link = case.T_object_palm @ case.hand.forward(np.asarray(case.q)[None])[0]
        reach = max(config.contact.none, config.task.clearance, config.task.reach[1])
        touched = touch(case.hand, T_object_link, surface.points, reach)
        contact = contact_map(touched.nearest, config.contact)
        alignment, why = _alignment(surface, contact, intent, config.alignment)
        task = _task(case, surface, touched, intent, config)
        visual = visual_figures(case, T_object_link, config.visual)
        return IntentionScores(
            alignment=alignment,
            visual_consistency=visual.score(config.visual),
            task_score=task.score(intent, config.task),
            reasons="; ".join([_asked(intent), why, _task_words(task, intent), _seen(visual)]),
            judge=self.name,
            seconds=time.perf_counter() - start,
        )

    def release(self) -> None:
        """Nothing is held by a thread."""


def _alignment(
    surface: LabelledSurface, contact: Array, intent: Intent, config: AlignmentConfig
) -> tuple[float, str]:
    """Contact on wanted parts, less what is on forbidden ones, in [0, 1]; and words."""
    total = float(contact @ surface.area)
    if total <= 0.0:
        return 0.0, "the hand does not touch the object"
    if not surface.names and intent.specific:
        return config.unlabelled, "the object has no labelled parts, so alignment is not judged"
    bad = float((contact * surface.mask(intent.forbidden)) @ surface.area) / total
    if intent.wanted:
        good = float((contact * surface.mask(intent.wanted)) @ surface.area) / total
    else:
        good = 1.0 - bad
    score = min(good / config.wanted_full, 1.0) * (1.0 - min(bad / config.forbidden_none, 1.0))
    words = f"{100 * good:.0f} % of the contact is where it is wanted"
    return score, words + (f" and {100 * bad:.0f} % where it is not" if intent.forbidden else "")


def _task(
    case: IntentionCase,
    surface: LabelledSurface,
    touched: Touch,
    intent: Intent,
    config: GeometricConfig,
) -> TaskFigures:
    rows = _contact_rows(touched, config.contact.none)
    points = surface.points[rows]
    # About the contacts' own centre: a tool is held far from its centre of mass on purpose.
    center = points.mean(axis=0) if len(rows) else case.model.com
    q1 = metrics.q1(points, surface.normals[rows], center, case.model.friction)
    return TaskFigures(
        covered=_covered(surface, touched.nearest < config.task.clearance, intent.free),
        reach=_reach(surface, touched, intent.reach),
        fingers=int((touched.finger.min(axis=1) < config.contact.none).sum()),
        q1=q1,
        turned=_turned(case, surface, intent),
    )


def _contact_rows(touched: Touch, limit: float) -> Array:
    """The surface point nearest to each finger and to the palm, of those that touch."""
    limbs = np.vstack([touched.finger, touched.palm])
    return limbs.argmin(axis=1)[limbs.min(axis=1) < limit]


def _covered(surface: LabelledSurface, near: Array, parts: tuple[str, ...]) -> float:
    """Largest share of a part's surface that is `near` the hand; 0 without parts."""
    shares = [0.0]
    for part in parts:
        area = surface.area[surface.mask((part,))]
        shares.append(float(near[surface.mask((part,))] @ area / area.sum()))
    return max(shares)


def _reach(surface: LabelledSurface, touched: Touch, parts: tuple[str, ...]) -> float | None:
    """Gap [m] between the nearest finger and the nearest of the parts; inf beyond what counts."""
    own = surface.mask(parts)
    return float(touched.finger[:, own].min()) if own.any() else None


def _turned(case: IntentionCase, surface: LabelledSurface, intent: Intent) -> float | None:
    """Angle [rad] of the approach to the direction the action has no use for."""
    approach = case.T_object_palm[:3, :3] @ case.hand.T_palm_grasp[:3, 2]
    up = case.model.T_table_object[2, :3]
    if intent.approach == "side":
        return _line_angle(approach, up)
    if intent.approach == "above":
        return 0.5 * np.pi - _line_angle(approach, up) if approach @ up < 0.0 else 0.0
    if intent.approach == "across":
        held = surface.mask(intent.wanted) if intent.wanted else np.ones(len(surface.label), bool)
        points = surface.points[held] - surface.points[held].mean(axis=0)
        return _line_angle(approach, np.linalg.svd(points, full_matrices=False)[2][0])
    return None


def _line_angle(first: Array, second: Array) -> float:
    """Angle [rad] between two lines along unit vectors (3,), at most a right angle."""
    return float(np.arccos(np.clip(abs(first @ second), 0.0, 1.0)))


def _asked(intent: Intent) -> str:
    words = f"asked to {intent.verb.replace('_', ' ')}"
    if intent.wanted:
        words += f" by the {' or '.join(intent.wanted)}"
    return words + (f", not by the {' or '.join(intent.forbidden)}" if intent.forbidden else "")


def _task_words(task: TaskFigures, intent: Intent) -> str:
    words = [f"{task.fingers} fingers touch, Q1 is {task.q1:.3f}"]
    if intent.free:
        words.append(f"{100 * task.covered:.0f} % of {' or '.join(intent.free)} is covered")
    if task.reach is not None:
        near = f"{1e3 * task.reach:.0f} mm from" if np.isfinite(task.reach) else "out of reach of"
        words.append(f"the {' or '.join(intent.reach)} is {near} a finger")
    if task.turned is not None:
        words.append(
            f"the approach is {np.degrees(task.turned):.0f} degrees from what {intent.approach} "
            "excludes"
        )
    return ", ".join(words)


def _seen(visual: VisualFigures) -> str:
    words = (
        f"the hand hides {100 * visual.hidden:.0f} % of the object in the best view and "
        f"{100 * visual.inside:.1f} % of it is inside the hand"
    )
    if visual.agreeing is not None:
        words += f"; {100 * visual.agreeing:.0f} % of what was measured agrees"
    return words
