"""Carrying grasps over: the solver by its laws, Shadow's and the left Allegro's kinematics."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from dexgrasp.datasets.hands import (
    allegro_left_keypoints,
    joints_by_name,
    require_hand,
    retargeted_rows,
)
from dexgrasp.datasets.retarget import (
    FINGERS,
    Keypoints,
    _Problem,
    pad_points,
    palm_frame,
    retarget,
)
from dexgrasp.datasets.shadow import ADROIT_JOINTS, VENDOR_JOINTS, palm_from_forearm, shadow_model
from dexgrasp.errors import GraspError
from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel

load = cache(HandModel.load)
hands = pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
seeds = st.integers(0, 2**32 - 2)


def random_poses(count: int, seed: int) -> np.ndarray:
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, random_state=seed).as_matrix()
    poses[:, :3, 3] = 0.1 * np.random.default_rng(seed).normal(size=(count, 3))
    return poses


def own_keypoints(hand: HandModel, pose: np.ndarray, q: np.ndarray) -> Keypoints:
    """The hand's own pads as if they were another's."""
    links = hand.forward(q)[:, hand.distal_links]
    pads = (links[..., :3, :3] @ pad_points(hand)[None, ..., None])[..., 0] + links[..., :3, 3]
    placed = transform_points(pose, pads)
    five = np.zeros((len(q), len(FINGERS), 3))
    for finger, name in enumerate(hand.finger_names):
        five[:, FINGERS.index(name)] = placed[:, finger]
    return Keypoints(five, pose @ hand.T_palm_grasp)


@hands
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_the_jacobian_is_the_slope_of_the_residual(name: str, seed: int) -> None:
    hand, rng = load(name), np.random.default_rng(seed)
    pose, prior = random_poses(2, seed), random_poses(2, seed + 1)
    # Turns near the prior's: half a turn away the rotation vector jumps.
    prior[:, :3, :3] = (
        Rotation.from_rotvec(0.3 * rng.normal(size=(2, 3))).as_matrix() @ pose[:, :3, :3]
    )
    q = rng.uniform(hand.joint_lower, hand.joint_upper, (2, hand.joint_count))
    problem = _Problem(hand, pad_points(hand), rng.normal(size=(2, 4, 3)) * 0.1, prior)
    slope, step = problem.jacobian(pose, q), 1e-6
    exact = np.ones(problem.width, bool)
    exact[:3] = False  # the slope of the rotation vector itself is 1 only at the prior
    for k in range(problem.width):
        change = np.zeros((2, problem.width))
        change[:, k] = step
        up, down = (
            problem.residual(*moved(problem, pose, q, sign * change)) for sign in (1.0, -1.0)
        )
        found = (up - down) / (2.0 * step)
        rows = np.ones(slope.shape[1], bool)
        if not exact[k]:
            rows[12:15] = False
        np.testing.assert_allclose(slope[:, rows, k], found[:, rows], rtol=1e-4, atol=1e-3)


def moved(problem: _Problem, pose: np.ndarray, q: np.ndarray, step: np.ndarray):
    """`_moved` without the limits."""
    turned, _ = problem._moved(pose, q, step)
    return turned, q + step[:, 6:]


@hands
def test_pads_that_the_hand_can_reach_are_reached(name: str) -> None:
    hand = load(name)
    rng = np.random.default_rng(0)
    centre = hand.postures["precision"]
    q = hand.clip(centre + rng.normal(scale=0.2, size=(40, hand.joint_count)))
    pose = random_poses(40, 1)
    found = retarget(hand, own_keypoints(hand, pose, q))
    assert found.error.max() < 2e-4  # [m]
    assert (found.joints >= hand.joint_lower).all()
    assert (found.joints <= hand.joint_upper).all()


@hands
def test_the_minimum_is_the_one_that_scipy_finds(name: str) -> None:
    hand = load(name)
    pose = random_poses(3, 5)
    source = shadow_model("vendor").keypoints(pose, np.full((3, 22), 0.5))
    found = retarget(hand, source)
    order = [FINGERS.index(finger) for finger in hand.finger_names]
    inverse_grasp = np.linalg.inv(hand.T_palm_grasp)
    for i in range(3):
        prior = (source.T_object_grasp[i] @ inverse_grasp)[None]
        problem = _Problem(hand, pad_points(hand), source.pads[i : i + 1, order], prior)

        def residual(x: np.ndarray, problem=problem, prior=prior) -> np.ndarray:
            turned, _ = problem._moved(prior, np.zeros((1, hand.joint_count)), x[None])
            return problem.residual(turned, x[None, 6:])[0]

        start = np.concatenate([np.zeros(6), problem.posture])
        bounds = (
            np.concatenate([np.full(6, -10.0), hand.joint_lower - 1e-9]),
            np.concatenate([np.full(6, 10.0), hand.joint_upper + 1e-9]),
        )
        usual = least_squares(residual, start, bounds=bounds, x_scale="jac", max_nfev=300)
        ours = problem.residual(found.T_object_palm[i : i + 1], found.joints[i : i + 1])[0]
        assert ours @ ours <= 2.0 * usual.cost * 1.02


def test_a_grasp_takes_less_than_a_tenth_of_a_second() -> None:
    hand = load("allegro_right")
    source = shadow_model("vendor").keypoints(random_poses(50, 2), np.full((50, 22), 0.5))
    retarget(hand, own_keypoints(hand, random_poses(1, 0), hand.postures["open"][None]))
    start = time.perf_counter()
    retarget(hand, source)
    assert (time.perf_counter() - start) / 50 < 0.1


def test_what_cannot_be_reached_is_a_rejected_row() -> None:
    hand = load("leap_right")
    source = shadow_model("vendor").keypoints(random_poses(3, 2), np.full((3, 22), 0.5))
    source.pads[1, 1] += 0.2  # an index finger 35 cm away
    source.pads[2, 0] = np.nan
    rows = retargeted_rows(hand, source, ["a", "b", "c"])
    assert set(rows.faults) == {1, 2}
    assert "cannot bring its finger pads nearer than" in rows.faults[1]
    assert "not finite" in rows.faults[2]


def test_the_palm_frame_of_a_right_hand_faces_out_of_its_palm() -> None:
    # Palm towards +z, fingers along +x: a right hand's index is then on the side of -y.
    wrist, middle = np.zeros((1, 3)), np.array([[0.09, 0.0, 0.0]])
    index, little = np.array([[0.088, -0.025, 0.0]]), np.array([[0.08, 0.04, 0.0]])
    frame = palm_frame(wrist, index, middle, little)[0]
    np.testing.assert_allclose(frame[:3, :3], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(frame[:3, 3], [0.045, 0.0, 0.012])


def test_shadow_tables_name_each_joint_once() -> None:
    assert len(set(VENDOR_JOINTS)) == len(set(ADROIT_JOINTS)) == 22
    assert VENDOR_JOINTS[:4] == ("FFJ4", "FFJ3", "FFJ2", "FFJ1")
    assert ADROIT_JOINTS[12:] == (
        "LFJ4",
        "LFJ3",
        "LFJ2",
        "LFJ1",
        "LFJ0",
        "THJ4",
        "THJ3",
        "THJ2",
        "THJ1",
        "THJ0",
    )


@pytest.mark.parametrize("kind", ["vendor", "adroit"])
def test_a_straight_shadow_hand_has_its_published_lengths(kind: str) -> None:
    model = shadow_model(kind)
    pads = model.keypoints(np.eye(4)[None], np.zeros((1, 22))).pads[0]
    # Knuckle, 45 and 25 mm of phalanges, 18 mm to the pad's middle, which is 8 mm deep.
    np.testing.assert_allclose(pads[1], [0.033, -0.008, 0.095 + 0.045 + 0.025 + 0.018], atol=1e-9)
    np.testing.assert_allclose(pads[2], [0.011, -0.008, 0.187], atol=1e-9)
    along = (0.038 + 0.032 + 0.020) * np.sqrt(0.5)
    depth = 0.010  # of the thumb's pad, on its -x side, turned by 45 degrees
    base = np.array([0.034, -0.00858 if kind == "vendor" else -0.009, 0.029])
    out = depth * np.sqrt(0.5)
    thumb = base + np.array([along - out, 0.0, along + out])
    np.testing.assert_allclose(pads[0], thumb, atol=1e-9)


@pytest.mark.parametrize("kind", ["vendor", "adroit"])
def test_flexion_curls_every_finger_towards_the_palm(kind: str) -> None:
    model = shadow_model(kind)
    for finger, name in ((1, "FF"), (2, "MF"), (3, "RF"), (4, "LF")):
        q = np.zeros((1, 22))
        start = [joint[:2] for joint in model.joints].index(name)
        last = start + (5 if name == "LF" else 4)
        q[0, last - 3 : last] = 0.7  # all but the splay and the metacarpal
        straight = model.keypoints(np.eye(4)[None], np.zeros((1, 22))).pads[0, finger]
        assert model.keypoints(np.eye(4)[None], q).pads[0, finger, 1] < straight[1] - 0.04


def test_both_models_splay_alike_where_their_signs_say_so() -> None:
    q = np.zeros((1, 22))
    q[0, 0], q[0, 8] = 0.2, 0.2  # FF and RF splay
    vendor = shadow_model("vendor").keypoints(np.eye(4)[None], q).pads[0]
    q[0, 0] = -0.2  # sr_description turns FF about -y, OpenAI's model about +y
    adroit = shadow_model("adroit").keypoints(np.eye(4)[None], q).pads[0]
    np.testing.assert_allclose(vendor[[1, 3]], adroit[[1, 3]], atol=1e-9)


def test_the_wrist_stands_between_forearm_and_palm() -> None:
    straight = palm_from_forearm(np.eye(4)[None], np.zeros((1, 2)))[0]
    np.testing.assert_allclose(straight[:3, 3], [0.0, -0.010, 0.247])
    bent = palm_from_forearm(np.eye(4)[None], np.array([[0.0, 0.3]]))[0]
    np.testing.assert_allclose(bent[:3, :3], Rotation.from_euler("x", 0.3).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(bent[:3, 3], [0.0, -0.010, 0.247])


# The left Allegro of BODex' and W567's URDF: origins [m], rpy [rad] and axes of joints 8-11
# (at +y), 4-7, 0-3 and 12-15, in the file's order.
STILL = (0.0, 0.0, 0.0)
FINGER = [((0.0, 0.0, z), STILL, (0, 1, 0)) for z in (0.0164, 0.054, 0.0384)]
LEFT = [
    [((0.0, 0.0435, -0.001542), (-0.08726646255, 0.0, 0.0), (0, 0, 1)), *FINGER],
    [((0.0, 0.0, 0.0007), STILL, (0, 0, 1)), *FINGER],
    [((0.0, -0.0435, -0.001542), (0.08726646255, 0.0, 0.0), (0, 0, 1)), *FINGER],
    [
        ((-0.0182, -0.019333, -0.045987), (0.0, -1.65806278845, 1.5707963259), (1, 0, 0)),
        ((-0.027, -0.005, 0.0399), STILL, (0, 0, -1)),
        ((0.0, 0.0, 0.0177), STILL, (0, 1, 0)),
        ((0.0, 0.0, 0.0514), STILL, (0, 1, 0)),
    ],
]


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_the_left_allegro_is_that_of_the_published_urdf(seed: int) -> None:
    right = load("allegro_right")
    q = np.random.default_rng(seed).uniform(-0.3, 1.2, 16)
    pads = []
    mirrored_pads = pad_points(right)[[2, 1, 0, 3]] * [1.0, -1.0, 1.0]
    for finger, chain in enumerate(LEFT):
        pose = np.eye(4)
        for k, (origin, rpy, axis) in enumerate(chain):
            joint = np.eye(4)
            turn = Rotation.from_rotvec(q[4 * finger + k] * np.array(axis, float))
            joint[:3, :3] = (Rotation.from_euler("xyz", rpy) * turn).as_matrix()
            joint[:3, 3] = origin
            pose = pose @ joint
        pads.append(transform_points(pose, mirrored_pads[finger : finger + 1])[0])
    found = allegro_left_keypoints(np.eye(4)[None], q[None]).pads[0]
    # The index is at -y, the thumb's side; the file lists it third.
    np.testing.assert_allclose(found[[3, 2, 1, 0]], pads, atol=1e-5)


@hands
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_joints_are_found_by_any_program_s_names(name: str, seed: int) -> None:
    hand, rng = load(name), np.random.default_rng(seed)
    q = rng.uniform(hand.joint_lower, hand.joint_upper, (2, hand.joint_count))
    order = rng.permutation(hand.joint_count)
    shuffled = [hand.joint_names[i] for i in order]
    np.testing.assert_allclose(joints_by_name(hand, q[:, order], shuffled, "f"), q)
    theirs = hand.to_order(q, "menagerie")[:, order]
    names = [hand.order_names("menagerie")[i] for i in order]
    np.testing.assert_allclose(joints_by_name(hand, theirs, names, "f"), q, atol=1e-12)


def test_unknown_joint_names_are_an_error_that_shows_the_known() -> None:
    with pytest.raises(GraspError, match=r"f names joints a, b.*joint_0\.0"):
        joints_by_name(load("allegro_right"), np.zeros((1, 2)), ["a", "b"], "f")


def test_another_hand_s_file_is_refused() -> None:
    with pytest.raises(GraspError, match="grasps of the allegro_right hand, not of leap_right"):
        require_hand(load("leap_right"), "allegro_right", "f")
