"""Both hands: kinematics against published figures and by their laws, limits, joint orders."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexgrasp.errors import GraspError, UnknownNameError
from dexgrasp.hands import HandModel, hand_names

GOLDEN = Path(__file__).parents[1] / "golden" / "hand_fk.json"
SHARED = Path(os.environ.get("DEXGRASP_SHARED", Path(__file__).parents[3] / "shared"))
TIP_TOLERANCE = 0.0002  # [m]

load = cache(HandModel.load)
hands = pytest.mark.parametrize("name", hand_names())
seeds = st.integers(0, 2**32 - 1)


def random_joints(hand: HandModel, seed: int, count: int = 1) -> np.ndarray:
    """Joint vectors within the limits."""
    rng = np.random.default_rng(seed)
    return rng.uniform(hand.joint_lower, hand.joint_upper, (count, hand.joint_count))


def check_tips(hand: HandModel, rows: list[dict]) -> None:
    """The fingertips of every row lie where the row says."""
    tips = hand.fingertips(np.array([row["q"] for row in rows]))
    error = np.linalg.norm(tips - np.array([row["tips"] for row in rows]), axis=2)
    assert error.max() < TIP_TOLERANCE


def test_the_two_hands_are_known() -> None:
    assert {"allegro_right", "leap_right"} <= set(hand_names())


@pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
def test_fingertips_are_where_published_models_have_them(name: str) -> None:
    check_tips(load(name), json.loads(GOLDEN.read_text())[name])


@pytest.mark.shared
@pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
def test_fingertips_agree_on_all_published_rows(name: str) -> None:
    path = SHARED / "data" / f"{name.removesuffix('_right')}_fk.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    data = json.loads(path.read_text())
    check_tips(load(name), data["rows"] + data["named_rows"])


@pytest.mark.shared
@pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
def test_limits_are_the_published_ones(name: str) -> None:
    path = SHARED / "data" / f"{name.removesuffix('_right')}_facts.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    hand, joints = load(name), json.loads(path.read_text())["joints"]
    np.testing.assert_allclose(hand.joint_lower, [joint["lower"] for joint in joints])
    np.testing.assert_allclose(hand.joint_upper, [joint["upper"] for joint in joints])


@hands
def test_link_poses_are_rigid(name: str) -> None:
    hand = load(name)
    rotation = hand.forward(random_joints(hand, 1, 50))[..., :3, :3]
    square = rotation @ rotation.swapaxes(-1, -2)
    np.testing.assert_allclose(square, np.broadcast_to(np.eye(3), square.shape), atol=1e-12)
    assert np.linalg.det(rotation).min() > 0.0


@hands
def test_a_batch_is_its_rows(name: str) -> None:
    hand = load(name)
    q = random_joints(hand, 2, 7)
    np.testing.assert_allclose(hand.forward(q)[3], hand.forward(q[3])[0], atol=1e-12)


@hands
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_jacobian_is_the_derivative_of_forward(name: str, seed: int) -> None:
    hand, step = load(name), 1e-6
    q = random_joints(hand, seed)
    links = np.random.default_rng(seed).integers(0, len(hand.links), 5)
    local = np.random.default_rng(seed).normal(0.0, 0.03, (5, 4))
    local[:, 3] = 1.0

    def place(joints: np.ndarray) -> np.ndarray:
        return np.einsum("nkij,kj->nki", hand.forward(joints)[:, links], local)[..., :3]

    jacobian = hand.jacobian(q, links, place(q))[0]
    for j in range(hand.joint_count):
        shift = step * np.eye(hand.joint_count)[j]
        slope = (place(q + shift) - place(q - shift))[0] / (2.0 * step)
        np.testing.assert_allclose(jacobian[:, :, j], slope, atol=1e-7)


@hands
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_angular_jacobian_is_the_derivative_of_the_rotation(name: str, seed: int) -> None:
    hand, step = load(name), 1e-6
    q, links = random_joints(hand, seed), np.arange(len(hand.links))
    velocity = hand.angular_jacobian(q, links)[0]
    rotation = hand.forward(q)[0, :, :3, :3]
    for j in range(hand.joint_count):
        shift = step * np.eye(hand.joint_count)[j]
        turned = hand.forward(q + shift)[0, :, :3, :3] - hand.forward(q - shift)[0, :, :3, :3]
        skew = turned @ rotation.swapaxes(1, 2) / (2.0 * step)
        slope = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1)
        np.testing.assert_allclose(velocity[:, :, j], slope, atol=1e-7)


@hands
@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_every_joint_order_round_trips(name: str, seed: int) -> None:
    hand = load(name)
    q = random_joints(hand, seed, 3)
    for program in hand.config.orders:
        np.testing.assert_allclose(hand.from_order(hand.to_order(q, program), program), q)
        assert len(set(hand.order_names(program))) == hand.joint_count


def test_published_joint_orders() -> None:
    allegro, leap = load("allegro_right"), load("leap_right")
    q = np.arange(16.0)
    # hora's Isaac Gym assets load index, thumb, middle, ring
    assert list(allegro.to_order(q, "isaac_gym")[4:9]) == [12, 13, 14, 15, 4]
    assert allegro.order_names("wonik_ros2_v4")[0] == "joint00"  # the thumb there
    assert allegro.to_order(q, "wonik_ros2_v4")[0] == 12
    # LEAP_Hand_Sim: flexion first, thumb second
    assert list(leap.to_order(q, "isaac_gym")[:5]) == [1, 0, 2, 3, 12]
    assert (
        dict(zip(leap.order_names("menagerie"), leap.to_order(q, "menagerie"), strict=True))[
            "if_rot"
        ]
        == 0
    )
    # 2048 ticks, pi, is the simulation's zero
    np.testing.assert_allclose(leap.to_order(np.zeros(16), "dynamixel"), np.pi)


def test_the_leap_chain_runs_flexion_before_abduction() -> None:
    hand = load("leap_right")
    links = {link.name: link for link in hand.links}
    assert hand.joint_names[links["mcp_joint"].joint] == "joint_1"
    assert hand.joint_names[links["pip"].joint] == "joint_0"
    assert hand.links[links["pip"].parent].name == "mcp_joint"


@hands
def test_inertia_is_physical(name: str) -> None:
    for link in load(name).links:
        moments = np.linalg.eigvalsh(link.inertia)
        assert link.mass > 0.0
        assert moments[0] > 0.0
        assert moments[0] + moments[1] >= moments[2] * (1.0 - 1e-6), link.name


def test_masses_are_the_published_sums() -> None:
    for name, mass in (("allegro_right", 0.9549), ("leap_right", 0.746)):
        assert sum(link.mass for link in load(name).links) == pytest.approx(mass, abs=1e-4)


@hands
def test_limits_and_servos_are_sane(name: str) -> None:
    hand = load(name)
    assert (hand.joint_lower < hand.joint_upper).all()
    for figure in (hand.effort_limit, hand.velocity_limit, hand.stiffness, hand.damping):
        assert figure.shape == (hand.joint_count,)
        assert (figure > 0.0).all()


@hands
def test_grasp_frame_looks_out_of_the_palm_along_the_fingers(name: str) -> None:
    hand = load(name)
    T_grasp_palm = np.linalg.inv(hand.T_palm_grasp)
    straight = hand.fingertips(hand.clip(np.zeros((1, hand.joint_count))))[0, :3]
    curled = straight - hand.fingertips(hand.postures["power"])[0, :3]
    assert (straight @ T_grasp_palm[0, :3] + T_grasp_palm[0, 3] > 0.05).all()
    assert (curled @ T_grasp_palm[2, :3] < -0.02).all()


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="allegro_right, leap_right"):
        HandModel.load("alegro")
    with pytest.raises(UnknownNameError, match="menagerie"):
        load("leap_right").to_order(np.zeros(16), "mujoco")
    with pytest.raises(UnknownNameError, match="palm_lower"):
        load("leap_right").link_index("palm")


@pytest.mark.parametrize(
    "joints", [np.zeros((1, 15)), np.full((2, 16), np.nan), np.zeros((1, 1, 16))]
)
def test_wrong_joint_vectors_are_refused(joints: np.ndarray) -> None:
    with pytest.raises(GraspError, match="joint vector"):
        load("allegro_right").forward(joints)
