"""N worlds in IsaacLab 2.3 with PhysX, inside Isaac Sim. Runs in its environment alone.

It has never run: Isaac Sim needs an RTX GPU. `tools/check_isaaclab.py` holds its calls against
IsaacLab's own sources.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from isaaclab.assets import Articulation, RigidObject
from isaaclab.scene import InteractiveScene
from isaaclab.sensors import Camera, ContactSensor
from isaaclab.sim import SimulationContext, create_new_stage

from dexgrasp.simulation.isaaclab.base import RUSTED, BaseWorlds, host, joint_order
from dexgrasp.simulation.isaaclab.physx import (
    contact_rows,
    from_engine,
    hand_inertia,
    to_engine,
    wrist_wrench,
)
from dexgrasp.simulation.isaaclab.stage23 import physics, scene
from dexgrasp.simulation.isaaclab.wire import Recipe
from dexgrasp.types import Array

GRAVITY = (0.0, 0.0, -9.81)  # [m/s2]: MuJoCo's default, which the other backends have
GRIP = 1.0  # of the hand's surface: PhysX takes the smaller of two, which is to be the object's
PICTURES = 5  # that the renderer takes until one shows what has moved


class Worlds(BaseWorlds):
    """See `BaseWorlds`."""

    robot: Articulation
    objects: list[RigidObject]

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.device = "cuda:0" if torch.cuda.is_available() else "cpu"
        _forget()
        create_new_stage()
        self.sim = SimulationContext(physics(self.config, self.device))
        self.scene = InteractiveScene(scene(recipe, self.config))
        self.robot = self.scene["hand"]
        self.objects = [self.scene[f"object_{i}"] for i in range(len(recipe.objects))]
        self.touch: dict[str, ContactSensor] = {
            link: self.scene[f"touch_{link}"] for link in recipe.links
        }
        self.sim.reset()
        self.scene.update(0.0)
        self._index()
        self._grip()
        self.seen = self._read()

    def _index(self) -> None:
        recipe, bodies = self.recipe, self.robot.body_names
        if bodies[0] != recipe.links[0]:
            raise ValueError(f"PhysX hangs the hand on {bodies[0]}, not on {recipe.links[0]}")
        self._joints = joint_order(self.robot.joint_names, recipe.joints)
        self._origins = host(self.scene.env_origins)
        data, n, m = self.robot.data, recipe.worlds, len(self.objects)
        masses = host(self.robot.root_physx_view.get_masses())[0]
        moments = host(self.robot.root_physx_view.get_inertias())[0].reshape(-1, 3, 3)
        centres = host(data.body_com_pose_w)[0, :, :3]
        self._inertia = hand_inertia(masses, centres, moments)
        self._com = host(data.body_com_pos_b)[:, 0]
        self._goal = self._packed(data.root_link_pose_w)
        self._gravity = np.tile(GRAVITY, (n, 1))
        self._push = np.zeros((n, m, 3))
        first = [host(one.root_physx_view.get_masses()).reshape(n) for one in self.objects]
        self._masses = np.stack(first, axis=1) if m else np.zeros((n, 0))

    def _grip(self) -> None:
        surfaces = self.robot.root_physx_view.get_material_properties()
        surfaces[..., :2] = GRIP
        self.robot.root_physx_view.set_material_properties(surfaces, self._ids().cpu())

    def _ids(self, rows: Array | None = None) -> torch.Tensor:
        rows = np.arange(self.recipe.worlds) if rows is None else rows
        return torch.as_tensor(np.asarray(rows), dtype=torch.long, device=self.device)

    def _tensor(self, values: Array) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(values, dtype=np.float32), device=self.device)

    def _packed(self, poses: Any) -> Array:
        return from_engine(host(poses), self._origins)

    def _placed(self, packed: Array, rows: Array) -> torch.Tensor:
        return self._tensor(to_engine(packed, self._origins[rows]))

    def _write(self, rows, palm, palm_velocity, joints, joint_velocity, objects, velocity) -> None:
        ids, tensor, robot = self._ids(rows), self._tensor, self.robot
        robot.write_root_link_pose_to_sim(self._placed(palm, rows), env_ids=ids)
        robot.write_root_link_velocity_to_sim(tensor(palm_velocity), env_ids=ids)
        robot.write_joint_state_to_sim(
            tensor(joints), tensor(joint_velocity), joint_ids=self._joints, env_ids=ids
        )
        moving = np.broadcast_to(velocity, (len(rows), len(self.objects), 6))
        for i, one in enumerate(self.objects):
            one.write_root_link_pose_to_sim(self._placed(objects[:, i], rows), env_ids=ids)
            one.write_root_link_velocity_to_sim(tensor(moving[:, i]), env_ids=ids)

    def _aim(self, rows: Array, joints: Array, palm: Array) -> None:
        self.robot.set_joint_position_target(
            self._tensor(joints), joint_ids=self._joints, env_ids=self._ids(rows)
        )
        self._goal[rows] = palm

    def _release(self, rows: Array) -> None:
        self._push[rows] = 0.0

    def _advance(self) -> None:
        self._pull()
        self.scene.write_data_to_sim()
        self.sim.step(render=False)
        self.scene.update(self.config.timestep)

    def _pull(self) -> None:
        """Forces of the coming step: the wrist's servo, gravity, and what pushes the objects."""
        data = self.robot.data
        force, torque = wrist_wrench(
            self._packed(data.root_link_pose_w),
            host(data.root_link_vel_w),
            self._goal,
            self._com,
            self.config.wrist,
            self._inertia,
            self.config.timestep,
        )
        self.robot.instantaneous_wrench_composer.set_forces_and_torques(
            forces=self._tensor(force[:, None]),
            torques=self._tensor(torque[:, None]),
            body_ids=torch.zeros(1, dtype=torch.int32, device=self.device),  # the palm
            is_global=True,
        )
        weight = self._masses[..., None] * self._gravity[:, None] + self._push
        for i, one in enumerate(self.objects):
            one.instantaneous_wrench_composer.set_forces_and_torques(
                forces=self._tensor(weight[:, i : i + 1]), is_global=True
            )

    def vary(self, gravity, friction, mass, push, stuck) -> None:
        """See `SimBackend.vary`; None leaves a figure."""
        if gravity is not None:
            self._gravity = np.array(gravity, dtype=float)
        if push is not None:
            self._push = np.array(push, dtype=float)
        if mass is not None:
            self._set_mass(np.array(mass, dtype=float))
        if friction is not None:
            for i, one in enumerate(self.objects):
                surfaces = one.root_physx_view.get_material_properties()
                surfaces[..., :2] = torch.as_tensor(friction[:, i], dtype=torch.float32)[
                    :, None, None
                ]
                one.root_physx_view.set_material_properties(surfaces, self._ids().cpu())
        if stuck is not None:
            self.robot.write_joint_viscous_friction_coefficient_to_sim(
                self._tensor(np.where(stuck, RUSTED, 0.0)),
                joint_ids=self._joints,
                env_ids=self._ids(),
            )

    def _set_mass(self, mass: Array) -> None:
        """PhysX takes masses and moments from the processor."""
        every = self._ids().cpu()
        for i, one in enumerate(self.objects):
            new = torch.as_tensor(mass[:, i : i + 1], dtype=torch.float32)
            factor = new / one.data.default_mass.cpu().reshape(-1, 1)
            one.root_physx_view.set_masses(new, every)
            one.root_physx_view.set_inertias(one.data.default_inertia.cpu() * factor, every)
        self._masses = mass

    def _felt(self) -> tuple[Array, Array]:
        """See `BaseWorlds._felt`. Friction is counted where an object is touched alone."""
        net, by_object = [], []
        for tip in self.recipe.tips:
            data = self.touch[tip].data
            net.append(host(data.net_forces_w)[:, 0])
            if not self.objects:
                continue
            rubbing = host(data.friction_forces_w)[:, 0]
            by_object.append(host(data.force_matrix_w)[:, 0] + rubbing)
            net[-1] += rubbing.sum(axis=1)
        whole = np.stack(net, axis=1)
        if not self.objects:
            return whole, np.zeros((*whole.shape[:2], 0, 3))
        return whole, np.stack(by_object, axis=1)

    def contacts(self, world: int) -> list[tuple[str, str, Array, Array, Array]]:
        """See `BaseWorlds.contacts`: those with objects, as PhysX lists no others, no friction."""
        found = []
        for link, sensor in self.touch.items() if self.objects else ():
            pushed = host(sensor.data.force_matrix_w)[world, 0]
            force, points, normals, _, counts, starts = (
                host(values)
                for values in sensor.contact_physx_view.get_contact_data(dt=self.config.timestep)
            )
            for i, on_link in enumerate(pushed):
                count, start = int(counts[world, i]), int(starts[world, i])
                rows = contact_rows(force, points, normals, count, start, on_link)
                found += [
                    (f"Hand/{link}", f"object_{i}", point - self._origins[world], normal, push)
                    for point, normal, push in rows
                ]
        return found

    def _image(self, camera: str, kind: str, world: int) -> Array:
        for _ in range(PICTURES):
            self.sim.render()
        eye: Camera = self.scene[camera]
        eye.update(0.0, force_recompute=True)
        return host(eye.data.output[kind])[world]


def _forget() -> None:
    """End the scene of the worlds before these."""
    old = SimulationContext.instance()
    if old is not None:
        old.stop()
        old.clear_all_callbacks()
        old.clear_instance()
