"""N worlds in MuJoCo, stepped by threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from dexgrasp.errors import BackendError
from dexgrasp.geometry import pose_from_quaternion, quaternion_from_pose, transform_points
from dexgrasp.hands import HandModel
from dexgrasp.perception.noise import DepthNoise
from dexgrasp.simulation.checks import begin, steps_in
from dexgrasp.simulation.config import SimulationConfig
from dexgrasp.simulation.rendering import SceneRenderer
from dexgrasp.simulation.scene import (
    PALM_BODY,
    build_model,
    finger_object_sensor,
    finger_sensor,
    home_pose,
    object_body,
)
from dexgrasp.simulation.warp_batch import WarpBatch
from dexgrasp.types import (
    Array,
    Command,
    Contact,
    DepthFrame,
    GroundTruth,
    ObjectPlacement,
    Observation,
)

if TYPE_CHECKING:
    from mujoco.batch import Batch

RUSTED = 1e3  # [Nm s/rad]: a joint at its effort limit then turns by less than 1e-3 rad/s


class MujocoBackend:
    """`SimBackend` over `mujoco.batch`. `threads`: 0 uses every core."""

    def __init__(
        self,
        hand: HandModel,
        config: SimulationConfig,
        worlds: int = 1,
        threads: int = 0,
        seed: int = 0,
    ) -> None:
        if worlds < 1:
            raise BackendError(f"a backend needs at least one world; {worlds} given")
        self.hand = hand
        self.config = config
        self.worlds = worlds
        self.timestep = config.timestep
        self.placements: tuple[ObjectPlacement, ...] = ()
        self._threads = threads
        self._lock = threading.RLock()
        self._renderer = SceneRenderer()
        self._noise = DepthNoise() if config.depth_noise else None
        self._rng = np.random.default_rng(seed)
        self.load(())

    def load(self, placements: Sequence[ObjectPlacement]) -> None:
        """See `SimBackend.load`."""
        model = build_model(self.hand, placements, self.config)
        with self._lock:
            self.placements = tuple(placements)
            self.model = model
            self._batch = self._engine(model)
            self._index()
            self.reset()

    def _engine(self, model: mujoco.MjModel) -> Batch | WarpBatch:
        from mujoco.batch import Batch  # new in 4.0; IsaacLab's environment has an older one

        return Batch(model, self.worlds, self._threads)

    def _index(self) -> None:
        model, hand = self.model, self.hand
        joints = [model.joint(name) for name in hand.joint_names]
        self._qpos = np.array([j.qposadr[0] for j in joints])
        self._dof = np.array([j.dofadr[0] for j in joints])
        self._ctrl = np.array([model.actuator(f"servo_{n}").id for n in hand.joint_names])
        self._palm = int(model.joint("palm_free").qposadr[0])
        free = [model.joint(f"{object_body(i)}_free") for i in range(len(self.placements))]
        self._objects = np.array([j.qposadr[0] for j in free], dtype=int)
        self._object_dofs = np.array([j.dofadr[0] for j in free], dtype=int)
        bodies = [model.body(object_body(i)).id for i in range(len(self.placements))]
        self._object_bodies = np.array(bodies, dtype=int)
        self._com = np.array([p.model.com for p in self.placements]).reshape(-1, 3)
        self._touch = np.array([model.sensor(finger_sensor(f)).adr[0] for f in hand.finger_names])
        self._touch_object = np.array(
            [
                [model.sensor(finger_object_sensor(f, i)).adr[0] for f in hand.finger_names]
                for i in range(len(self.placements))
            ],
            dtype=int,
        ).reshape(-1, len(hand.finger_names))
        batch = self._batch
        self._state = {
            name: batch.bind(name)
            for name in (
                "qpos",
                "qvel",
                "ctrl",
                "mocap_pos",
                "mocap_quat",
                "xfrc_applied",
                "sensordata",
                "time",
                "qfrc_actuator",
            )
        }

    @property
    def home_pose(self) -> Array:
        """(4, 4) palm pose after a reset."""
        return home_pose(self.hand, self.config)

    def reset(
        self,
        worlds: Sequence[int] | None = None,
        T_world_palm: Array | None = None,
        joint_position: Array | None = None,
        T_world_object: Array | None = None,
    ) -> None:
        """See `SimBackend.reset`."""
        rows, palm, joints, objects = begin(
            self, worlds, T_world_palm, joint_position, T_world_object
        )
        with self._lock:
            self._batch.reset(rows, stage=mujoco.mjtStage.mjSTAGE_NONE)
            state = self._state
            quaternion = quaternion_from_pose(palm)
            state["qpos"][rows[:, None], self._palm + np.arange(7)] = np.concatenate(
                [palm[:, :3, 3], quaternion], axis=1
            )
            state["qpos"][rows[:, None], self._qpos] = joints
            state["ctrl"][rows[:, None], self._ctrl] = joints
            state["mocap_pos"][rows, 0] = palm[:, :3, 3]
            state["mocap_quat"][rows, 0] = quaternion
            for i, address in enumerate(self._objects):
                pose = objects[:, i]
                state["qpos"][rows[:, None], address + np.arange(7)] = np.concatenate(
                    [pose[:, :3, 3], quaternion_from_pose(pose)], axis=1
                )
            self._batch.forward(rows)

    def vary(
        self,
        gravity: Array | None = None,
        friction: Array | None = None,
        mass: Array | None = None,
        push: Array | None = None,
        stuck: Array | None = None,
    ) -> None:
        """See `SimBackend.vary`."""
        with self._lock:
            if gravity is not None:
                self._batch.expand("opt.gravity")[:] = gravity
            if friction is not None:
                geoms = np.flatnonzero(self.model.geom_priority)  # of the objects' parts
                sliding = np.asarray(friction)[:, None]
                self._batch.expand("geom_friction")[:, geoms, 0] = sliding
            if mass is not None:
                self._set_mass(np.asarray(mass))
            if push is not None:
                self._state["xfrc_applied"][:, self._object_bodies, :3] = push
            if stuck is not None:
                damping = self.model.dof_damping[self._dof]
                self._batch.expand("dof_damping")[:, self._dof] = np.where(stuck, RUSTED, damping)

    def _set_mass(self, mass: Array) -> None:
        bodies = self._object_bodies
        nominal = self.model.body_mass[bodies]
        self._batch.expand("body_mass")[:, bodies] = mass
        inertia = self._batch.expand("body_inertia")
        inertia[:, bodies] = self.model.body_inertia[bodies] * (mass / nominal)[..., None]
        self._batch.set_const()

    def step(self, command: Command, duration: float, worlds: Sequence[int] | None = None) -> None:
        """See `SimBackend.step`."""
        count = steps_in(duration, self.timestep, command)
        with self._lock:
            self._state["ctrl"][:, self._ctrl] = self.hand.clip(command.joint_position)
            self._send_palm(command)
            self._batch.step(None if worlds is None else np.asarray(worlds), nstep=count)

    def _send_palm(self, command: Command) -> None:
        self._state["mocap_pos"][:, 0] = command.T_world_palm[:, :3, 3]
        self._state["mocap_quat"][:, 0] = quaternion_from_pose(command.T_world_palm)

    def observe(self) -> Observation:
        """See `SimBackend.observe`. The finger force is the net contact force."""
        with self._lock:
            state = self._state
            qpos = state["qpos"]
            return Observation(
                time=state["time"].reshape(-1).copy(),
                joint_position=qpos[:, self._qpos],
                joint_velocity=state["qvel"][:, self._dof],
                joint_effort=state["qfrc_actuator"][:, self._dof],
                T_world_palm=self._free_pose(self._palm),
                finger_force=self._force(self._touch),
            )

    def _free_pose(self, address: int) -> Array:
        qpos = self._state["qpos"]
        return pose_from_quaternion(
            qpos[:, address : address + 3], qpos[:, address + 3 : address + 7]
        )

    def _force(self, addresses: Array) -> Array:
        columns = addresses[:, None] + np.array([1, 2, 3])
        return np.linalg.norm(self._state["sensordata"][:, columns], axis=2)

    def truth(self) -> GroundTruth:
        """See `SimBackend.truth`."""
        with self._lock:
            count = len(self.placements)
            poses = np.zeros((self.worlds, count, 4, 4))
            velocity = np.zeros((self.worlds, count, 3))
            com = np.zeros((self.worlds, count, 3))
            force = np.zeros((self.worlds, len(self._touch)))
            for i, (address, dof) in enumerate(zip(self._objects, self._object_dofs, strict=True)):
                poses[:, i] = self._free_pose(address)
                arm = poses[:, i, :3, :3] @ self._com[i]
                com[:, i] = poses[:, i, :3, 3] + arm
                qvel = self._state["qvel"]
                spin = np.einsum("nij,nj->ni", poses[:, i, :3, :3], qvel[:, dof + 3 : dof + 6])
                velocity[:, i] = qvel[:, dof : dof + 3] + np.cross(spin, arm)
                force += self._force(self._touch_object[i])
            time = self._state["time"].reshape(-1).copy()
            return GroundTruth(time, poses, com, velocity, force)

    def _data(self, world: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        """A copy of one world with all derived fields; safe to read without the lock."""
        with self._lock:
            model, data = self.model, self._batch.get_data(world)
        mujoco.mj_forward(model, data)
        return model, data

    def contacts(self, world: int = 0) -> list[Contact]:
        """See `SimBackend.contacts`."""
        model, data = self._data(world)
        hand_bodies = {model.body(PALM_BODY).id} | {
            model.body(link.name).id for link in self.hand.links[1:]
        }
        result = []
        force = np.zeros(6)
        for index in range(data.ncon):
            contact = data.contact[index]
            bodies = [int(model.geom_bodyid[g]) for g in contact.geom]
            if bodies[0] not in hand_bodies and bodies[1] not in hand_bodies:
                continue
            sign = 1.0 if bodies[0] in hand_bodies else -1.0
            own, other = bodies if sign > 0 else bodies[::-1]
            mujoco.mj_contactForce(model, data, index, force)
            result.append(
                Contact(
                    self._body_name(own),
                    self._body_name(other),
                    contact.pos.copy(),
                    sign * contact.frame[:3],
                    float(force[0]),
                    sign * contact.frame.reshape(3, 3).T @ force[:3],
                )
            )
        return result

    def _body_name(self, body: int) -> str:
        name = self.model.body(body).name
        if name == PALM_BODY:
            return self.hand.links[0].name
        if name.startswith("object_"):
            return self.placements[int(name.split("_")[1])].model.name
        return "table" if body == 0 else name

    def depth(self, world: int = 0) -> DepthFrame:
        """See `SimBackend.depth`."""
        camera = self.config.camera
        model, data = self._data(world)
        depth = self._renderer.depth(model, data, "depth", camera)
        if self._noise is not None:
            depth = self._noise.apply(depth, camera.intrinsics, self._rng)
        return DepthFrame(depth, camera.intrinsics, camera.T_world_camera, float(data.time))

    def color(self, world: int = 0) -> Array:
        """See `SimBackend.color`."""
        model, data = self._data(world)
        return self._renderer.color(model, data, "overview", self.config.overview)

    def object_clearance(self) -> Array:
        """(N, M) height of the lowest point of each object above the table [m]."""
        truth = self.truth()
        lowest = [
            transform_points(truth.T_world_object[:, i], np.asarray(p.model.mesh.vertices))[
                ..., 2
            ].min(axis=-1)
            for i, p in enumerate(self.placements)
        ]
        return np.stack(lowest, axis=1) - self.config.table_height

    def close(self) -> None:
        """See `SimBackend.close`."""
        self._renderer.close()


class MujocoWarpBackend(MujocoBackend):
    """The same worlds stepped by mujoco_warp, on a GPU where there is one."""

    def _engine(self, model: mujoco.MjModel) -> Batch | WarpBatch:
        return WarpBatch(model, self.worlds)
