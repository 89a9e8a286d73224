"""Figures of a whole set of grasps, beside those of each grasp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dexgrasp.datasets import GraspTable
from dexgrasp.evaluation import metrics
from dexgrasp.evaluation.records import GraspRecord

CLUSTERS = 20  # at most; fewer grasps make as many clusters as they are
UNIT_LENGTH = 0.1  # [m] of palm position that weighs as much as one radian


def set_metrics(table: GraspTable, records: Sequence[GraspRecord]) -> dict[str, float]:
    """Diversity of all grasps and of the successful ones, contact ratio; units in the names."""
    figures = {"contact_ratio": _contact_ratio(records)}
    figures |= _spread("", table.T_object_palm, table.grasp)
    passed = {record.row for record in records if record.success and record.replicate == 0}
    chosen = np.array([int(row) in passed for row in table.row], dtype=bool)
    if chosen.any():
        figures |= _spread("passed_", table.T_object_palm[chosen], table.grasp[chosen])
    return figures


def _contact_ratio(records: Sequence[GraspRecord]) -> float:
    """Share of the grasps that touch the object at all."""
    areas = [record.contact_area for record in records if record.replicate == 0]
    judged = [area for area in areas if np.isfinite(area)]
    return float(np.mean([area > 0.0 for area in judged])) if judged else np.nan


def _spread(prefix: str, T_object_palm: np.ndarray, q: np.ndarray) -> dict[str, float]:
    spread = metrics.diversity(T_object_palm, q)
    vectors = metrics.pose_vectors(T_object_palm, q)
    vectors[:, :3] /= UNIT_LENGTH
    clusters = min(CLUSTERS, len(vectors))
    figures = {
        "translation_std_m": spread.translation,
        "rotation_std_rad": spread.rotation,
        "joint_std_rad": spread.joints,
        "cluster_entropy_nats": metrics.cluster_entropy(vectors, clusters),
    }
    return {f"{prefix}{name}": float(value) for name, value in figures.items()}
