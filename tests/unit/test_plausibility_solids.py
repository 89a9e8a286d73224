"""Boxes, capsules, cylinders and spheres: distance, shared volume and depth of known cases."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from dexgrasp.evaluation.cells import cells_inside
from dexgrasp.evaluation.solid_pairs import deepest_overlap, depth_below
from dexgrasp.evaluation.solids import Solids, distances, in_another, points_near, slide
from dexgrasp.hands import Primitive
from dexgrasp.hands.clusters import Clusters
from dexgrasp.objects import Voxels

IDENTITY = np.eye(4)
SIZES = {
    "box": (0.02, 0.03, 0.04),
    "capsule": (0.012, 0.03),
    "cylinder": (0.012, 0.03),
    "sphere": (0.02,),
}


def moved(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = [x, y, z]
    return pose


def primitive(kind: str, size: tuple[float, ...], pose: np.ndarray = IDENTITY) -> Primitive:
    return Primitive("link", 0, kind, np.array(size), pose)


def solid(kind: str, size: tuple[float, ...], pose: np.ndarray = IDENTITY) -> Solids:
    return Solids.posed([primitive(kind, size, pose)], IDENTITY[None, None])


def overlap(solids: Solids, mesh: trimesh.Trimesh) -> float:
    return float(cells_inside(solids, Voxels.from_mesh(mesh))[0]) * 1e-9


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(sorted(SIZES)))
@settings(deadline=None, max_examples=40)
def test_distance_is_that_of_the_primitive(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    pose = moved(*rng.normal(size=3) * 0.05)
    pose[:3, :3] = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    points = pose[:3, 3] + rng.normal(size=(50, 3)) * 0.03
    truth = primitive(kind, SIZES[kind], pose).distance(points)
    found = distances(solid(kind, SIZES[kind], pose), points)[0]
    np.testing.assert_allclose(found, truth, atol=1e-9)


@pytest.mark.parametrize("kind", sorted(SIZES))
def test_a_solid_inside_the_object_counts_whole(kind: str) -> None:
    mesh = primitive(kind, SIZES[kind]).mesh()
    volume = overlap(solid(kind, SIZES[kind]), trimesh.creation.box([0.2, 0.2, 0.2]))
    assert volume == pytest.approx(mesh.volume, rel=0.03)


def test_overlap_of_two_spheres() -> None:
    radius, gap = 0.03, 0.04  # the lens of two equal spheres, in closed form
    lens = np.pi * (2 * radius - gap) ** 2 * (gap**2 + 4 * gap * radius) / (12 * gap)
    ball = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    assert overlap(solid("sphere", (radius,), moved(gap)), ball) == pytest.approx(lens, rel=0.03)


def test_solids_that_overlap_count_once() -> None:
    twins = [primitive("sphere", (0.02,), moved(x)) for x in (0.0, 0.0, 0.001)]
    mesh = trimesh.creation.box([0.1, 0.1, 0.1])
    once = overlap(solid("sphere", (0.02,)), mesh)
    assert overlap(Solids.posed(twins, IDENTITY[None, None]), mesh) == pytest.approx(once, rel=0.06)


def test_distance_beyond_the_limit_is_not_asked() -> None:
    points = np.array([[0.021, 0.0, 0.0], [0.5, 0.0, 0.0]])
    near, far = distances(solid("sphere", (0.02,)), points, limit=0.005)[0]
    assert near == pytest.approx(0.001)
    assert far > 0.005


@given(seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=25)
def test_points_near_are_those_whose_distance_is_small(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = rng.choice(sorted(SIZES), 4)
    turns = Rotation.random(4, rng=rng).as_matrix()
    shapes = []
    for kind, turn in zip(kinds, turns, strict=True):
        pose = moved(*rng.normal(size=3) * 0.03)
        pose[:3, :3] = turn
        shapes.append(primitive(kind, SIZES[kind], pose))
    solids = Solids.posed(shapes, np.array([[moved(0.0)], [moved(0.02)]]))
    points = rng.normal(size=(800, 3)) * 0.05
    found = points_near(solids, Clusters.of(points), 0.004, np.ones((2, 4), dtype=bool))
    np.testing.assert_array_equal(found, (distances(solids, points) < 0.004).sum(axis=1))
    assert found.min() > 0


def test_points_in_another_solid_of_their_link_are_found() -> None:
    twins = [primitive("sphere", (0.02,)), primitive("sphere", (0.02,), moved(0.02))]
    other = Primitive("tip", 1, "sphere", np.array([0.02]), IDENTITY)
    solids = Solids.posed([*twins, other], np.tile(IDENTITY, (1, 2, 1, 1)))
    points = np.array([[0.02, 0.0, 0.0], [-0.02, 0.0, 0.0], [0.02, 0.0, 0.0]])
    found = in_another(solids, np.array([0, 0, 1]), np.array([0, 0, 2]), points)
    np.testing.assert_array_equal(found, [True, False, False])


def test_clusters_keep_every_point_and_hold_them() -> None:
    rng = np.random.default_rng(0)
    points, label = rng.normal(size=(500, 3)) * 0.02, rng.integers(0, 3, 500)
    clusters = Clusters.of(points, label)
    assert sorted(map(tuple, clusters.points)) == sorted(map(tuple, points))
    for c, (low, high) in enumerate(zip(clusters.start[:-1], clusters.start[1:], strict=True)):
        assert len(set(clusters.label[low:high])) == 1
        away = np.linalg.norm(clusters.points[low:high] - clusters.center[c], axis=1)
        assert away.max() <= clusters.radius[c] + 1e-12
    back = {tuple(p): n for p, n in zip(points, label, strict=True)}
    assert all(back[tuple(p)] == n for p, n in zip(clusters.points, clusters.label, strict=True))


def pair_depth(first: Primitive, second: Primitive) -> float:
    solids = Solids.posed([first, second], IDENTITY[None, None])
    return float(deepest_overlap(solids, np.array([[0, 1]]))[0])


KNOWN_DEPTHS = [
    (("sphere", (0.03,)), ("sphere", (0.03,)), (0.04, 0.0, 0.0), 0.02),
    (("sphere", (0.03,)), ("box", (0.02, 0.02, 0.02)), (0.035, 0.0, 0.0), 0.005),
    (("box", (0.02, 0.04, 0.06)), ("box", (0.02, 0.04, 0.06)), (0.005, 0.01, 0.0), 0.015),
    (("capsule", (0.01, 0.04)), ("capsule", (0.01, 0.04)), (0.0, 0.0, 0.05), 0.01),
    (("capsule", (0.01, 0.04)), ("capsule", (0.01, 0.04)), (0.004, 0.0, 0.0), 0.016),
    (("cylinder", (0.01, 0.04)), ("cylinder", (0.02, 0.04)), (0.025, 0.0, 0.0), 0.005),
    (("cylinder", (0.01, 0.04)), ("box", (0.1, 0.1, 0.02)), (0.0, 0.0, 0.025), 0.005),
    (("capsule", (0.01, 0.04)), ("box", (0.1, 0.1, 0.02)), (0.0, 0.0, 0.0), 0.04),
    (("box", (0.02, 0.02, 0.02)), ("box", (0.02, 0.02, 0.02)), (0.021, 0.0, 0.0), 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "shift", "depth"), KNOWN_DEPTHS)
def test_depth_of_known_pairs(first, second, shift, depth) -> None:
    a, b = primitive(*first), primitive(*second, moved(*shift))
    assert pair_depth(a, b) == pytest.approx(depth, abs=1e-9)
    assert pair_depth(b, a) == pytest.approx(depth, abs=1e-9)


def test_a_ball_at_a_corner_is_clear_though_every_face_is_near() -> None:
    ball = primitive("sphere", (0.01,), moved(0.0165, 0.0165, 0.0165))  # 11.3 mm from the corner
    assert pair_depth(primitive("box", (0.02, 0.02, 0.02)), ball) == 0.0


def reach_along(shape: Primitive, d: np.ndarray) -> float:
    """Support of a primitive, written anew from its definition."""
    pose, size = shape.T_link_primitive, shape.size
    local, centre = pose[:3, :3].T @ d, float(pose[:3, 3] @ d)
    if shape.kind == "box":
        return centre + 0.5 * float(np.abs(local) @ size)
    if shape.kind == "sphere":
        return centre + size[0]
    length = 0.5 * size[1] * abs(local[2])
    return (
        centre
        + length
        + size[0] * (1.0 if shape.kind == "capsule" else float(np.hypot(local[0], local[1])))
    )


def searched_depth(first: Primitive, second: Primitive, rng: np.random.Generator) -> float:
    """Smallest overlap over all directions, by search: what depth is by definition."""

    def overlap_along(v: np.ndarray) -> float:
        d = v / np.linalg.norm(v)
        return reach_along(first, d) + reach_along(second, -d)

    starts = rng.normal(size=(600, 3))
    best = sorted(starts, key=overlap_along)[:8]
    found = [minimize(overlap_along, s, method="Nelder-Mead", tol=1e-9).fun for s in best]
    return max(0.0, min(found))


@given(
    seed=st.integers(0, 10_000),
    first=st.sampled_from(sorted(SIZES)),
    second=st.sampled_from(sorted(SIZES)),
)
@settings(deadline=None, max_examples=40)
def test_depth_is_the_smallest_overlap_over_all_directions(
    seed: int, first: str, second: str
) -> None:
    rng = np.random.default_rng(seed)
    poses = np.tile(IDENTITY, (2, 1, 1))
    poses[:, :3, :3] = Rotation.random(2, rng=rng).as_matrix()
    poses[1, :3, 3] = rng.normal(size=3) * 0.014
    a, b = primitive(first, SIZES[first], poses[0]), primitive(second, SIZES[second], poses[1])
    # sampled sides of cylinders: up to 0.5 % of both sizes; the search may end a little high
    slack = 5e-4 if "cylinder" in (first, second) else 2e-5
    found, searched = pair_depth(a, b), searched_depth(a, b, rng)
    assert searched - 2e-5 - (5e-5 if slack > 1e-4 else 0.0) <= found <= searched + slack


def test_depth_below_a_plane_is_that_of_the_lowest_point() -> None:
    tilted = IDENTITY.copy()
    tilted[:3, :3] = Rotation.from_euler("x", 45, degrees=True).as_matrix()
    corner = 0.01 * 2**0.5  # of a cube of 2 cm on its edge
    for shape, lowest in [
        (primitive("box", (0.02, 0.02, 0.02), tilted), corner),
        (primitive("sphere", (0.02,)), 0.02),
        (primitive("capsule", (0.01, 0.04)), 0.03),
        (primitive("cylinder", (0.01, 0.04), tilted), 0.03 / 2**0.5),
    ]:
        solids = Solids.posed([shape], IDENTITY[None, None])
        below = depth_below(solids, np.array([0.0, 0.0, 1.0, 0.01]))
        assert below[0] == pytest.approx(lowest - 0.01, abs=1e-12)
        assert depth_below(solids, np.array([0.0, 0.0, 1.0, 0.05]))[0] == 0.0


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(sorted(SIZES)))
@settings(deadline=None, max_examples=40)
def test_slid_points_stay_on_the_surface_and_go_where_they_should(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    pose = moved(*rng.normal(size=3) * 0.05)
    pose[:3, :3] = Rotation.random(rng=rng).as_matrix()
    shape, posed = primitive(kind, SIZES[kind], pose), solid(kind, SIZES[kind], pose)
    points, _ = shape.sample(60, rng)
    direction = rng.normal(size=(60, 3))
    poses = np.tile(pose, (60, 1, 1))
    after = slide(posed.kind.repeat(60), posed.size.repeat(60, 0), poses, points, direction)
    np.testing.assert_allclose(shape.distance(after), 0.0, atol=1e-9)
    unit = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    assert (((after - points) * unit).sum(axis=1) > -1e-9).all()
    if kind == "sphere":
        np.testing.assert_allclose(after, pose[:3, 3] + 0.02 * unit, atol=1e-12)
