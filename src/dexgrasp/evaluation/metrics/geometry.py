"""Distances between clouds, skeletons and poses. Definitions: the survey's table of metrics."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from dexgrasp.types import Array


def chamfer_distance(first: Array, second: Array, squared: bool = True) -> float:
    """Mean nearest distance from cloud (n, 3) to (m, 3) plus the reverse: [m2], or [m].

    Raises ValueError for an empty cloud.
    """
    if len(first) == 0 or len(second) == 0:
        raise ValueError("the chamfer distance of an empty cloud is not defined")
    forth, back = KDTree(second).query(first)[0], KDTree(first).query(second)[0]
    power = 2 if squared else 1
    return float((forth**power).mean() + (back**power).mean())


def mpjpe(estimated: Array, true: Array, root: int = 0) -> Array:
    """Mean per-joint position error (...,) [m] of skeletons (..., K, 3) [m], roots aligned.

    The mean is over all K joints, the root's zero included, as in the survey's table.
    Raises ValueError for skeletons of different shapes.
    """
    estimated, true = _same(estimated, true)
    if estimated.ndim < 2 or not -estimated.shape[-2] <= root < estimated.shape[-2]:
        raise ValueError(f"skeletons {estimated.shape} have no joint {root}; expected (..., K, 3)")
    error = (estimated - estimated[..., root, None, :]) - (true - true[..., root, None, :])
    return np.linalg.norm(error, axis=-1).mean(axis=-1)


def mrrpe(left: Array, right: Array, estimated_left: Array, estimated_right: Array) -> Array:
    """Mean relative-root position error (...,) [m] of two hands' roots (..., 3) [m].

    Its mean over a set is the published figure. Raises ValueError for different shapes.
    """
    estimated, true = _same(np.subtract(estimated_left, estimated_right), np.subtract(left, right))
    return np.linalg.norm(true - estimated, axis=-1)


def displacement(initial: Array, final: Array) -> Array:
    """Way (...,) [m] of the centre of mass between positions (..., 3) [m]."""
    return np.linalg.norm(np.asarray(final) - np.asarray(initial), axis=-1)


def rotation_displacement(initial: Array, final: Array) -> Array:
    """Angle (...,) in [0, pi] [rad] by which poses (..., 4, 4) turned between two instants.

    DexGraspBench limits it to 15 degrees beside 5 cm of `displacement`.
    """
    initial, final = _same(initial, final)
    relative = np.swapaxes(initial[..., :3, :3], -1, -2) @ final[..., :3, :3]
    angle = Rotation.from_matrix(relative.reshape(-1, 3, 3)).magnitude()
    return angle.reshape(relative.shape[:-2])


def _same(first: Array, second: Array) -> tuple[Array, Array]:
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.shape != second.shape:
        raise ValueError(f"shapes {first.shape} and {second.shape} differ; both must be the same")
    return first, second
