"""Depth and colour pictures of a MuJoCo world: EGL where there is OpenGL, else ray casting."""

from __future__ import annotations

import threading

import mujoco
import numpy as np

from dexgrasp.simulation.config import CameraConfig
from dexgrasp.types import Array


class SceneRenderer:
    """Renders whatever model it is given.

    OpenGL contexts belong to a thread: each thread gets its own, and frees it itself when it
    is given another model.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def _renderer(self, model: mujoco.MjModel, camera: CameraConfig) -> mujoco.Renderer:
        local = self._local.__dict__
        if local.get("model") is not model:
            self.close()
            local.update(model=model, renderers={})
        key = (camera.width, camera.height)
        if key not in local["renderers"]:
            local["renderers"][key] = mujoco.Renderer(model, camera.height, camera.width)
        return local["renderers"][key]

    def depth(
        self, model: mujoco.MjModel, data: mujoco.MjData, name: str, camera: CameraConfig
    ) -> Array:
        """(h, w) float32 [m] along the optical axis; 0 where nothing is within 3 m."""
        try:
            renderer = self._renderer(model, camera)
        except (ImportError, AttributeError, mujoco.FatalError):
            return cast_depth(model, data, name, camera)
        renderer.enable_depth_rendering()
        renderer.update_scene(data, camera=name)
        depth = renderer.render().copy()
        renderer.disable_depth_rendering()
        depth[depth > 3.0] = 0.0
        return depth

    def color(
        self, model: mujoco.MjModel, data: mujoco.MjData, name: str, camera: CameraConfig
    ) -> Array:
        """(h, w, 3) uint8. Raises mujoco.FatalError without OpenGL."""
        renderer = self._renderer(model, camera)
        renderer.update_scene(data, camera=name)
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        return renderer.render().copy()

    def close(self) -> None:
        """Free this thread's contexts."""
        for renderer in self._local.__dict__.pop("renderers", {}).values():
            renderer.close()
        self._local.__dict__.clear()


def cast_depth(
    model: mujoco.MjModel, data: mujoco.MjData, name: str, camera: CameraConfig
) -> Array:
    """The same depth image by `mj_multiRay` against visible geometry; needs no OpenGL."""
    pixels = camera.intrinsics
    u, v = np.meshgrid(np.arange(pixels.width), np.arange(pixels.height))
    rays = np.stack(
        [(u - pixels.cx) / pixels.fx, (v - pixels.cy) / pixels.fy, np.ones(u.shape)], axis=-1
    ).reshape(-1, 3)
    scale = np.linalg.norm(rays, axis=1)
    directions = (rays / scale[:, None]) @ camera.T_world_camera[:3, :3].T
    count = len(rays)
    distance, geom = np.zeros(count), np.zeros(count, dtype=np.int32)
    groups = np.array([1, 1, 1, 0, 0, 0], dtype=np.uint8)
    mujoco.mj_multiRay(
        model,
        data,
        np.asarray(camera.position, float),
        directions.ravel(),
        groups,
        True,
        -1,
        geom,
        distance,
        None,
        count,
        3.0,
    )
    depth = np.where(geom >= 0, distance / scale, 0.0)
    return depth.reshape(pixels.height, pixels.width).astype(np.float32)
