"""Meshes to manifold3d's solids and back."""

from __future__ import annotations

import numpy as np
import trimesh

from dexgrasp.objects.manifold import as_manifold, from_manifold


def test_a_mesh_that_comes_back_holds_no_memory_of_manifold3d() -> None:
    """What lives until the end of the process makes nanobind warn of leaks in every demo."""
    box = trimesh.creation.box((0.1, 0.2, 0.3))
    mesh = from_manifold(as_manifold(box))
    assert mesh.is_watertight
    assert abs(mesh.volume - box.volume) < 1e-12
    owner = mesh.vertices
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert owner is None
