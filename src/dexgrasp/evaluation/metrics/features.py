"""Features of clouds and depth images that need no network: ours, deterministic.

They stand in for the embeddings of P-FID (PointNet++) and I-FID (Inception). Their Fréchet
distances order sets of grasps; they do not compare with figures published on those networks.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dexgrasp.types import Array

SCALES = (0.02, 0.06, 0.15)  # [m]: a fingertip, a finger, a hand with its object
FREQUENCIES = 16  # random directions of each scale; two features each
IMAGE_SIDE = 64  # pixels that a depth image is brought to
CELL = 16  # pixels of a cell's edge; small, so that few features need few images
ORIENTATIONS = 8  # of unsigned gradients in a cell (Dalal and Triggs, 2005, took 9)
STEP = 0.005  # [m] of depth per pixel at which a cell counts as half structured


def cloud_features(points: Array) -> Array:
    """(96,) features of a cloud (n, 3) [m], whatever the order and number of its points.

    The mean of random Fourier features (Rahimi and Recht, 2007) of Gaussian kernels of SCALES:
    an approximate kernel mean embedding, which tells any two distributions of points apart.
    Not invariant to pose: give clouds in one frame, e.g. the hand's points in the object's.
    Raises ValueError for an empty cloud or points that are not finite.
    """
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
        raise ValueError(f"a cloud has shape {points.shape}; expected (n, 3), n > 0")
    if not np.isfinite(points).all():
        raise ValueError("a point of the cloud is not finite")
    phase = points @ _directions()
    return np.concatenate([np.cos(phase).mean(axis=0), np.sin(phase).mean(axis=0)])


@lru_cache(maxsize=1)
def _directions() -> Array:
    rng = np.random.default_rng(0)
    return np.concatenate(
        [rng.standard_normal((3, FREQUENCIES)) / scale for scale in SCALES], axis=1
    )


def depth_features(depth: Array) -> Array:
    """(144,) features of a depth image (h, w) [m]; 0 or NaN is background.

    Histograms of gradient orientation over 4 x 4 cells (after Dalal and Triggs, 2005), each
    cell's scaled by its own length and STEP, and each cell's share of foreground.
    Raises ValueError for an image smaller than 64 x 64.
    """
    depth = np.asarray(depth, dtype=float)
    if depth.ndim != 2 or min(depth.shape) < IMAGE_SIDE:
        raise ValueError(f"a depth image has shape {depth.shape}; expected at least 64 x 64")
    seen = np.isfinite(depth) & (depth > 0.0)
    far = depth[seen].max() if seen.any() else 0.0
    image = _shrunk(np.where(seen, depth, far))
    across, down = np.gradient(image, axis=1), np.gradient(image, axis=0)
    strength = np.hypot(across, down)
    bins = np.floor(np.arctan2(down, across) / np.pi * ORIENTATIONS).astype(int) % ORIENTATIONS
    histograms = [_cell_means(strength * (bins == k)) for k in range(ORIENTATIONS)]
    cells = np.stack(histograms, axis=-1)
    cells = cells / (np.linalg.norm(cells, axis=-1, keepdims=True) + STEP)
    return np.concatenate([cells.ravel(), _cell_means(_shrunk(seen.astype(float))).ravel()])


def _shrunk(image: Array) -> Array:
    """(IMAGE_SIDE, IMAGE_SIDE) means of nearly equal blocks of an image (h, w)."""
    for axis in (0, 1):
        edges = np.linspace(0, image.shape[axis], IMAGE_SIDE + 1).astype(int)
        sums = np.add.reduceat(image, edges[:-1], axis=axis)
        image = sums / np.diff(edges).reshape((-1, 1) if axis == 0 else (1, -1))
    return image


def _cell_means(image: Array) -> Array:
    count = IMAGE_SIDE // CELL
    return image.reshape(count, CELL, count, CELL).mean(axis=(1, 3))
