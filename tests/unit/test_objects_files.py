"""Mesh files: good, repairable and hopeless; decomposition and its cache."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import trimesh

from dexgrasp.errors import MeshError
from dexgrasp.objects import ObjectModel, decomposition, load_object

SHARED = Path(os.environ.get("DEXGRASP_SHARED", Path(__file__).parents[3] / "shared"))


def saved(mesh: trimesh.Trimesh, path: Path) -> Path:
    mesh.export(path)
    return path


def l_shape() -> trimesh.Trimesh:
    blocks = [trimesh.creation.box([0.1, 0.02, 0.02]), trimesh.creation.box([0.02, 0.02, 0.1])]
    blocks[1].apply_translation([0.04, 0.0, 0.04])
    return trimesh.boolean.union(blocks, engine="manifold")


@pytest.mark.parametrize("suffix", [".obj", ".stl", ".ply"])
def test_every_format_loads(tmp_path: Path, suffix: str) -> None:
    model = load_object(saved(trimesh.creation.box([0.05, 0.06, 0.07]), tmp_path / f"box{suffix}"))
    assert model.name == "box"
    np.testing.assert_allclose(model.mass, 300.0 * 0.05 * 0.06 * 0.07, rtol=1e-5)
    np.testing.assert_allclose(np.sort(model.mesh.extents), [0.05, 0.06, 0.07], rtol=1e-5)


def test_simple_faults_are_repaired(tmp_path: Path) -> None:
    mesh = trimesh.creation.box([0.05, 0.06, 0.07])
    triangles = np.asarray(mesh.triangles)  # vertices apart, one face missing, inside out
    soup = trimesh.Trimesh(triangles[1:].reshape(-1, 3), np.arange(33).reshape(-1, 3)[:, ::-1])
    model = load_object(saved(soup, tmp_path / "soup.stl"))
    assert model.mesh.is_volume
    np.testing.assert_allclose(model.mesh.volume, mesh.volume, rtol=1e-5)


def test_open_mesh_is_refused(tmp_path: Path) -> None:
    tube = trimesh.creation.icosphere(subdivisions=3, radius=0.05)
    tube.update_faces(np.abs(tube.triangles_center[:, 2]) < 0.03)
    with pytest.raises(MeshError, match=r"not watertight \(\d+ open edges\)"):
        load_object(saved(tube, tmp_path / "tube.ply"))


def test_millimetres_are_refused_with_the_remedy(tmp_path: Path) -> None:
    path = saved(trimesh.creation.box([50.0, 60.0, 70.0]), tmp_path / "mm.stl")
    with pytest.raises(MeshError, match=r"70 m long.*scale it by 0\.001"):
        load_object(path)


def test_a_speck_is_refused(tmp_path: Path) -> None:
    path = saved(trimesh.creation.box([5e-5, 6e-5, 7e-5]), tmp_path / "speck.stl")
    with pytest.raises(MeshError, match="less than"):
        load_object(path)


@pytest.mark.parametrize("content", ["", "not a mesh", "v 0 0 0\nv 0 0 1\n"])
def test_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    for suffix in (".obj", ".stl", ".ply"):
        path = tmp_path / f"empty{suffix}"
        path.write_text(content)
        with pytest.raises(MeshError, match="empty"):
            load_object(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="does not exist"):
        load_object(tmp_path / "nowhere.obj")


def test_not_finite_vertices_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "nan.obj"
    path.write_text("v 0 0 0\nv nan 0 1\nv 0 1 0\nv 1 0 0\nf 1 2 3\nf 1 3 4\nf 1 4 2\nf 2 4 3\n")
    with pytest.raises(MeshError, match="not finite"):
        load_object(path)


@pytest.mark.parametrize("figure", [{"mass": 0.0}, {"mass": np.nan}, {"friction": -1.0}])
def test_figures_must_be_positive(figure: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        ObjectModel.from_mesh("box", trimesh.creation.box([0.1, 0.1, 0.1]), **figure)


def test_open_mesh_makes_no_model() -> None:
    mesh = trimesh.creation.box([0.1, 0.1, 0.1])
    mesh.update_faces(np.arange(12) > 0)
    with pytest.raises(MeshError, match="not watertight"):
        ObjectModel.from_mesh("open", mesh)


def test_decomposition_fills_the_mesh_and_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEXGRASP_CACHE", str(tmp_path))
    mesh = l_shape()
    parts = decomposition.convex_parts(mesh)
    assert len(parts) > 1
    union = trimesh.boolean.union(list(parts), engine="manifold")
    np.testing.assert_allclose(union.volume, mesh.volume, rtol=0.05)

    def fail(_: trimesh.Trimesh) -> None:
        raise AssertionError("decomposed again")

    monkeypatch.setattr(decomposition, "_decompose", fail)
    again = decomposition.convex_parts(mesh)
    assert [p.volume for p in again] == [p.volume for p in parts]


def test_damaged_cache_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEXGRASP_CACHE", str(tmp_path))
    count = len(decomposition.convex_parts(l_shape()))
    (stored,) = tmp_path.rglob("*.npz")
    stored.write_bytes(b"PK\x03\x04 truncated")
    assert len(decomposition.convex_parts(l_shape())) == count


def test_dented_box_is_one_part() -> None:
    dent = trimesh.creation.box([0.05, 0.05, 0.01])
    dent.apply_translation([0.0, 0.0, 0.055])
    box = trimesh.creation.box([0.1, 0.1, 0.1]).difference(dent, engine="manifold")
    assert len(decomposition.convex_parts(box)) == 1


@pytest.mark.shared
@pytest.mark.parametrize(
    "path", sorted((SHARED / "data" / "ycb_meshes").glob("*.obj")), ids=lambda path: path.stem
)
def test_scans_load(path: Path) -> None:
    model = load_object(path)
    assert model.mesh.is_volume
    assert model.sdf.grid.min() < 0.0
