"""Distances and connected regions on regular grids."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from dexgrasp.types import Array


def steps_to(mark: Array) -> Array:
    """Distance of each cell to the nearest marked one, in cells."""
    return np.asarray(ndimage.distance_transform_edt(~mark))


def signed_steps(inside: Array) -> Array:
    """Distance to the border of a region, in cells; negative inside."""
    return steps_to(inside) - steps_to(~inside)


def nearest_marked(mark: Array) -> tuple[Array, ...]:
    """For each cell the index of the nearest marked one, as a tuple over the axes."""
    index = ndimage.distance_transform_edt(~mark, return_distances=False, return_indices=True)
    return tuple(np.asarray(index))


def regions(mark: Array) -> Array:
    """Label of the region of touching cells, from 1; 0 where not marked. Corners touch."""
    label = np.zeros(mark.shape, np.int32)
    ndimage.label(mark, structure=np.ones((3,) * mark.ndim), output=label)
    return label


def filled(mark: Array) -> Array:
    """The marked region with the holes in it."""
    return np.asarray(ndimage.binary_fill_holes(mark), dtype=bool)
