"""Metrics as pure functions. Definitions: the survey's table of metrics unless named."""

from dexgrasp.evaluation.metrics.calibration import (
    Reliability,
    auc,
    brier,
    calibration_error,
    reliability,
)
from dexgrasp.evaluation.metrics.contact import (
    contact_area,
    contact_count,
    contact_distance,
    contact_map,
    contact_rate,
    contact_ratio,
    penetration_depth,
    penetration_volume,
)
from dexgrasp.evaluation.metrics.diversity import (
    Diversity,
    assignment_entropy,
    cluster_entropy,
    cumulative_variance,
    diversity,
    pose_vectors,
)
from dexgrasp.evaluation.metrics.features import cloud_features, depth_features
from dexgrasp.evaluation.metrics.frechet import fid, frechet_distance, gaussian_distance
from dexgrasp.evaluation.metrics.geometry import (
    chamfer_distance,
    displacement,
    mpjpe,
    mrrpe,
    rotation_displacement,
)
from dexgrasp.evaluation.metrics.manipulability import manipulability
from dexgrasp.evaluation.metrics.presets import (
    DEXGRASPBENCH,
    FROGGER,
    Q1_PRESETS,
    UNIDEXGRASP,
    Q1Preset,
    average_contacts,
    frogger_min_weight,
    nearest_contacts,
    preset_q1,
)
from dexgrasp.evaluation.metrics.residual import wrench_residual
from dexgrasp.evaluation.metrics.timing import InferenceTime, inference_time, machine_name
from dexgrasp.evaluation.metrics.wrench import contact_wrenches, min_weight, q1

__all__ = [
    "DEXGRASPBENCH",
    "FROGGER",
    "Q1_PRESETS",
    "UNIDEXGRASP",
    "Diversity",
    "InferenceTime",
    "Q1Preset",
    "Reliability",
    "assignment_entropy",
    "auc",
    "average_contacts",
    "brier",
    "calibration_error",
    "chamfer_distance",
    "cloud_features",
    "cluster_entropy",
    "contact_area",
    "contact_count",
    "contact_distance",
    "contact_map",
    "contact_rate",
    "contact_ratio",
    "contact_wrenches",
    "cumulative_variance",
    "depth_features",
    "displacement",
    "diversity",
    "fid",
    "frechet_distance",
    "frogger_min_weight",
    "gaussian_distance",
    "inference_time",
    "machine_name",
    "manipulability",
    "min_weight",
    "mpjpe",
    "mrrpe",
    "nearest_contacts",
    "penetration_depth",
    "penetration_volume",
    "pose_vectors",
    "preset_q1",
    "q1",
    "reliability",
    "rotation_displacement",
    "wrench_residual",
]
