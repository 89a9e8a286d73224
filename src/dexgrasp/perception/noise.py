"""What a stereo depth camera gets wrong, added to a perfect depth image."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dexgrasp.types import Array, CameraIntrinsics


class NoiseConfig(BaseModel):
    """Figures of an active stereo camera such as the RealSense D435 at 0.4 to 1 m.

    baseline: between the two imagers [m]; 50 mm in the D400 data sheet.
    subpixel: standard deviation of the disparity [px]; Intel's tuning guide for the D400
        expects 0.08 on a textured wall. Depth noise follows as z^2 subpixel / (f baseline):
        1.3 mm at 0.7 m, where Nguyen et al. (3DIMPVT 2012) measured 1.4 mm for the Kinect.
    disparity_step: resolution of the disparity [px]; 1/32 in Intel's subpixel white paper.
    edge_jump: neighbours further apart than this are two surfaces [m].
    edge_hole, edge_flying: chance that a pixel at such an edge is lost, or lies between.
    edge_swap: chance that it takes its neighbour's surface; about the 0.8 px of lateral
        noise that Nguyen et al. measured.
    grazing_angle: surfaces seen flatter than this [rad] are lost with chance grazing_hole.
    hole: chance that any other pixel is lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    baseline: float = Field(default=0.05, gt=0.0)
    subpixel: float = Field(default=0.08, ge=0.0)
    disparity_step: float = Field(default=1.0 / 32.0, gt=0.0)
    edge_jump: float = Field(default=0.012, gt=0.0)
    edge_hole: float = Field(default=0.3, ge=0.0, le=1.0)
    edge_flying: float = Field(default=0.1, ge=0.0, le=1.0)
    edge_swap: float = Field(default=0.3, ge=0.0, le=1.0)
    grazing_angle: float = Field(default=1.4, gt=0.0, lt=np.pi / 2)
    grazing_hole: float = Field(default=0.7, ge=0.0, le=1.0)
    hole: float = Field(default=0.002, ge=0.0, le=1.0)


class DepthNoise:
    """Adds the noise of `NoiseConfig` to depth images."""

    def __init__(self, config: NoiseConfig | None = None) -> None:
        self.config = config or NoiseConfig()

    def apply(self, depth: Array, intrinsics: CameraIntrinsics, rng: np.random.Generator) -> Array:
        """(h, w) float32 noisy copy of `depth` (h, w) [m]; 0 where the camera sees nothing."""
        clean = np.asarray(depth, np.float32)
        valid = np.isfinite(clean) & (clean > 0.0)
        noisy = np.where(valid, clean, np.float32(0.0))
        self._edges(clean, noisy, rng)
        noisy = self._disparity(noisy, intrinsics, rng)
        noisy.ravel()[self._lost(clean, intrinsics, rng)] = 0.0
        noisy[~valid] = 0.0
        return noisy

    def _edges(self, clean: Array, noisy: Array, rng: np.random.Generator) -> None:
        """Holes, flying pixels and swapped sides along depth jumps, in place."""
        config = self.config
        for axis in (0, 1):
            near = [slice(None), slice(None)]
            far = [slice(None), slice(None)]
            near[axis], far[axis] = slice(None, -1), slice(1, None)
            first, second = clean[tuple(near)], clean[tuple(far)]
            jump = np.argwhere(np.abs(first - second) > config.edge_jump)
            step = np.zeros(2, int)
            step[axis] = 1
            for pixel, other in ((jump, jump + step), (jump + step, jump)):
                draw = rng.random(len(pixel), dtype=np.float32)
                here, there = clean[tuple(pixel.T)], clean[tuple(other.T)]
                share = rng.random(len(pixel), dtype=np.float32)
                between = here + share * (there - here)
                limits = np.cumsum([config.edge_hole, config.edge_flying, config.edge_swap])
                value = np.select(
                    [draw < limit for limit in limits], [0.0 * here, between, there], here
                )
                noisy[tuple(pixel.T)] = np.where(there > 0.0, value, here)

    def _disparity(
        self, depth: Array, intrinsics: CameraIntrinsics, rng: np.random.Generator
    ) -> Array:
        """Gaussian noise and rounding of the disparity f b / z."""
        scale = np.float32(intrinsics.fx * self.config.baseline)
        step = np.float32(self.config.disparity_step)
        disparity = rng.standard_normal(depth.shape, dtype=np.float32)
        disparity *= np.float32(self.config.subpixel)
        disparity += scale / np.maximum(depth, np.float32(1e-3))
        disparity /= step
        np.rint(disparity, out=disparity)
        np.maximum(disparity, np.float32(1.0), out=disparity)
        return np.where(depth > 0.0, scale / step / disparity, np.float32(0.0))

    def _lost(self, clean: Array, intrinsics: CameraIntrinsics, rng: np.random.Generator) -> Array:
        """Flat indices of pixels that show a surface edge-on, and of a few anywhere."""
        config = self.config
        # Depth changes by z tan(angle) / f from one pixel to the next.
        limit = clean * np.float32(np.tan(config.grazing_angle) / intrinsics.fx)
        grazing = np.zeros(clean.shape, bool)
        grazing[:, 1:] = np.abs(np.diff(clean, axis=1)) > limit[:, 1:]
        grazing[1:] |= np.abs(np.diff(clean, axis=0)) > limit[1:]
        edge_on = np.flatnonzero(grazing)
        edge_on = edge_on[rng.random(len(edge_on)) < config.grazing_hole]
        anywhere = rng.integers(clean.size, size=rng.binomial(clean.size, config.hole))
        return np.concatenate([edge_on, anywhere])
