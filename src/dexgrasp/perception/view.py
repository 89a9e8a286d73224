"""What one view proves empty: the free space in front of and around a visible cloud.

Only the cloud of one object and the camera's position are known (that is all that a ROS
message carries), so the depth image is rebuilt: a virtual camera at the view point looks
at the cloud, and each of its pixels takes the nearest projected point. Pixels further from
every point than the cloud is dense look past the object: their rays are free throughout.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from dexgrasp.perception.grids import filled, nearest_marked, signed_steps, steps_to
from dexgrasp.perception.kernels import margins
from dexgrasp.types import Array

# Pixels per mean distance of two points: fine enough for smooth outlines.
OVERSAMPLING = 2.0
# Gaps in the cloud up to this many point distances wide are dropouts, not openings.
LARGEST_GAP = 3.0
# Free margin of pixels around the cloud; beyond it distances are extrapolated.
MARGIN = 24
# Median filter of the depth, in pixels.
SMOOTHING = 5
# Below this the table was cut away together with the object's foot [m].
FOOT = 0.010


class ViewModel:
    """Free space seen from `view_point` (3,) past and in front of `cloud` (n, 3), world [m].

    table_height [m]: where the cloud ends just above it, it goes on down to it.
    """

    def __init__(self, cloud: Array, view_point: Array, table_height: float) -> None:
        self.origin = np.asarray(view_point, np.float64)
        self.rotation = _looking_at(cloud.mean(axis=0, dtype=np.float64) - self.origin)
        plane, depth = self._project(cloud)
        spacing = float(np.median(KDTree(plane).query(plane, k=3)[0][:, 2]))
        self.distance = float(depth.mean())
        self.pitch = max(spacing, 1e-4) / OVERSAMPLING
        self.low = (plane.min(axis=0) - MARGIN * self.pitch).astype(np.float64)
        shape = np.ceil((plane.max(axis=0) - self.low) / self.pitch).astype(int) + MARGIN + 1
        image = np.zeros(shape, np.float32)
        self._draw(image, plane, depth)
        covered = filled(steps_to(image > 0.0) <= LARGEST_GAP)
        plane, depth = self._project(_feet(cloud, table_height))
        pixel = self._pixel(plane, shape)
        bare = ~covered[tuple(pixel.T)]
        self._draw(image, plane[bare], depth[bare])
        depth_image, outline = self._filled(image, table_height)
        # Metres at the object's distance: positive outside the silhouette, negative within.
        outline = (outline * self.pitch * self.distance).astype(np.float32)
        # What the compiled look-ups need.
        self.arrays = (self.origin, self.rotation, self.low, self.pitch, depth_image, outline)

    def _project(self, points: Array) -> tuple[Array, Array]:
        local = (points - self.origin) @ self.rotation
        return local[:, :2] / local[:, 2:], local[:, 2]

    def _pixel(self, plane: Array, shape: Array) -> Array:
        return np.clip(np.rint((plane - self.low) / self.pitch).astype(int), 0, shape - 1)

    def _draw(self, image: Array, plane: Array, depth: Array) -> None:
        """Nearest depth of each pixel, in place."""
        order = np.argsort(-depth)
        image[tuple(self._pixel(plane[order], np.array(image.shape)).T)] = depth[order]

    def _filled(self, image: Array, table_height: float) -> tuple[Array, Array]:
        """Depth [m] without gaps and signed distance to the silhouette [pixels]."""
        drawn = image > 0.0
        # Closing: grow by half of the largest gap, shrink by all of that but the half pixel
        # distance by which a surface reaches beyond its outermost points.
        grown = steps_to(drawn) <= 0.5 * LARGEST_GAP * OVERSAMPLING
        shrink = 0.5 * (LARGEST_GAP - 1.0) * OVERSAMPLING
        inside = steps_to(~grown) > shrink
        depth = ndimage.median_filter(image[nearest_marked(drawn)], SMOOTHING)
        # Through an opening one sees the table, or a bowl's floor too thin to tell from it.
        whole = filled(inside)
        opening = np.argwhere(whole & ~inside)
        depth[tuple(opening.T)] = self._table_depth(opening, table_height + 0.5 * FOOT)
        return depth, signed_steps(whole)

    def _table_depth(self, pixel: Array, height: float) -> Array:
        """Depth (k,) [m] at which the rays of pixels (k, 2) reach a height [m]."""
        plane = self.low + self.pitch * pixel
        down = np.column_stack([plane, np.ones(len(plane))]) @ self.rotation[2]
        return (self.origin[2] - height) / np.maximum(-down, 1e-3)

    def free(self, points: Array) -> Array:
        """(...) metres by which points (..., 3) lie in seen free space; negative: unseen.

        In front of a surface: the distance to it along the ray. Beside the silhouette: the
        distance to it across the ray.
        """
        points = np.asarray(points)
        result = np.empty(points.shape[:-1], np.float32)
        margins(points.reshape(-1, 3), self.arrays, result.reshape(-1))
        return result


def _feet(cloud: Array, table_height: float) -> Array:
    """Points below those that end just above the table."""
    low = cloud[cloud[:, 2] < table_height + FOOT]
    feet = [low.copy(), low.copy()]
    for foot, share in zip(feet, (0.0, 0.5), strict=True):
        foot[:, 2] = table_height + share * (low[:, 2] - table_height)
    return np.concatenate(feet)


def _looking_at(direction: Array) -> Array:
    """(3, 3) rotation whose third column is `direction` normalised."""
    forward = direction / np.linalg.norm(direction)
    helper = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    right = np.cross(forward, helper)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward], axis=1)
