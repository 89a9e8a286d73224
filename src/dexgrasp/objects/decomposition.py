"""Convex pieces of a mesh for physics, by CoACD, kept on disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import trimesh

from dexgrasp.types import Array

# A hull this close to the mesh, as with the sunken lids of cans and the dents of scans,
# stands for it: one piece is faster in contact and rests flat.
HULL_GAP = 0.00175  # [m], mean over the hull's surface
HULL_SHARE = 0.8  # of the hull's volume
SETTINGS = {
    "threshold": 0.005,  # [m] concavity that may stay
    "real_metric": True,
    "preprocess_mode": "off",  # the meshes are watertight already
    "max_convex_hull": 48,
    "resolution": 1000,
    "mcts_iterations": 60,
    "mcts_nodes": 10,
    "seed": 0,
}


def cache_folder() -> Path:
    """`DEXGRASP_CACHE`, else `dexgrasp` in the user's cache folder."""
    if "DEXGRASP_CACHE" in os.environ:
        return Path(os.environ["DEXGRASP_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dexgrasp"


def convex_parts(mesh: trimesh.Trimesh) -> tuple[trimesh.Trimesh, ...]:
    """Convex meshes that together fill `mesh`: its hull when it is convex, else CoACD's."""
    whole = single_hull(mesh)
    if whole is not None:
        return (whole,)
    path = cache_folder() / "convex_parts" / f"{_digest(mesh)}.npz"
    clouds = _read(path)
    if clouds is None:
        clouds = _decompose(mesh)
        _write(path, clouds)
    return tuple(trimesh.convex.convex_hull(cloud) for cloud in clouds)


def single_hull(mesh: trimesh.Trimesh) -> trimesh.Trimesh | None:
    """The hull of a mesh that is nearly convex."""
    hull = mesh.convex_hull
    gap = (hull.volume - mesh.volume) / hull.area
    return hull if gap < HULL_GAP and mesh.volume > HULL_SHARE * hull.volume else None


def _decompose(mesh: trimesh.Trimesh) -> list[Array]:
    import coacd  # after Open3D: loaded before it, Open3D cannot be imported (std::bad_cast)

    coacd.set_log_level("error")
    pieces = coacd.run_coacd(coacd.Mesh(mesh.vertices, mesh.faces), **SETTINGS)
    return [np.asarray(vertices) for vertices, _ in pieces]


def _digest(mesh: trimesh.Trimesh) -> str:
    text = hashlib.sha256(repr(sorted(SETTINGS.items())).encode())
    text.update(np.ascontiguousarray(mesh.vertices, dtype="<f4").tobytes())
    text.update(np.ascontiguousarray(mesh.faces, dtype="<i4").tobytes())
    return text.hexdigest()[:32]


def _read(path: Path) -> list[Array] | None:
    """The stored pieces; None when absent or damaged."""
    try:
        with np.load(path) as stored:
            return [stored[name] for name in stored.files]
    except (OSError, ValueError, BadZipFile):
        return None


def _write(path: Path, clouds: list[Array]) -> None:
    """Store by renaming a finished file, as other processes may read or write it now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
        np.savez(file, *clouds)
    os.replace(file.name, path)
