"""Parts of objects: in the catalogue, in label files beside a mesh, and in labelled clouds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dexgrasp.errors import MeshError
from dexgrasp.objects import CloudLabels, FaceLabels, ObjectModel, load_object, object_names
from dexgrasp.objects.labels import PlacedZone, Zone
from dexgrasp.objects.shapes import Box

EXPECTED = {
    "mug": {"body", "handle", "rim"},
    "hammer": {"handle", "head", "claw"},
    "power_drill": {"body", "chuck", "handle", "trigger", "battery"},
    "scissors": {"handle", "blade", "shank", "pivot"},
    "bowl": {"body", "rim"},
    "mustard_bottle": {"body", "neck", "cap", "nozzle"},
    "spatula": {"handle", "blade"},
    "phillips_screwdriver": {"handle", "shaft", "tip"},
    "wine_glass": {"body", "rim", "stem", "base"},
    "timer": {"body", "knob"},
    "large_marker": {"body", "cap"},
    "tennis_ball": {"body"},
}


def surface(model: ObjectModel, count: int = 400) -> np.ndarray:
    return np.asarray(trimesh.sample.sample_surface(model.mesh, count, seed=0)[0])


def parts_at(model: ObjectModel, *points: tuple[float, float, float]) -> list[str]:
    return [model.part_names[k] for k in model.label_points(np.array(points))]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_objects_have_the_parts_that_a_person_would_name(name: str) -> None:
    model = load_object(name)
    labels = model.label_points(surface(model, 8000))
    assert set(model.part_names) == EXPECTED[name]
    assert {model.part_names[k] for k in np.unique(labels)} == EXPECTED[name]


@pytest.mark.parametrize("name", object_names())
def test_every_place_of_every_object_has_a_part(name: str) -> None:
    model = load_object(name)
    labels = model.label_points(surface(model))
    assert labels.shape == (400,)
    assert labels.min() >= 0
    assert labels.max() < len(model.part_names)


def test_places_on_the_mug() -> None:
    mug = load_object("mug")
    side = float(mug.mesh.bounds[1, 0])  # the handle is on the +x side, the rim on top
    low = float(mug.mesh.bounds[0, 0])
    top = float(mug.mesh.bounds[1, 2])
    assert parts_at(mug, (side, 0.0, 0.04), (low, 0.0, top), (low, 0.0, 0.03)) == [
        "handle",
        "rim",
        "body",
    ]


def test_tool_heads_are_heavier_ends() -> None:
    hammer = load_object("hammer")
    points = surface(hammer, 4000)
    label = hammer.label_points(points)
    head = points[label == hammer.part_names.index("head")].mean(axis=0)
    handle = points[label == hammer.part_names.index("handle")].mean(axis=0)
    assert np.linalg.norm(head - hammer.com) < np.linalg.norm(handle - hammer.com)


def test_an_object_without_labels_has_no_parts() -> None:
    model = ObjectModel.from_mesh("box", trimesh.creation.box((0.1, 0.1, 0.1)))
    assert model.part_names == ()
    assert (model.label_points(surface(model, 20)) == -1).all()


@given(st.floats(-0.04, 0.04), st.floats(0.001, 0.03), st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_a_zone_is_a_slice_in_the_frame_of_its_shape(low: float, size: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = Box.model_validate(
        {
            "kind": "box",
            "size": [0.1, 0.1, 0.1],
            "xyz": rng.uniform(-1, 1, 3),
            "rpy": rng.uniform(-3, 3, 3),
            "zones": [{"part": "band", "axis": "x", "above": low, "below": low + size}],
        }
    )
    mesh, _ = shape.build()
    placed = [PlacedZone(zone, 0, shape.pose) for zone in shape.zones]
    labels = FaceLabels.of_bodies([mesh], ["body"], placed)
    local = rng.uniform(-0.05, 0.05, (200, 3))
    local[:, 2] = 0.05
    points = local @ shape.pose[:3, :3].T + shape.pose[:3, 3]
    clear = np.abs(local[:, 0] - low) > 1e-6
    clear &= np.abs(local[:, 0] - low - size) > 1e-6
    inside = (local[:, 0] > low) & (local[:, 0] < low + size)
    found = labels.label_points(points) == labels.names.index("band")
    np.testing.assert_array_equal(found[clear], inside[clear])


def test_the_first_zone_wins() -> None:
    mesh = trimesh.creation.box((0.1, 0.1, 0.1))
    zones = [Zone(part="upper", above=0.0), Zone(part="top", above=0.04)]
    labels = FaceLabels.of_bodies([mesh], ["body"], [PlacedZone(z, 0, np.eye(4)) for z in zones])
    point = np.array([[0.0, 0.0, 0.05]])
    assert [labels.names[k] for k in labels.label_points(point)] == ["upper"]


@pytest.mark.parametrize("bounds", [{}, {"above": 0.2, "below": 0.1}, {"axis": "w", "above": 0.0}])
def test_a_zone_needs_bounds(bounds: dict) -> None:
    with pytest.raises(ValidationError):
        Zone.model_validate({"part": "rim", **bounds})


def boxes(tmp_path: Path, labels: object) -> Path:
    """Two boxes joined, as a file; the first twelve faces are one box's before they are joined."""
    lower, upper = trimesh.creation.box((0.1, 0.1, 0.1)), trimesh.creation.box((0.02, 0.02, 0.1))
    upper.apply_translation((0.0, 0.0, 0.1))
    mesh = trimesh.boolean.union([lower, upper], engine="manifold")
    path = tmp_path / "post.stl"
    mesh.export(path)
    text = labels if isinstance(labels, str) else json.dumps(labels)
    (tmp_path / "post.parts.json").write_text(text)
    return path


def upper_faces(tmp_path: Path) -> tuple[list[int], int]:
    mesh = trimesh.load(boxes(tmp_path, {"parts": {"body": [0]}}), force="mesh", process=False)
    high = np.flatnonzero(mesh.triangles_center[:, 2] > 0.0501)
    return [int(k) for k in high], len(mesh.faces)


def test_a_file_with_face_indices_labels_a_mesh(tmp_path: Path) -> None:
    faces, count = upper_faces(tmp_path)
    rest = sorted(set(range(count)) - set(faces))
    model = load_object(boxes(tmp_path, {"parts": {"handle": faces, "body": rest}}))
    assert model.part_names == ("handle", "body")
    assert parts_at(model, (0.01, 0.0, 0.12), (0.05, 0.0, 0.0)) == ["handle", "body"]


def test_a_file_with_a_name_per_face_labels_a_mesh(tmp_path: Path) -> None:
    faces, count = upper_faces(tmp_path)
    names = ["handle" if k in faces else None for k in range(count)]
    model = load_object(boxes(tmp_path, {"faces": names}))
    assert model.part_names == ("handle",)
    np.testing.assert_array_equal(
        model.label_points(np.array([[0.01, 0.0, 0.12], [0.05, 0.0, 0.0]])), [0, -1]
    )


def test_labels_are_scaled_with_their_mesh(tmp_path: Path) -> None:
    faces, _ = upper_faces(tmp_path)
    model = load_object(boxes(tmp_path, {"parts": {"handle": faces}}), scale=0.5)
    np.testing.assert_array_equal(
        model.label_points(np.array([[0.005, 0.0, 0.06], [0.025, 0.0, 0.0]])), [0, -1]
    )


def test_faces_are_those_of_the_file_even_if_the_mesh_is_repaired(tmp_path: Path) -> None:
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    faces = np.vstack([[[0, 0, 1]], box.faces])  # a degenerate face first, which repair drops
    lines = [f"v {x} {y} {z}" for x, y, z in box.vertices]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in faces]
    (tmp_path / "box.obj").write_text("\n".join(lines))
    top = 1 + np.flatnonzero(box.triangles_center[:, 2] > 0.049)
    (tmp_path / "box.parts.json").write_text(json.dumps({"parts": {"lid": top.tolist()}}))
    model = load_object(tmp_path / "box.obj")
    assert len(model.mesh.faces) == 12
    np.testing.assert_array_equal(
        model.label_points(np.array([[0.01, 0.02, 0.05], [0.05, 0.01, 0.02]])), [0, -1]
    )


BAD_FILES = {
    "cannot be read as JSON": "{",
    "must be an object with 'parts' or with 'faces'": [],
    "unknown key 'version'; allowed: parts, faces": {"parts": {"a": [0]}, "version": 1},
    "at least one part": {"parts": {}},
    "part 'a' names face 99; the mesh has faces 0 to": {"parts": {"a": [99]}},
    "part 'a' names face -1": {"parts": {"a": [-1]}},
    "face 1 is in 'a' and 'b'": {"parts": {"a": [0, 1], "b": [1, 2]}},
    "part 'a' must be a list of face indices": {"parts": {"a": ["0"]}},
    "part 'b' must be a list of face indices": {"parts": {"b": []}},
    "'faces' has 2 names; the mesh has": {"faces": ["a", "b"]},
}


@pytest.mark.parametrize("words", BAD_FILES)
def test_wrong_label_files_are_refused_with_the_reason(tmp_path: Path, words: str) -> None:
    with pytest.raises(MeshError, match=r"post\.parts\.json") as caught:
        load_object(boxes(tmp_path, BAD_FILES[words]))
    assert words in str(caught.value)


def test_a_name_per_face_must_be_a_name(tmp_path: Path) -> None:
    _, count = upper_faces(tmp_path)
    with pytest.raises(MeshError, match="the part of face 0 is 3; give a name or null"):
        load_object(boxes(tmp_path, {"faces": [3] * count}))


def test_a_labelled_cloud_labels_by_its_nearest_point() -> None:
    labels = CloudLabels(("low", "high"), np.array([[0.0, 0, 0], [0, 0, 1]]), np.array([0, 1]))
    points = np.array([[0.0, 0.0, 0.4], [0.0, 0.0, 0.6]])
    np.testing.assert_array_equal(labels.label_points(points), [0, 1])


@pytest.mark.parametrize("label", [[0], [0, 2], [0, -2]])
def test_a_cloud_and_its_labels_must_match(label: list[int]) -> None:
    with pytest.raises(MeshError, match="labels"):
        CloudLabels(("low", "high"), np.zeros((2, 3)), np.array(label))
