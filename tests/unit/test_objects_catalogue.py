"""Every object of the catalogue against its published figures."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from dexgrasp.errors import UnknownNameError
from dexgrasp.objects import exact_signed_distance, load_object, object_names
from dexgrasp.objects.catalogue import catalogue

NAMES = object_names()
HOLLOW = ("bowl", "mug", "c_cups", "f_cups", "j_cups", "wine_glass", "pitcher_base")


def boxes(mesh: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    return np.sort(mesh.extents), np.sort(mesh.bounding_box_oriented.primitive.extents)


def test_there_are_at_least_thirty_objects() -> None:
    assert len(NAMES) >= 30


@pytest.mark.parametrize("name", NAMES)
def test_object_matches_its_published_figures(name: str) -> None:
    model, entry = load_object(name), catalogue().objects[name]
    assert model.mesh.is_volume
    assert model.mesh.body_count == 1
    assert model.mass == entry.mass
    errors = [np.abs(box / np.sort(entry.size) - 1.0).max() for box in boxes(model.mesh)]
    assert min(errors) < 0.02
    assert {entry.size_source, entry.mass_source} <= set(catalogue().sources)


@pytest.mark.parametrize("name", NAMES)
def test_inertia_is_that_of_a_rigid_body_inside_the_box(name: str) -> None:
    model = load_object(name)
    moments = np.linalg.eigvalsh(model.inertia)
    assert moments.min() > 0.0
    assert moments[2] <= moments[0] + moments[1] + 1e-12
    assert moments[2] <= model.mass * (0.5 * model.mesh.extents) @ (0.5 * model.mesh.extents)
    assert (model.com > model.mesh.bounds[0]).all()
    assert (model.com < model.mesh.bounds[1]).all()


@pytest.mark.parametrize("name", NAMES)
def test_parts_are_convex_and_fill_the_object(name: str) -> None:
    model = load_object(name)
    assert len(model.parts) <= 64
    assert all(part.is_convex for part in model.parts)
    inside = np.asarray(trimesh.sample.sample_surface(model.mesh, 300, seed=0)[0])
    covered = np.min([exact_signed_distance(p, inside) for p in model.parts], axis=0)
    assert covered.max() < 0.001
    corners = np.concatenate([np.asarray(p.vertices) for p in model.parts])
    assert exact_signed_distance(model.mesh, corners).max() < 0.001


@pytest.mark.parametrize("name", HOLLOW)
def test_parts_leave_the_cavity_open(name: str) -> None:
    model = load_object(name)
    top, reach = model.mesh.bounds[1, 2], 0.5 * model.mesh.extents[:2].max()
    across = np.linspace(-reach, reach, 41)
    points = np.stack(np.meshgrid(across, 0.0, 0.9 * top, indexing="ij"), axis=-1).reshape(-1, 3)
    within = points[exact_signed_distance(model.mesh.convex_hull, points) < 0.0]
    free = np.min([exact_signed_distance(p, within) for p in model.parts], axis=0)
    assert free.max() > 0.25 * model.mesh.extents[:2].min()


@pytest.mark.parametrize("name", NAMES)
def test_mesh_frame_is_the_resting_frame(name: str) -> None:
    model = load_object(name)
    np.testing.assert_allclose(model.mesh.bounds[0, 2], 0.0, atol=1e-6)
    np.testing.assert_allclose(model.mesh.bounds.mean(axis=0)[:2], 0.0, atol=1e-6)


def test_tools_are_off_balance() -> None:
    for name in ("hammer", "phillips_screwdriver", "adjustable_wrench"):
        model = load_object(name)
        longest = int(np.argmax(model.mesh.extents))
        assert abs(model.com[longest]) > 0.08 * model.mesh.extents[longest]


def test_mass_and_friction_can_be_replaced() -> None:
    model = load_object("mug", mass=0.5, friction=0.3)
    assert (model.mass, model.friction) == (0.5, 0.3)
    np.testing.assert_allclose(model.inertia, load_object("mug").inertia * 0.5 / 0.118)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown object 'mugg'; known: .*mug"):
        load_object("mugg")
