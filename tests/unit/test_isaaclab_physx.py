"""The boundary to IsaacLab 2.3: order of quaternions and joints, the wrist's servo, contacts.

Figures are asymmetric: in another order they are other ones.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dexgrasp.geometry import pose_from_quaternion
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.simulation import SimulationConfig
from dexgrasp.simulation.isaaclab import base, physx
from dexgrasp.simulation.isaaclab.base import BaseWorlds, joint_order
from dexgrasp.simulation.isaaclab.wire import Recipe, Snapshot, pack_poses

WXYZ = np.array([0.8, 0.1, 0.3, np.sqrt(1.0 - 0.74)])
POSITION, ORIGIN = np.array([1.0, 2.0, 3.0]), np.array([10.0, -20.0, 0.0])


def test_poses_go_scalar_first_into_their_place_in_the_scene() -> None:
    packed = pack_poses(pose_from_quaternion(POSITION, WXYZ))[None]
    poses = physx.to_engine(packed, ORIGIN[None])
    np.testing.assert_allclose(poses, [[11.0, -18.0, 3.0, *WXYZ]], atol=1e-12)
    np.testing.assert_allclose(physx.from_engine(poses, ORIGIN[None]), packed, atol=1e-12)


def breadth_first(hand: HandModel) -> list[str]:
    """The joints as PhysX orders them: by their depth in the tree."""
    depth: list[int] = []
    for link in hand.links:
        depth.append(0 if link.parent < 0 else depth[link.parent] + 1)
    rows = sorted(range(len(depth)), key=depth.__getitem__)
    return [hand.joint_names[hand.links[k].joint] for k in rows if hand.links[k].joint >= 0]


@pytest.mark.parametrize("name", hand_names())
def test_joints_are_found_by_name(name: str) -> None:
    hand = HandModel.load(name)
    engine = breadth_first(hand)
    assert engine != list(hand.joint_names)
    order = joint_order(engine, hand.joint_names)
    angles = np.arange(hand.joint_count) * 0.01
    seen = np.empty(hand.joint_count)
    seen[order] = angles  # as IsaacLab writes what comes with joint_ids
    of = dict(zip(hand.joint_names, angles, strict=True))
    np.testing.assert_array_equal(seen, [of[joint] for joint in engine])
    np.testing.assert_array_equal(seen[order], angles)


def test_other_joints_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"the joints \['a', 'c'\], the hand \['a', 'b'\]"):
        joint_order(["a", "c"], ["a", "b"])


class Tensor:
    """What `host` reads."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> np.ndarray:
        return self.values


class Engine(BaseWorlds):
    """Worlds in an engine like PhysX that turns joints and palms to their targets at once."""

    ORIGINS = np.array([[10.0, -20.0, 0.0], [30.0, 40.0, 0.0]])

    def __init__(self, joints: list[str]) -> None:
        config = SimulationConfig.load().model_dump()
        names = ("b", "a", "c")
        super().__init__(
            Recipe(2, "", "", (), ("palm",), names, ("tip",), (0.0, 0.0, 0.0), config, False)
        )
        self.objects = []
        self.places = physx.to_engine(np.tile([0.0, 0, 0, 0, 0, 0, 1], (2, 1)), self.ORIGINS)
        self.angles = np.zeros((2, 3))
        self.still = np.zeros((2, 6))
        self.robot = SimpleNamespace(
            data=SimpleNamespace(
                joint_pos=Tensor(self.angles),
                joint_vel=Tensor(0.0 * self.angles),
                root_link_pose_w=Tensor(self.places),
                root_link_vel_w=Tensor(self.still),
            )
        )
        self._joints = joint_order(joints, names)
        self.goal = self.places.copy(), self.angles.copy()
        self.released: list[int] = []
        self.seen = self._read()

    def _packed(self, poses):
        return physx.from_engine(base.host(poses), self.ORIGINS)

    def _write(self, rows, palm, palm_velocity, joints, joint_velocity, objects, velocity) -> None:
        self.places[rows] = physx.to_engine(palm, self.ORIGINS[rows])
        self.angles[np.ix_(rows, self._joints)] = joints

    def _aim(self, rows, joints, palm) -> None:
        self.goal[0][rows] = physx.to_engine(palm, self.ORIGINS[rows])
        self.goal[1][np.ix_(rows, self._joints)] = joints

    def _advance(self) -> None:
        self.places[:], self.angles[:] = self.goal

    def _felt(self):
        return np.full((2, 1, 3), 2.0), np.zeros((2, 1, 0, 3))

    def _release(self, rows) -> None:
        self.released += list(rows)

    def vary(self, gravity, friction, mass, push, stuck) -> None: ...

    def contacts(self, world: int) -> list: ...

    def _image(self, camera: str, kind: str, world: int) -> np.ndarray:
        return np.array([[[0.5], [np.inf], [5.0]]])


def test_worlds_are_told_and_seen_in_our_order() -> None:
    worlds = Engine(["c", "b", "a"])
    palm = np.tile(pack_poses(pose_from_quaternion(POSITION, WXYZ)), (2, 1))
    joints = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    seen = worlds.step(joints, palm, 1, np.array([1]))
    np.testing.assert_allclose(seen.joint_position, [[0.0, 0.0, 0.0], [0.4, 0.5, 0.6]])
    np.testing.assert_allclose(seen.palm, [[0.0, 0, 0, 0, 0, 0, 1], palm[1]], atol=1e-12)
    np.testing.assert_allclose(worlds.angles, [[0.0, 0.0, 0.0], [0.6, 0.4, 0.5]])
    np.testing.assert_allclose(worlds.places[1], [31.0, 42.0, 3.0, *WXYZ], atol=1e-12)
    np.testing.assert_allclose(worlds.places[0], [10.0, -20.0, 0, 1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(seen.finger_force, np.full((2, 1), np.sqrt(12.0)))


def test_a_reset_world_feels_nothing_and_is_not_pushed() -> None:
    worlds = Engine(["c", "b", "a"])
    palm = pack_poses(pose_from_quaternion(POSITION, WXYZ))[None]
    seen: Snapshot = worlds.reset(
        np.array([1]), palm, np.array([[0.1, 0.2, 0.3]]), np.zeros((1, 0, 7))
    )
    np.testing.assert_allclose(seen.joint_position[1], [0.1, 0.2, 0.3])
    np.testing.assert_allclose(seen.finger_force[:, 0], [np.sqrt(12.0), 0.0])
    assert worlds.released == [1]


def test_depth_ends_where_the_camera_sees_no_further() -> None:
    np.testing.assert_array_equal(Engine(["a", "b", "c"]).depth(0), [[0.5, 0.0, 0.0]])


def servo(palm: np.ndarray, velocity: np.ndarray, goal: np.ndarray, dt: float = 0.0):
    com = np.array([[0.01, -0.02, 0.03]])
    config = SimulationConfig.load()
    return physx.wrist_wrench(palm, velocity, goal, com, config.wrist, (0.8, 2e-3), dt)


def test_the_wrist_is_pulled_as_by_the_kernel_of_the_other_adapter() -> None:
    """Newton's part of it aside: that engine damps the palm itself."""
    wp = pytest.importorskip("warp", reason="the extra 'gpu' is not installed")
    kernels = pytest.importorskip("dexgrasp.simulation.isaaclab.kernels")
    palm = pack_poses(pose_from_quaternion(np.array([0.1, 0.2, 0.3]), WXYZ))[None]
    goal = pack_poses(pose_from_quaternion(np.array([0.11, 0.17, 0.305]), WXYZ[[0, 2, 1, 3]]))[None]
    velocity = np.array([[0.03, -0.02, 0.05, 0.4, -0.3, 0.2]])
    arm = Rotation.from_quat(palm[0, 3:]).apply([0.01, -0.02, 0.03])
    spin = np.cross(velocity[0, 3:], arm)
    moving = np.array([[*(velocity[0, :3] + spin), *velocity[0, 3:]]])  # of the centre of mass
    wrist, force = SimulationConfig.load().wrist, wp.zeros(1, dtype=wp.spatial_vector, device="cpu")
    inputs = [
        wp.array([0], dtype=int, device="cpu"),
        wp.array(goal, dtype=wp.transform, device="cpu"),
        *(wp.vec2(*figure) for figure in (wrist.stiffness, wrist.damping, wrist.limit, (0, 0))),
        wp.array(palm, dtype=wp.transform, device="cpu"),
        wp.array(moving, dtype=wp.spatial_vector, device="cpu"),
        wp.array([[0.01, -0.02, 0.03]], dtype=wp.vec3, device="cpu"),
        force,
    ]
    wp.launch(kernels.pull_wrist, dim=1, inputs=inputs, device="cpu")
    ours = np.concatenate(servo(palm, velocity, goal), axis=1)
    np.testing.assert_allclose(ours, force.numpy(), rtol=1e-4, atol=1e-4)
    assert np.abs(ours).min() > 0.1


def test_a_wrist_at_its_goal_is_left_alone() -> None:
    palm = pack_poses(pose_from_quaternion(POSITION, WXYZ))[None]
    for part in servo(palm, np.zeros((1, 6)), palm):
        np.testing.assert_allclose(part, 0.0, atol=1e-6)


def test_the_wrist_comes_to_rest_at_its_goal() -> None:
    """A body of the servo's inertia, over the time steps of the worlds: no damping is too much."""
    config, com = SimulationConfig.load(), np.zeros((1, 3))
    place, turn = POSITION.copy(), Rotation.from_quat(WXYZ, scalar_first=True)
    goal = pack_poses(
        pose_from_quaternion(POSITION + np.array([0.02, -0.01, 0.03]), WXYZ[[0, 2, 1, 3]])
    )
    inertia, velocity, dt = (0.5, 3e-4), np.zeros(6), config.timestep
    for _ in range(1000):
        palm = np.array([[*place, *turn.as_quat()]])
        force, torque = physx.wrist_wrench(
            palm, velocity[None], goal[None], com, config.wrist, inertia, dt
        )
        velocity += dt * np.concatenate([force[0] / inertia[0], torque[0] / inertia[1]])
        place = place + dt * velocity[:3]
        turn = Rotation.from_rotvec(dt * velocity[3:]) * turn
    np.testing.assert_allclose(place, goal[:3], atol=1e-5)
    assert (Rotation.from_quat(goal[3:]).inv() * turn).magnitude() < 1e-4


def test_a_hand_is_not_taken_for_heavier_to_turn_than_it_is() -> None:
    rng = np.random.default_rng(3)
    masses, centres = rng.uniform(0.01, 0.4, 5), rng.normal(0.0, 0.05, (5, 3))
    turns = Rotation.random(5, random_state=3).as_matrix()
    moments = turns @ (rng.uniform(1e-5, 1e-4, (5, 3))[:, :, None] * np.eye(3))
    moments = moments @ turns.transpose(0, 2, 1)
    mass, least = physx.hand_inertia(masses, centres, moments)
    arms = centres - masses @ centres / masses.sum()
    exact = moments.sum(axis=0) + sum(
        m * (a @ a * np.eye(3) - np.outer(a, a)) for m, a in zip(masses, arms, strict=True)
    )
    assert mass == pytest.approx(masses.sum())
    smallest = np.linalg.eigvalsh(exact)[0]
    assert 0.7 * smallest < least <= smallest


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_normals_point_to_the_second_body_whichever_way_the_engine_has_them(sign: float) -> None:
    normals = sign * np.array([[9.0, 9.0, 9.0], [0.0, 0.6, 0.8], [0.0, 0.0, 1.0]])
    points = np.array([[9.0, 9.0, 9.0], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    force = np.array([[99.0], [2.0], [3.0]])
    on_first = np.array([0.0, 1.2, 4.6])  # the second body lies below
    first, second = physx.contact_rows(force, points, normals, 2, 1, on_first)
    np.testing.assert_allclose(first[0], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(first[1], [0.0, -0.6, -0.8])
    np.testing.assert_allclose(second[1], [0.0, 0.0, -1.0])
    np.testing.assert_allclose(first[2], [0.0, -1.2, -1.6])
    np.testing.assert_allclose(second[2], [0.0, 0.0, -3.0])


def test_bodies_that_do_not_touch_have_no_contacts() -> None:
    empty = np.zeros((0, 3))
    assert physx.contact_rows(np.zeros((0, 1)), empty, empty, 0, 0, np.zeros(3)) == []
