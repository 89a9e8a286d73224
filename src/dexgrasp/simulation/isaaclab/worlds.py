"""N worlds in IsaacLab 3 with Newton physics, without Kit. Runs in IsaacLab's environment alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
import torch
import warp as wp
from isaaclab.assets import BaseArticulation, BaseRigidObject
from isaaclab.scene import InteractiveScene
from isaaclab.sensors import Camera
from isaaclab.sim import SimulationCfg, SimulationContext
from isaaclab_newton.physics import NewtonManager
from isaaclab_newton.sensors import ContactSensor
from newton import JointType, ModelFlags

from dexgrasp.simulation.isaaclab.base import RUSTED, BaseWorlds, host, joint_order
from dexgrasp.simulation.isaaclab.kernels import pull_wrist, push_objects
from dexgrasp.simulation.isaaclab.stage import physics, scene
from dexgrasp.simulation.isaaclab.wire import Recipe
from dexgrasp.types import Array


class Worlds(BaseWorlds):
    """See `BaseWorlds`."""

    robot: BaseArticulation
    objects: list[BaseRigidObject]

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
        self.robot = self.scene["hand"]
        self.objects = [self.scene[f"object_{i}"] for i in range(len(recipe.objects))]
        # Before the solver starts: on a GPU a graph is recorded that holds the callbacks.
        self._ready = False
        NewtonManager.register_state_force_callback(self._apply_forces)
        self.sim.reset()
        self._index()
        self._soften()
        self.seen = self._read()

    def _index(self) -> None:
        self._joints = joint_order(self.robot.joint_names, self.recipe.joints)
        self._solver: Any = NewtonManager._solver
        if not self.native:
            self.touch: ContactSensor = self.scene["touch"]
            self._tips = [self.touch.sensor_names.index(tip) for tip in self.recipe.tips]
        self.model = NewtonManager.get_model()
        self._bodies = {label: i for i, label in enumerate(self.model.body_label)}
        n, m = self.recipe.worlds, len(self.objects)
        palms = [self._body(i, f"Hand/{self.recipe.links[0]}") for i in range(n)]
        bodies = [self._body(i, f"object_{k}") for i in range(n) for k in range(m)]
        self._palm = wp.array(palms, dtype=int, device=self.device)
        self._object_bodies = np.array(bodies, dtype=int).reshape(n, m)
        self._pushed = wp.array(bodies, dtype=int, device=self.device)
        self._push = wp.zeros(n * m, dtype=wp.vec3, device=self.device)
        self._goal = wp.zeros(n, dtype=wp.transform, device=self.device)
        self._dofs, self._base = self._degrees(palms)
        shape_body = self.model.shape_body.numpy()
        self._object_shapes = [
            [np.flatnonzero(shape_body == body) for body in row] for row in self._object_bodies
        ]
        self._masses = self.model.body_mass.numpy().copy()
        self._inertias = self.model.body_inertia.numpy().copy()
        self._ready = True

    def _body(self, world: int, name: str) -> int:
        return self._bodies[f"/World/envs/env_{world}/{name}"]

    def _degrees(self, palms: Sequence[int]) -> tuple[Array, Array]:
        """(N, J) and (N, 6) degrees of freedom of the joints and of the palm's floating joint."""
        start = self.model.joint_qd_start.numpy()
        labels = {label: i for i, label in enumerate(self.model.joint_label)}
        prefix = "/World/envs/env_{}/Hand/joints/{}"
        worlds = range(self.recipe.worlds)
        dofs = [[start[labels[prefix.format(i, j)]] for j in self.recipe.joints] for i in worlds]
        free = self.model.joint_type.numpy() == int(JointType.FREE)
        child = self.model.joint_child.numpy()
        floating = [int(np.flatnonzero(free & (child == palm))[0]) for palm in palms]
        base = start[floating][:, None] + np.arange(6)
        return np.array(dofs, dtype=int), base

    def _soften(self) -> None:
        """The palm's damping, and what mujoco_warp 3.12 lacks: iterations against creep."""
        if self.native:
            self._solver.mj_model.opt.noslip_iterations = self.config.noslip_iterations
        self._set_damping(np.zeros_like(self._dofs, dtype=bool))

    def _set_damping(self, stuck: Array) -> None:
        damping = self.model.joint_damping.numpy()
        damping[self._base] = np.repeat(self.config.wrist.damping, 3)
        damping[self._dofs] = np.where(stuck, RUSTED, 0.0)
        self.model.joint_damping.assign(damping)
        NewtonManager.add_model_change(ModelFlags.JOINT_DOF_PROPERTIES)

    def _apply_forces(self, state: Any) -> None:
        """Called before every step of the solver."""
        if not self._ready:
            return
        wrist = self.config.wrist
        # mujoco_warp 3.12 (passive.py) takes the first of a floating joint's dampings for all six.
        passive = wrist.damping if self.native else (wrist.damping[0], wrist.damping[0])
        figures = (wrist.stiffness, wrist.damping, wrist.limit, passive)
        servo = [wp.vec2(*figure) for figure in figures]
        wp.launch(
            pull_wrist,
            dim=self.recipe.worlds,
            inputs=[
                *(self._palm, self._goal, *servo, state.body_q, state.body_qd),
                *(self.model.body_com, state.body_f),
            ],
            device=self.device,
        )
        if self.objects:
            pushes = [self._pushed, self._push, state.body_f]
            wp.launch(push_objects, dim=len(self._pushed), inputs=pushes, device=self.device)

    def _tensor(self, values: Array) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(values, dtype=np.float32), device=self.device)

    def _release(self, rows: Array) -> None:
        push = self._push.numpy().reshape(self.recipe.worlds, -1, 3)
        push[rows] = 0.0
        self._push.assign(push.reshape(-1, 3))

    def _write(self, rows, palm, palm_velocity, joints, joint_velocity, objects, velocity) -> None:
        ids = torch.as_tensor(np.asarray(rows), dtype=torch.int32, device=self.device)
        tensor = self._tensor
        robot = self.robot
        robot.write_root_link_pose_to_sim_index(root_pose=tensor(palm), env_ids=ids)
        robot.write_root_link_velocity_to_sim_index(
            root_velocity=tensor(palm_velocity), env_ids=ids
        )
        robot.write_joint_position_to_sim_index(
            position=tensor(joints), joint_ids=self._joints, env_ids=ids
        )
        robot.write_joint_velocity_to_sim_index(
            velocity=tensor(joint_velocity), joint_ids=self._joints, env_ids=ids
        )
        for i, one in enumerate(self.objects):
            one.write_root_link_pose_to_sim_index(root_pose=tensor(objects[:, i]), env_ids=ids)
            moving = np.broadcast_to(velocity, (len(rows), len(self.objects), 6))[:, i]
            one.write_root_link_velocity_to_sim_index(root_velocity=tensor(moving), env_ids=ids)

    def _aim(self, rows: Array, joints: Array, palm: Array) -> None:
        ids = torch.as_tensor(np.asarray(rows), dtype=torch.int32, device=self.device)
        self.robot.actuators.target_command.set_position_index(
            value=self._tensor(joints), joint_ids=self._joints, env_ids=ids
        )
        goal = self._goal.numpy()
        goal[rows] = palm
        self._goal.assign(goal)

    def _advance(self) -> None:
        self.scene.write_data_to_sim()
        self.sim.step(render=False)
        self.scene.update(self.config.timestep)

    def vary(self, gravity, friction, mass, push, stuck) -> None:
        """See `SimBackend.vary`; None leaves a figure."""
        model, change = self.model, NewtonManager.add_model_change
        if gravity is not None:
            figures = model.gravity.numpy()
            figures[: self.recipe.worlds] = gravity
            model.gravity.assign(figures)
            change(ModelFlags.MODEL_PROPERTIES)
        if friction is not None:
            sliding = model.shape_material_mu.numpy()
            for figure, objects in zip(friction, self._object_shapes, strict=True):
                for shapes in objects:
                    sliding[shapes] = figure
            model.shape_material_mu.assign(sliding)
            change(ModelFlags.SHAPE_PROPERTIES)
            if self.native:  # which Newton 1.6 forgets
                shapes = self._solver.mjc_geom_to_newton_shape.numpy()[0]
                self._solver.mj_model.geom_friction[:, 0] = sliding[shapes]
        if mass is not None:
            self._set_mass(mass)
        if push is not None:
            self._push.assign(np.asarray(push, dtype=np.float32).reshape(-1, 3))
        if stuck is not None:
            self._set_damping(stuck)

    def _set_mass(self, mass: Array) -> None:
        ids = torch.arange(self.recipe.worlds, dtype=torch.int32, device=self.device)
        for i, one in enumerate(self.objects):
            bodies = self._object_bodies[:, i]
            factor = mass[:, i] / self._masses[bodies]
            inertia = self._inertias[bodies] * factor[:, None, None]
            one.set_masses_index(masses=self._tensor(mass[:, i : i + 1]), env_ids=ids)
            one.set_inertias_index(inertias=self._tensor(inertia.reshape(-1, 1, 9)), env_ids=ids)

    def _packed(self, poses: Any) -> Array:
        return host(poses)

    def _felt(self) -> tuple[Array, Array]:
        if self.native:
            return self._felt_natively()
        data = self.touch.data
        net = host(data.net_forces_w)[:, self._tips]
        if not self.objects:
            return net, np.zeros((*net.shape[:2], 0, 3))
        return net, host(data.force_matrix_w)[:, self._tips]

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
        model, data = self._solver.mj_model, self._solver.mj_data
        shapes = self._solver.mjc_geom_to_newton_shape.numpy()[0]
        found, wrench = [], np.zeros(6)
        for i in range(data.ncon):
            contact = data.contact[i]
            bodies = self.model.shape_body.numpy()[shapes[contact.geom]]
            names = [self._name(0, int(body)) for body in bodies]
            mujoco.mj_contactForce(model, data, i, wrench)
            axes = contact.frame.reshape(3, 3)
            found.append((*names, contact.pos.copy(), axes[0].copy(), axes.T @ wrench[:3]))
        return found

    def _name(self, world: int, body: int) -> str:
        """A body's name below its world, '' for the table."""
        if body < 0:
            return ""
        return self.model.body_label[body].removeprefix(f"/World/envs/env_{world}/")

    def contacts(self, world: int) -> list[tuple[str, str, Array, Array, float]]:
        """See `BaseWorlds.contacts`."""
        if self.native:
            return [
                (first, second, point, normal, float(force @ normal))
                for first, second, point, normal, force in self._native_contacts()
            ]
        contacts = NewtonManager.get_contacts()
        count = int(contacts.rigid_contact_count.numpy()[0])
        shape_body, labels = self.model.shape_body.numpy(), self.model.body_label
        place, body_q = f"/World/envs/env_{world}/", NewtonManager.get_state_0().body_q.numpy()
        found = []
        for i in range(count):
            shapes = [int(getattr(contacts, f"rigid_contact_shape{k}").numpy()[i]) for k in (0, 1)]
            bodies = [int(shape_body[shape]) for shape in shapes]
            if not any(b >= 0 and labels[b].startswith(place) for b in bodies):
                continue
            names = [self._name(world, body) for body in bodies]
            point = contacts.rigid_contact_point0.numpy()[i]
            if bodies[0] >= 0:
                point = _moved(body_q[bodies[0]], point)
            normal = contacts.rigid_contact_normal.numpy()[i]
            force = float(abs(contacts.force.numpy()[i, :3] @ normal))
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
