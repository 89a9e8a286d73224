"""The supporting plane: the largest nearly level plane of a cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexgrasp.errors import SceneError
from dexgrasp.perception.config import TableConfig
from dexgrasp.types import Array

SAMPLE = 3000
SEED = 0


@dataclass(frozen=True)
class Plane:
    """Points with `normal` . p = `offset` [m]; the normal (3,) points up."""

    normal: Array
    offset: float

    def height(self, points: Array) -> Array:
        """(n,) distances of points (n, 3) above the plane [m]."""
        return points @ self.normal.astype(points.dtype) - points.dtype.type(self.offset)

    def level_at(self, xy: Array) -> float:
        """World height of the plane above the place (2,) [m]."""
        return float((self.offset - self.normal[:2] @ xy) / self.normal[2])


def find_table(points: Array, config: TableConfig) -> Plane:
    """The nearly level plane with most points of a cloud (n, 3). Raises SceneError.

    Random samples of three points (RANSAC, Fischler and Bolles 1981), then least squares
    over the inliers, twice.
    """
    if len(points) < 3:
        raise SceneError("no table found: no point lies in the workspace and outside of the robot")
    rng = np.random.default_rng(SEED)
    sample = (
        points[rng.choice(len(points), SAMPLE, replace=False)] if len(points) > SAMPLE else points
    )
    sample = sample.astype(np.float64)
    normals, offsets = _hypotheses(sample, config, rng)
    if len(normals) == 0:
        raise SceneError("no table found: no level surface in the cloud; check the camera's pose")
    near = np.abs(sample @ normals.T - offsets) < config.tolerance
    best = int(near.sum(axis=0).argmax())
    inliers = sample[near[:, best]]
    if len(inliers) * len(points) / len(sample) < config.inliers:
        raise SceneError(
            f"no table found: the largest level surface has {len(inliers)} of {len(sample)} "
            f"points looked at ({len(points)} in the workspace, {config.inliers} needed); "
            "check the camera's pose and the workspace"
        )
    for _ in range(2):
        plane = _fit(inliers)
        inliers = sample[np.abs(plane.height(sample)) < config.tolerance]
    return _fit(inliers)


def _hypotheses(
    sample: Array, config: TableConfig, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Normals (k, 3) and offsets (k,) of the nearly level planes through random triples."""
    corners = sample[rng.integers(len(sample), size=(config.trials, 3))]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1)
    usable = length > 1e-6
    normal = normal[usable] / length[usable, None]
    normal *= np.where(normal[:, 2:] < 0.0, -1.0, 1.0)
    level = normal[:, 2] > np.cos(config.tilt)
    first = corners[usable, 0]
    return normal[level], np.einsum("ij,ij->i", normal, first)[level]


def _fit(points: Array) -> Plane:
    center = points.mean(axis=0)
    normal = np.linalg.svd(points - center, full_matrices=False)[2][2]
    normal = normal * np.sign(normal[2])
    return Plane(normal, float(normal @ center))
