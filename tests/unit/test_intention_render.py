"""Pictures of grasps: by OpenGL for vision models, by ray casting for the geometric judge."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dexgrasp.errors import GraspError
from dexgrasp.evaluation.intention import release_renderer, render_grasp
from dexgrasp.evaluation.intention.views import (
    View,
    cast_object,
    cast_solids,
    grasp_views,
    view_rays,
)
from dexgrasp.evaluation.solids import Solids
from dexgrasp.hands import HandModel, Primitive, hand_names
from dexgrasp.objects import ObjectModel, load_object
from dexgrasp.types import CameraIntrinsics

MUG = load_object("mug")
POSE = np.eye(4)
POSE[:3, 3] = [-0.11, 0.02, 0.05]
SIZE = 128


def solids(hand: HandModel, pose: np.ndarray = POSE) -> Solids:
    return Solids.posed(
        hand.primitives, (pose @ hand.forward(hand.postures["power"][None])[0])[None]
    )


def pictures(hand: HandModel, size: int = SIZE, views: int = 3) -> list[np.ndarray]:
    return render_grasp(hand, hand.postures["power"], POSE, MUG, views, size)


def orange(picture: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    return (red > green + 30) & (green > blue + 5)


@pytest.mark.parametrize("name", hand_names())
def test_pictures_show_object_and_hand_where_rays_meet_them(name: str) -> None:
    """Two renderers that share nothing but the cameras agree on the silhouettes."""
    hand = HandModel.load(name)
    posed = solids(hand)
    shown = pictures(hand)
    for picture, view in zip(shown, grasp_views(MUG, posed, POSE, 3, SIZE), strict=True):
        assert picture.shape == (SIZE, SIZE, 3)
        assert picture.dtype == np.uint8
        rays = view_rays(view)
        item, limbs = cast_object(MUG, *rays), cast_solids(posed, *rays)
        expected = ((item < limbs) & np.isfinite(item)).reshape(SIZE, SIZE)
        seen = orange(picture)
        assert (seen & expected).sum() / (seen | expected).sum() > 0.9
        background = ~np.isfinite(np.minimum(item, limbs)).reshape(SIZE, SIZE)
        assert np.median(picture[background], axis=0).min() > 200


@pytest.mark.parametrize("name", hand_names())
def test_the_hand_is_dark_and_its_tips_are_light(name: str) -> None:
    hand = HandModel.load(name)
    links = (POSE @ hand.forward(hand.postures["power"][None])[0])[None]
    tips = [p for p in hand.primitives if p.link in hand.distal_links]
    rest = [p for p in hand.primitives if p.link not in hand.distal_links]
    light, dark = [], []
    for picture, view in zip(
        pictures(hand), grasp_views(MUG, solids(hand), POSE, 3, SIZE), strict=True
    ):
        rays = view_rays(view)
        tip, other = (cast_solids(Solids.posed(p, links), *rays) for p in (tips, rest))
        item = cast_object(MUG, *rays)
        light.append(picture.reshape(-1, 3)[tip < np.minimum(item, other)])
        dark.append(picture.reshape(-1, 3)[other < np.minimum(item, tip)])
    assert np.median(np.concatenate(light)) > 120
    assert np.median(np.concatenate(dark)) < 80


@pytest.mark.parametrize("views", [1, 2, 5])
def test_views_differ_and_hold_everything(views: int) -> None:
    hand = HandModel.load("leap_right")
    shown = pictures(hand, views=views)
    assert len(shown) == views
    for k, picture in enumerate(shown):
        assert all(not np.array_equal(picture, other) for other in shown[:k])
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert border.std(axis=0).max() < 12.0  # nothing but background reaches it


def test_a_bad_joint_vector_is_refused() -> None:
    with pytest.raises(GraspError, match="joints"):
        render_grasp(HandModel.load("allegro_right"), np.zeros(3), POSE, MUG)


def test_pictures_are_the_same_from_any_thread() -> None:
    hand = HandModel.load("allegro_right")
    here, there = pictures(hand), []

    def work() -> None:
        there.extend(pictures(hand))
        release_renderer()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert all(np.array_equal(a, b) for a, b in zip(here, there, strict=True))


def test_without_opengl_the_error_says_what_to_do() -> None:
    code = (
        "import numpy as np\n"
        "from dexgrasp.evaluation.intention import JudgeError, render_grasp\n"
        "from dexgrasp.hands import HandModel\n"
        "from dexgrasp.objects import load_object\n"
        "hand = HandModel.load('allegro_right')\n"
        "try:\n"
        "    render_grasp(hand, hand.postures['open'], np.eye(4), load_object('mug'))\n"
        "except JudgeError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MUJOCO_GL": "disable"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "MUJOCO_GL=egl" in done.stdout, done.stderr


def test_a_view_takes_no_more_than_its_share() -> None:
    hand = HandModel.load("allegro_right")
    pictures(hand, 512)
    spent = []
    for _ in range(3):
        start = time.process_time()
        pictures(hand, 512)
        spent.append((time.process_time() - start) / 3)
    assert min(spent) < 0.1


KINDS = {
    "box": (0.04, 0.06, 0.08),
    "capsule": (0.02, 0.05),
    "cylinder": (0.03, 0.05),
    "sphere": (0.04,),
}


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_rays_meet_solids_where_their_distance_is_zero(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(rng=rng).as_matrix()
    pose[:3, 3] = rng.normal(size=3) * 0.02
    primitive = Primitive("link", 0, kind, np.array(KINDS[kind]), pose)
    origin = rng.normal(size=(200, 3))
    origin *= 0.3 / np.linalg.norm(origin, axis=1, keepdims=True)
    direction = (rng.normal(size=(200, 3)) * 0.05 - origin) * rng.uniform(0.5, 3.0, (200, 1))
    depth = cast_solids(Solids.posed([primitive], np.eye(4)[None, None]), origin, direction)
    hit = np.isfinite(depth)
    np.testing.assert_allclose(
        primitive.distance(origin[hit] + depth[hit, None] * direction[hit]), 0.0, atol=1e-9
    )
    ways = np.linspace(0.0, 1.0, 400)[:, None, None]
    along = origin + ways * np.where(hit, depth, 4.0)[:, None] * direction
    before = primitive.distance(along[:-1].reshape(-1, 3)).reshape(399, 200)
    assert before.min() > -1e-6  # nothing was met on the way, and what was missed was missed


def test_the_nearest_solid_hides_the_others() -> None:
    near, far = (Primitive("link", 0, "sphere", np.array([0.01]), pose(x)) for x in (0.1, 0.2))
    both = Solids.posed([far, near], np.eye(4)[None, None])
    depth = cast_solids(both, np.zeros((2, 3)), np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    assert depth[0] == pytest.approx(0.09)
    assert np.isinf(depth[1])


def pose(x: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[0, 3] = x
    return matrix


def test_depth_is_measured_along_the_axis() -> None:
    ball = ObjectModel.from_mesh("ball", trimesh.creation.icosphere(4, 0.03), mass=0.1)
    camera = np.eye(4)
    camera[2, 3] = -0.5
    view = View(camera, CameraIntrinsics.from_fovy(65, 65, 0.5))
    depth = cast_object(ball, *view_rays(view)).reshape(65, 65)
    assert depth[32, 32] == pytest.approx(0.47, abs=1e-4)
    assert np.isinf(depth[0, 0])
