"""Meshes by the names of grasp files, and glTF and USD files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from dexgrasp.datasets import find_mesh
from dexgrasp.errors import MeshError
from dexgrasp.objects import load_object
from dexgrasp.objects.meshfile import read_mesh

SIZE = [0.05, 0.06, 0.07]


def box(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    trimesh.creation.box(SIZE).export(path)
    return path


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("mug.obj", "mug"),
        ("mug.obj", "mug.obj"),
        ("mug.stl", "their/disk/mug"),
        ("contactdb/apple/apple.stl", "contactdb+apple"),
        ("apple.stl", "contactdb+apple"),
        ("025_mug/google_16k/textured.obj", "025_mug"),
        ("core_bottle/mesh/simplified.obj", "assets/object/core_bottle"),
        ("core-mug/coacd/decomposed.obj", "core-mug"),
        ("joint_0.0_thing/only.ply", "joint_0.0_thing"),
    ],
)
def test_a_mesh_is_found_by_the_name_in_the_file(tmp_path: Path, file: str, name: str) -> None:
    path = box(tmp_path / "meshes" / file)
    assert find_mesh(name, [tmp_path / "other", tmp_path / "meshes"]) == path


def test_the_preferred_mesh_of_a_folder_comes_first(tmp_path: Path) -> None:
    box(tmp_path / "mug" / "coacd" / "part_0.obj")
    box(tmp_path / "mug" / "textured.obj")
    best = box(tmp_path / "mug" / "textured_simple.obj")
    assert find_mesh("mug", [tmp_path]) == best


def test_several_meshes_without_a_known_name_are_an_error(tmp_path: Path) -> None:
    box(tmp_path / "mug" / "a.obj")
    box(tmp_path / "mug" / "b.obj")
    with pytest.raises(MeshError, match=r"holds 2 meshes \(a\.obj, b\.obj\)"):
        find_mesh("mug", [tmp_path])


@pytest.mark.parametrize("name", ["cup", "../secret", ""])
def test_what_is_not_there_says_where_it_was_looked_for(tmp_path: Path, name: str) -> None:
    box(tmp_path / "secret.obj")
    with pytest.raises(MeshError, match=f"no mesh of '{name}' in .*inner"):
        find_mesh(name, [tmp_path / "inner"])


def test_glb_nodes_are_put_in_place(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    move = np.eye(4)
    move[:3, 3] = [0.5, 0.0, 0.0]
    scene.add_geometry(trimesh.creation.box(SIZE), transform=move)
    path = tmp_path / "box.glb"
    scene.export(path)
    mesh = read_mesh(path)
    np.testing.assert_allclose(mesh.bounds.mean(axis=0), [0.5, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(mesh.extents, SIZE, rtol=1e-5)
    assert load_object(path).name == "box"


def usd_box(path: Path, metres: float, scale: float = 1.0, left_handed: bool = False) -> Path:
    """A quad box of SIZE metres, 0.5 m along z, in a moved group, up y."""
    pxr = pytest.importorskip("pxr")
    from pxr import Gf, Usd, UsdGeom

    assert pxr
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageMetersPerUnit(stage, metres)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    group = UsdGeom.Xform.Define(stage, "/World")
    group.AddTranslateOp().Set(Gf.Vec3d(0.0, 0.0, 0.5 / metres))
    group.AddScaleOp().Set(Gf.Vec3f(scale, 1.0, 1.0))
    mesh = UsdGeom.Mesh.Define(stage, "/World/box")
    half = np.array(SIZE) / 2.0 / metres
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * half
    mesh.CreatePointsAttr([Gf.Vec3f(*map(float, corner)) for corner in corners])
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    if left_handed:
        quads = [quad[::-1] for quad in quads]
        mesh.CreateOrientationAttr(UsdGeom.Tokens.leftHanded)
    mesh.CreateFaceVertexCountsAttr([4] * 6)
    mesh.CreateFaceVertexIndicesAttr([i for quad in quads for i in quad])
    stage.GetRootLayer().Save()
    return path


@pytest.mark.parametrize("suffix", [".usd", ".usda", ".usdc"])
@pytest.mark.parametrize("metres", [1.0, 0.01, 0.001])
def test_usd_units_become_metres_and_nodes_are_in_place(
    tmp_path: Path, suffix: str, metres: float
) -> None:
    mesh = read_mesh(usd_box(tmp_path / f"box{suffix}", metres))
    np.testing.assert_allclose(mesh.extents, SIZE, rtol=1e-5)
    np.testing.assert_allclose(mesh.bounds.mean(axis=0), [0.0, 0.0, 0.5], atol=1e-6)
    np.testing.assert_allclose(mesh.volume, np.prod(SIZE), rtol=1e-5)


@pytest.mark.parametrize(("scale", "left_handed"), [(-1.0, False), (1.0, True), (-1.0, True)])
def test_mirrored_and_left_handed_usd_meshes_face_outward(
    tmp_path: Path, scale: float, left_handed: bool
) -> None:
    from dexgrasp.objects.usdfile import read_usd

    mesh = read_usd(usd_box(tmp_path / "box.usda", 1.0, scale, left_handed))
    assert mesh.volume == pytest.approx(np.prod(SIZE), rel=1e-5)  # negative if inside out


def test_usd_without_the_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = usd_box(tmp_path / "box.usda", 1.0)
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(MeshError, match=r"needs usd-core.*dexgrasp\[usd\]"):
        read_mesh(path)


def test_usd_that_is_none_or_empty_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    path = tmp_path / "broken.usda"
    path.write_text("not a stage")
    with pytest.raises(MeshError, match="cannot be read as a USD stage"):
        read_mesh(path)
    stage = Usd.Stage.CreateNew(str(tmp_path / "cube.usda"))
    UsdGeom.Cube.Define(stage, "/cube")
    stage.GetRootLayer().Save()
    with pytest.raises(MeshError, match=r"no UsdGeom\.Mesh"):
        read_mesh(tmp_path / "cube.usda")


def test_usd_in_the_wrong_unit_is_refused_with_the_remedy(tmp_path: Path) -> None:
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    path = usd_box(tmp_path / "box.usda", 0.001)
    stage = Usd.Stage.Open(str(path))
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.GetRootLayer().Save()
    with pytest.raises(MeshError, match=r"70 m long.*scale it by 0\.001"):
        read_mesh(path)
