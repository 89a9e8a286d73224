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
        clean = np.where(valid, clean, np.float32(0.0))
        steps = [np.abs(np.diff(clean, axis=axis)) for axis in (0, 1)]
        noisy = clean.copy()
        for axis, step in enumerate(steps):
            self._edge(clean, step, axis, noisy.ravel(), rng)
        noisy = self._disparity(noisy, intrinsics, rng)
        noisy.ravel()[self._lost(clean, steps, intrinsics, rng)] = 0.0
        noisy[~valid] = 0.0
        return noisy

    def _edge(
        self, clean: Array, step: Array, axis: int, noisy: Array, rng: np.random.Generator
    ) -> None:
        """Holes, flying pixels and swapped sides along jumps between neighbours, in place.

        step: depth differences along `axis`; noisy: flat.
        """
        config = self.config
        width = clean.shape[1]
        first = np.flatnonzero(step > config.edge_jump)
        if axis == 1:  # the differences along rows are one column narrower than the image
            first += first // (width - 1)
        second = first + (width if axis == 0 else 1)
        limits = np.cumsum([config.edge_hole, config.edge_flying, config.edge_swap])
        flat = clean.ravel()
        for pixel, other in ((first, second), (second, first)):
            draw, share = rng.random((2, len(pixel)), dtype=np.float32)
            here, there = flat[pixel], flat[other]
            between = here + share * (there - here)
            value = np.select(
                [draw < limit for limit in limits], [0.0 * here, between, there], here
            )
            noisy[pixel] = np.where(there > 0.0, value, here)

    def _disparity(
        self, depth: Array, intrinsics: CameraIntrinsics, rng: np.random.Generator
    ) -> Array:
        """Gaussian noise and rounding of the disparity f b / z."""
        step = self.config.disparity_step
        scale = np.float32(intrinsics.fx * self.config.baseline / step)
        noise = rng.standard_normal(depth.shape, dtype=np.float32)
        noise *= np.float32(self.config.subpixel / step)
        # In place: at 30 frames per second the memory traffic counts.
        disparity = np.maximum(depth, np.float32(1e-3))
        np.divide(scale, disparity, out=disparity)
        disparity += noise
        np.rint(disparity, out=disparity)
        np.maximum(disparity, np.float32(1.0), out=disparity)
        np.divide(scale, disparity, out=disparity)
        disparity *= depth > 0.0
        return disparity

    def _lost(
        self,
        clean: Array,
        steps: list[Array],
        intrinsics: CameraIntrinsics,
        rng: np.random.Generator,
    ) -> Array:
        """Flat indices of pixels that show a surface edge-on, and of a few anywhere."""
        config = self.config
        # Depth changes by z tan(angle) / f from one pixel to the next.
        limit = clean * np.float32(np.tan(config.grazing_angle) / intrinsics.fx)
        grazing = np.zeros(clean.shape, bool)
        grazing[1:] = steps[0] > limit[1:]
        grazing[:, 1:] |= steps[1] > limit[:, 1:]
        edge_on = np.flatnonzero(grazing)
        edge_on = edge_on[rng.random(len(edge_on)) < config.grazing_hole]
        anywhere = rng.integers(clean.size, size=rng.binomial(clean.size, config.hole))
        return np.concatenate([edge_on, anywhere])
