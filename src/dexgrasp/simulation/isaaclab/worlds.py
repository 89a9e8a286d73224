"""N worlds in IsaacLab 3 with Newton physics, without Kit. Runs in IsaacLab's environment alone."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import torch
from isaaclab.scene import InteractiveScene
from isaaclab.sensors import Camera
from isaaclab.sim import SimulationCfg, SimulationContext
from isaaclab_newton.physics import NewtonManager

from dexgrasp.simulation.isaaclab.base import BaseWorlds, host
from dexgrasp.simulation.isaaclab.plant import Plant
from dexgrasp.simulation.isaaclab.stage import physics, scene
from dexgrasp.simulation.isaaclab.wire import Recipe
from dexgrasp.types import Array


class Worlds(BaseWorlds):
    """See `BaseWorlds`."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.device = "cuda:0" if torch.cuda.is_available() else "cpu"
        # One world on a processor: MuJoCo proper steps it ten times faster than its kernels do.
        self.native = recipe.worlds == 1 and self.device == "cpu"
        SimulationContext.clear_instance()
        self.sim = SimulationContext(
            SimulationCfg(
                device=self.device,
                dt=self.config.timestep,
                physics=physics(self.config, self.native),
            )
        )
        self.scene = InteractiveScene(scene(recipe, self.config, not self.native))
        self.plant = Plant(self.scene, recipe, self.config, self.native)
        self.robot, self.objects = self.plant.robot, list(self.plant.objects)
        self.sim.reset()
        self.plant.index()
        self._joints = self.plant.joints
        self.seen = self._read()

    def _release(self, rows: Array) -> None:
        push = self.plant.push.numpy().reshape(self.recipe.worlds, -1, 3)
        push[rows] = 0.0
        self.plant.push.assign(push.reshape(-1, 3))

    def _write(self, rows, palm, palm_velocity, joints, joint_velocity, objects, velocity) -> None:
        moving = np.broadcast_to(velocity, (len(rows), len(self.objects), 6))
        self.plant.write(rows, palm, palm_velocity, joints, joint_velocity, objects, moving)

    def _aim(self, rows: Array, joints: Array, palm: Array) -> None:
        self.plant.aim(rows, joints, palm)

    def _advance(self) -> None:
        self.scene.write_data_to_sim()
        self.sim.step(render=False)
        self.scene.update(self.config.timestep)

    def vary(self, gravity, friction, mass, push, stuck) -> None:
        """See `SimBackend.vary`; None leaves a figure."""
        self.plant.vary(gravity, friction, mass, push, stuck)

    def _packed(self, poses: Any) -> Array:
        return host(poses)

    def _felt(self) -> tuple[Array, Array]:
        if self.native:
            return self._felt_natively()
        net, by_object = self.plant.felt()
        return host(net), host(by_object)

    def _felt_natively(self) -> tuple[Array, Array]:
        """From MuJoCo's contacts: IsaacLab 3.0's sensor reads mujoco_warp's alone."""
        tips = [f"Hand/{tip}" for tip in self.recipe.tips]
        net, by_object = np.zeros((1, len(tips), 3)), np.zeros((1, len(tips), len(self.objects), 3))
        for first, second, _, _, force in self._native_contacts():
            for body, other, sign in ((first, second, -1.0), (second, first, 1.0)):
                if body in tips:
                    net[0, tips.index(body)] += sign * force
                    if other.startswith("object_"):
                        index = int(other.removeprefix("object_"))
                        by_object[0, tips.index(body), index] += sign * force
        return net, by_object

    def _native_contacts(self) -> list[tuple[str, str, Array, Array, Array]]:
        """Two bodies, the point, the normal and the force on the second, in the world."""
        model, data = self.plant.solver.mj_model, self.plant.solver.mj_data
        shapes = self.plant.solver.mjc_geom_to_newton_shape.numpy()[0]
        found, wrench = [], np.zeros(6)
        for i in range(data.ncon):
            contact = data.contact[i]
            bodies = self.plant.model.shape_body.numpy()[shapes[contact.geom]]
            names = [self.plant.name(0, int(body)) for body in bodies]
            mujoco.mj_contactForce(model, data, i, wrench)
            axes = contact.frame.reshape(3, 3)
            found.append((*names, contact.pos.copy(), axes[0].copy(), axes.T @ wrench[:3]))
        return found

    def contacts(self, world: int) -> list[tuple[str, str, Array, Array, Array]]:
        """See `BaseWorlds.contacts`."""
        if self.native:
            return self._native_contacts()
        contacts = NewtonManager.get_contacts()
        count = int(contacts.rigid_contact_count.numpy()[0])
        model = self.plant.model
        shape_body, labels = model.shape_body.numpy(), model.body_label
        place, body_q = f"/World/envs/env_{world}/", NewtonManager.get_state_0().body_q.numpy()
        found = []
        for i in range(count):
            shapes = [int(getattr(contacts, f"rigid_contact_shape{k}").numpy()[i]) for k in (0, 1)]
            bodies = [int(shape_body[shape]) for shape in shapes]
            if not any(b >= 0 and labels[b].startswith(place) for b in bodies):
                continue
            names = [self.plant.name(world, body) for body in bodies]
            point = contacts.rigid_contact_point0.numpy()[i]
            if bodies[0] >= 0:
                point = _moved(body_q[bodies[0]], point)
            normal = contacts.rigid_contact_normal.numpy()[i]
            force = contacts.force.numpy()[i, :3]
            force = np.copysign(1.0, force @ normal) * force  # bodies push each other apart
            found.append((names[0], names[1], point, normal, force))
        return found

    def _image(self, camera: str, kind: str, world: int) -> Array:
        eye: Camera = self.scene[camera]
        eye.update(0.0, force_recompute=True)
        return host(eye.data.output[kind])[world]


def _moved(pose: Array, point: Array) -> Array:
    """A point (3,) of a body at `pose` (7,), in the world."""
    vector, scalar = pose[3:6], pose[6]
    twice = 2.0 * np.cross(vector, point)
    return pose[:3] + point + scalar * twice + np.cross(vector, twice)
