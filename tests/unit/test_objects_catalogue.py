"""Every object of the catalogue against its published figures."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from dexgrasp.errors import UnknownNameError
from dexgrasp.objects import exact_signed_distance, load_object, object_names
from dexgrasp.objects.catalogue import catalogue

NAMES = object_names()
HOLLOW = {"bowl": 0.0022, "mug": 0.003, "c_cups": 0.0018, "f_cups": 0.0018, "j_cups": 0.0018}
HOLLOW |= {"wine_glass": 0.002, "pitcher_base": 0.003}  # wall thickness [m]


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
    assert min(errors) < 0.025
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


@pytest.mark.parametrize("name", sorted(HOLLOW))
def test_a_finger_fits_into_the_parts_of_a_hollow_object(name: str) -> None:
    model = load_object(name)
    top = model.mesh.bounds[1, 2]
    depth = np.linspace(0.5 * top, top, 20) if name != "wine_glass" else np.linspace(0.09, top, 20)
    axis = np.column_stack([np.zeros(20), np.zeros(20), depth])
    cup = [part for part in model.parts if part.bounds[1, 2] > 0.6 * top]
    axis[:, 0] = np.mean([part.bounds.mean(axis=0)[0] for part in cup if len(cup) < 40] or [0.0])
    bore = np.min([exact_signed_distance(p, axis) for p in model.parts], axis=0)
    assert bore.min() > 0.012


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
