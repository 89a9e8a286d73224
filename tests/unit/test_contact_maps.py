"""Contact maps: they lie on the surface, name what touches, and survive files or refuse them."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dexgrasp.errors import GraspError, MeshError
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import exact_signed_distance, load_object
from dexgrasp.synthesis.contact_maps import (
    FIRM,
    ContactMap,
    contact_map_of,
    read_contact_map,
    write_contact_map,
)
from dexgrasp.synthesis.mask import placed_contact_map
from dexgrasp.synthesis.source import mesh_target


@lru_cache
def touching_mug(name: str) -> ContactMap:
    """The mug between thumb and fingers of two hands, and out of reach of a third."""
    hand, mug = HandModel.load(name), load_object("mug")
    q = np.tile(hand.postures["power"], (3, 1))
    tips = hand.fingertips(q)
    palms = np.tile(np.eye(4), (3, 1, 1))
    palms[:, :3, 3] = [0.0, 0.0, 0.04] - 0.5 * (tips[:, 1] + tips[:, 3])
    palms[1, :3, 3] += [0.0, 0.01, 0.0]
    palms[2, :3, 3] += 1.0
    return contact_map_of(hand, mug, palms, q)


@pytest.mark.parametrize("name", hand_names())
def test_contacts_lie_on_the_surface_and_say_what_touches(name: str) -> None:
    hand, mug, found = HandModel.load(name), load_object("mug"), touching_mug(name)
    assert set(found.grasp) == {0, 1}
    assert np.abs(exact_signed_distance(mug.mesh, found.points)).max() < 1e-5
    np.testing.assert_allclose(np.linalg.norm(found.normals, axis=1), 1.0, atol=1e-5)
    assert ((found.strength > 0.0) & (found.strength <= 1.0)).all()
    assert set(found.parts) <= set(mug.part_names)
    assert set(found.links) <= set(hand.link_names)
    assert {"thumb"} <= set(found.fingers) <= {*hand.finger_names, "palm"}
    for finger, distal in zip(hand.finger_names, hand.distal_links, strict=True):
        assert set(found.fingers[found.links == hand.link_names[distal]]) <= {finger}


def test_a_far_hand_touches_nothing() -> None:
    hand, far = HandModel.load(hand_names()[0]), np.eye(4)
    far[:3, 3] = 1.0
    q = hand.postures["open"]
    assert len(contact_map_of(hand, load_object("mug"), far[None], q[None])) == 0
    assert len(contact_map_of(hand, load_object("mug"), far[None][:0], q[None][:0])) == 0


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    found = touching_mug(hand_names()[0])
    write_contact_map(found, tmp_path / "map.npz")
    again = read_contact_map(tmp_path / "map.npz")
    for field in fields(ContactMap):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(found, field.name))


def made_up(**changes: np.ndarray) -> dict[str, np.ndarray]:
    points = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.05]])
    normals = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
    return {"points": points, "normals": normals, "fingers": np.array(["thumb", "index"])} | changes


def test_points_alone_are_a_target(tmp_path: Path) -> None:
    np.savez(tmp_path / "map.npz", points=made_up()["points"])
    target = read_contact_map(tmp_path / "map.npz")
    assert target.finger_names == ()
    near = target.near(np.array([[0.0, 0.0, 0.005], [0.0, 0.0, 0.02]]), np.eye(3)[:2], 0.01, 0.5)
    assert near.tolist() == [True, False]


def test_a_target_keeps_fingers_and_directions_apart(tmp_path: Path) -> None:
    np.savez(tmp_path / "map.npz", **made_up())
    target = read_contact_map(tmp_path / "map.npz")
    place, up = np.array([[0.0, 0.001, 0.05]]), np.array([[0.0, 0.0, 1.0]])
    assert target.finger_names == ("index", "thumb")
    assert target.near(place, up, 0.01, 0.5, "index").all()
    assert target.near(place, up, 0.01, 0.5).all()
    assert not target.near(place, -up, 0.01, 0.5, "index").any()
    assert not target.near(place, up, 0.01, 0.5, "thumb").any()
    assert not target.near(place, up, 0.01, 0.5, "ring").any()
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_rotvec([0.3, -1.0, 0.2]).as_matrix(), [0.4, 0.5, 0.6]
    turned = place @ T[:3, :3].T + T[:3, 3], up @ T[:3, :3].T
    assert target.moved(T).near(*turned, 0.01, 0.5, "index").all()


def test_faint_contacts_are_no_target(tmp_path: Path) -> None:
    np.savez(tmp_path / "map.npz", **made_up(strength=np.array([1.0, 0.5 * FIRM])))
    assert read_contact_map(tmp_path / "map.npz").finger_names == ("thumb",)


FAULTS = {
    "shape": (made_up(points=np.zeros((2, 2))), "points has shape"),
    "count": (made_up(normals=np.zeros((3, 3))), "normals has shape"),
    "nan": (made_up(points=np.full((2, 3), np.nan)), "not finite"),
    "length": (made_up(normals=np.ones((2, 3))), "unit length"),
    "empty": (made_up(points=np.zeros((0, 3)), normals=np.zeros((0, 3)),
                      fingers=np.zeros(0, dtype="U1")), "no contact"),
    "palm": (made_up(fingers=np.array(["palm", "palm"])), "no contact"),
    "pickled": (made_up(fingers=np.array(["thumb", None], dtype=object)), "Python objects"),
    "member": (made_up(colour=np.zeros(2)), "unknown member 'colour'"),
    "lacking": ({"normals": np.zeros((2, 3))}, "no member 'points'"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_file_that_is_no_contact_map_is_refused(name: str, tmp_path: Path) -> None:
    members, words = FAULTS[name]
    np.savez(tmp_path / "map.npz", **members)  # type: ignore[arg-type]
    with pytest.raises(GraspError, match=words):
        read_contact_map(tmp_path / "map.npz")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "map.npz"
    np.savez(file, **made_up())  # type: ignore[arg-type]
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(GraspError, match="npz"):
        read_contact_map(file)


def test_a_map_of_another_object_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "map.npz", points=np.full((2, 3), 0.5))
    with pytest.raises(MeshError, match="mesh frame, in metres"):
        placed_contact_map(mesh_target("mug", load_object("mug")), tmp_path / "map.npz")
