"""The unseen side: symmetry, carving, watertight meshes, distance fields, convex pieces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from dexgrasp.errors import SceneError
from dexgrasp.objects.manifold import simplified
from dexgrasp.perception import complete, perceive
from dexgrasp.perception.surface import level_surface
from dexgrasp.perception.synthetic import depth_frame, looking_at, placed
from dexgrasp.types import CameraIntrinsics, DetectedObject

SHAPES = {
    "box": (trimesh.creation.box((0.06, 0.09, 0.12)), "two_planes"),
    "sphere": (trimesh.creation.icosphere(4, 0.04), "revolution"),
    "cylinder": (trimesh.creation.cylinder(0.035, 0.11), "revolution"),
}
CUP = trimesh.creation.revolve(
    np.array([[0, 0], [0.045, 0], [0.045, 0.09], [0.039, 0.09], [0.039, 0.01], [0, 0.01]]),
    sections=64,
)


def seen(mesh: trimesh.Trimesh) -> DetectedObject:
    camera = looking_at((0.5, 0.0, 0.58), (0.0, 0.0, 0.04))
    intrinsics = CameraIntrinsics.from_fovy(640, 480, 0.75)
    return perceive(depth_frame([placed(mesh, 0.4)], intrinsics, camera)).objects[0]


@pytest.mark.parametrize("name", SHAPES)
def test_the_back_side_is_found_by_symmetry(name: str) -> None:
    mesh, symmetry = SHAPES[name]
    whole = complete(seen(mesh))
    assert whole.symmetry == symmetry
    assert whole.mesh.is_volume
    assert whole.mesh.volume == pytest.approx(mesh.volume, rel=0.12)
    # Edge by edge: the box's horizontal edges may be swapped, x is the longer.
    expected = (*sorted(mesh.extents[:2], reverse=True), mesh.extents[2])
    np.testing.assert_allclose(whole.mesh.extents, expected, rtol=0.10)
    assert 0.2 < whole.confidence < 0.8
    assert 0.05 <= whole.mass <= 1.0


def test_the_distance_field_agrees_with_the_mesh() -> None:
    whole = complete(seen(SHAPES["cylinder"][0]))
    points = np.asarray(whole.mesh.triangles_center)
    assert np.abs(whole.sdf.query(points)[0]).mean() < 0.0006
    assert whole.sdf.query(np.zeros(3))[0] < -0.02
    assert whole.sdf.query(np.array([0.06, 0.0, 0.0]))[0] == pytest.approx(0.025, abs=0.004)


def test_what_is_seen_open_stays_open() -> None:
    detected = seen(CUP)
    whole = complete(detected)
    top = 0.5 * detected.extents[2]
    assert whole.sdf.query(np.array([0.0, 0.0, top - 0.02]))[0] > 0.01
    assert whole.sdf.query(np.array([0.042, 0.0, top - 0.01]))[0] < 0.001
    inside = [trimesh.proximity.signed_distance(p, [[0, 0, top - 0.02]])[0] for p in whole.parts]
    assert max(inside) < 0.0


def test_convex_pieces_fill_the_mesh() -> None:
    whole = complete(seen(SHAPES["box"][0]))
    assert all(part.is_convex for part in whole.parts)
    assert sum(part.volume for part in whole.parts) == pytest.approx(whole.mesh.volume, rel=0.06)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: replace(d, cloud=d.cloud[:0]), "points"),
        (lambda d: replace(d, cloud=d.cloud[:5]), "points"),
        (lambda d: replace(d, cloud=np.full_like(d.cloud, np.nan)), "NaN"),
        (lambda d: replace(d, cloud=d.cloud[:, :2]), "shape"),
        (lambda d: replace(d, extents=d.extents * np.inf), "not finite"),
    ],
)
def test_unusable_detections_are_refused_in_words(change, words: str) -> None:
    with pytest.raises(SceneError, match=words):
        complete(change(seen(SHAPES["sphere"][0])))


def test_level_surface_of_a_ball_and_a_ring() -> None:
    axis = np.arange(41) * 0.002 - 0.04
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    radius = np.hypot(grid[..., 0], grid[..., 1])
    for field, volume, euler in (
        (np.linalg.norm(grid, axis=-1) - 0.03, 4 / 3 * np.pi * 0.03**3, 2),
        (np.hypot(radius - 0.025, grid[..., 2]) - 0.008, 2 * np.pi**2 * 0.025 * 0.008**2, 0),
    ):
        mesh = level_surface(field, np.full(3, -0.04), 0.002)
        assert mesh.is_volume
        assert mesh.euler_number == euler
        assert mesh.volume == pytest.approx(volume, rel=0.02)
        less = simplified(mesh, 0.0005)
        assert less.is_volume
        assert len(less.faces) < 0.5 * len(mesh.faces)


def test_any_field_gives_a_closed_surface() -> None:
    field = np.random.default_rng(0).normal(size=(9, 10, 11))
    assert level_surface(field, np.zeros(3), 1.0).is_watertight
    assert len(level_surface(np.ones((4, 4, 4)), np.zeros(3), 1.0).faces) == 0
