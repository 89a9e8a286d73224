"""The visual score of the geometric judge: pictures by ray casting against what is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexgrasp.evaluation.intention.case import IntentionCase
from dexgrasp.evaluation.intention.config import VisualConfig
from dexgrasp.evaluation.intention.surface import ramp
from dexgrasp.evaluation.intention.views import (
    View,
    cast_object,
    cast_solids,
    grasp_views,
    view_rays,
)
from dexgrasp.evaluation.solids import Solids, distances
from dexgrasp.geometry import inverse
from dexgrasp.objects import exact_signed_distance
from dexgrasp.types import Array, CameraIntrinsics, DepthFrame

VIEWS = 3  # as many as the survey's vision model is shown
PIXELS = 20_000  # of a given depth picture that are compared at most


@dataclass(frozen=True)
class VisualFigures:
    """hidden: share of the object's silhouette behind the hand, in the view that shows most.

    inside: share of its pixels that lie inside the hand, over all views.
    agreeing: share of given depth and points that the model explains; None without any.
    """

    hidden: float
    inside: float
    agreeing: float | None

    def score(self, config: VisualConfig) -> float:
        """Product of: recognisable, clean, as measured. In [0, 1]."""
        score = 1.0 - ramp(self.hidden, config.hidden)
        score *= 1.0 - ramp(self.inside, config.inside)
        return score if self.agreeing is None else score * ramp(self.agreeing, config.agreeing)


def visual_figures(
    case: IntentionCase, T_object_link: Array, config: VisualConfig
) -> VisualFigures:
    """Look at a grasp; the hand's links at T_object_link (L, 4, 4)."""
    solids = Solids.posed(case.hand.primitives, T_object_link[None])
    hidden, inside = _pictures(case, solids, config)
    return VisualFigures(hidden, inside, _agreement(case, solids, config))


def _pictures(case: IntentionCase, solids: Solids, config: VisualConfig) -> tuple[float, float]:
    views = grasp_views(case.model, solids, case.T_object_palm, VIEWS, config.width)
    origin, direction = (
        np.concatenate(rays) for rays in zip(*(view_rays(view) for view in views), strict=True)
    )
    item = cast_object(case.model, origin, direction)
    seen = np.isfinite(item)
    origin, direction, item = origin[seen], direction[seen], item[seen]
    behind = cast_solids(solids, origin, direction) < item
    view = np.repeat(np.arange(VIEWS), len(seen) // VIEWS)[seen]
    own = np.bincount(view, minlength=VIEWS)
    hidden = np.bincount(view, weights=behind, minlength=VIEWS) / np.maximum(own, 1)
    surface = origin + item[:, None] * direction
    within = distances(solids, surface, 0.0)[0] < -config.depth
    return float(hidden.min()), float(within.mean())


def _agreement(case: IntentionCase, solids: Solids, config: VisualConfig) -> float | None:
    shares = []
    if case.depth is not None:
        shares.append(_depth_agreement(case, case.depth, solids, config.agree))
    if case.cloud is not None and len(case.cloud):
        distance = np.abs(exact_signed_distance(case.model.mesh, np.asarray(case.cloud)))
        shares.append(float((distance < config.agree).mean()))
    return float(np.mean(shares)) if shares else None


def _depth_agreement(
    case: IntentionCase, frame: DepthFrame, solids: Solids, tolerance: float
) -> float:
    """Share of measured pixels on hand or object at the depth that the model has there.

    A picture that shows neither agrees with nothing.
    """
    view, measured = _thinned(frame, inverse(case.T_world_object))
    origin, direction = view_rays(view)
    expected = np.minimum(
        cast_object(case.model, origin, direction), cast_solids(solids, origin, direction)
    )
    valid = np.isfinite(expected) & np.isfinite(measured) & (measured > 0.0)
    if not valid.any():
        return 0.0
    return float((np.abs(expected[valid] - measured[valid]) < tolerance).mean())


def _thinned(frame: DepthFrame, T_object_world: Array) -> tuple[View, Array]:
    """Every k-th pixel of a frame as a view of the object, and their depths (n,) [m]."""
    k = frame.intrinsics
    step = int(np.ceil(np.sqrt(k.width * k.height / PIXELS)))
    depth = np.asarray(frame.depth, dtype=float)[::step, ::step]
    height, width = depth.shape
    small = CameraIntrinsics(width, height, k.fx / step, k.fy / step, k.cx / step, k.cy / step)
    return View(T_object_world @ frame.T_world_camera, small), depth.ravel()
