"""Convex pieces of a mesh for physics, by CoACD, kept on disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import trimesh

from dexgrasp.types import Array

CONVEX_SHARE = 0.97  # of its hull's volume that makes a mesh convex enough for one piece
SETTINGS = {
    "threshold": 0.05,  # concavity that may stay, in CoACD's normalised units
    "max_convex_hull": 32,
    "preprocess_resolution": 40,
    "resolution": 1500,
    "mcts_iterations": 80,
    "mcts_nodes": 15,
    "seed": 0,
}


def cache_folder() -> Path:
    """`DEXGRASP_CACHE`, else `dexgrasp` in the user's cache folder."""
    if "DEXGRASP_CACHE" in os.environ:
        return Path(os.environ["DEXGRASP_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dexgrasp"


def convex_parts(mesh: trimesh.Trimesh) -> tuple[trimesh.Trimesh, ...]:
    """Convex meshes that together fill `mesh`: its hull when it is convex, else CoACD's."""
    hull = mesh.convex_hull
    if mesh.volume > CONVEX_SHARE * hull.volume:
        return (hull,)
    path = cache_folder() / "convex_parts" / f"{_digest(mesh)}.npz"
    clouds = _read(path)
    if clouds is None:
        clouds = _decompose(mesh)
        _write(path, clouds)
    return tuple(trimesh.convex.convex_hull(cloud) for cloud in clouds)


def _decompose(mesh: trimesh.Trimesh) -> list[Array]:
    import coacd  # takes a while to load, and most objects never need it

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
    except (OSError, ValueError, EOFError):
        return None


def _write(path: Path, clouds: list[Array]) -> None:
    """Store by renaming a finished file, as other processes may read or write it now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
        np.savez(file, *clouds)
    os.replace(file.name, path)
