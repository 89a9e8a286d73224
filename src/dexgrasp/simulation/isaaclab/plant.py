"""Hand and objects of N worlds in a scene of IsaacLab: addressed, pulled, placed and varied.

What the backend and the task for reinforcement learning share. Runs in IsaacLab's environment
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
import torch
import warp as wp
from isaaclab.assets import BaseArticulation, BaseRigidObject
from isaaclab.scene import InteractiveScene
from isaaclab_newton.physics import NewtonManager
from isaaclab_newton.sensors import ContactSensor
from newton import JointType, ModelFlags

from dexgrasp.simulation.config import SimulationConfig
from dexgrasp.simulation.isaaclab.base import RUSTED, joint_order
from dexgrasp.simulation.isaaclab.kernels import pull_wrist, push_objects
from dexgrasp.simulation.isaaclab.wire import Recipe
from dexgrasp.types import Array


class Plant:
    """Make it before the simulation is reset, and `index` it thereafter.

    native: MuJoCo proper steps the one world there is.
    joints: (J,) index in IsaacLab of each joint in the canonical order.
    """

    def __init__(
        self, scene: InteractiveScene, recipe: Recipe, config: SimulationConfig, native: bool
    ) -> None:
        self.scene, self.recipe, self.config, self.native = scene, recipe, config, native
        self.device = scene.device
        self.robot: BaseArticulation = scene["hand"]
        names = [f"object_{i}" for i in range(len(recipe.objects))]
        self.objects: list[BaseRigidObject] = [scene[name] for name in names]
        # Before the solver starts: on a GPU a graph is recorded that holds the callbacks.
        self._ready = False
        NewtonManager.register_state_force_callback(self._apply_forces)

    def index(self) -> None:
        """Find everything in Newton's model. Raises ValueError for other joints than asked for."""
        self.joints = joint_order(self.robot.joint_names, self.recipe.joints)
        self.solver: Any = NewtonManager._solver
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
        self.push = wp.zeros(n * m, dtype=wp.vec3, device=self.device)
        self._goal = wp.zeros(n, dtype=wp.transform, device=self.device)
        self._dofs, self._base = self._degrees(palms)
        self._shapes, self._shape_objects = self._surfaces(bodies)
        self._masses = self.model.body_mass.numpy().copy()
        self._inertias = self.model.body_inertia.numpy().copy()
        self._ready = True
        self._soften()

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

    def _surfaces(self, bodies: Sequence[int]) -> tuple[Array, Array]:
        """The shapes of the objects' bodies (N M,), and to which of these each belongs."""
        shape_body = np.asarray(self.model.shape_body.numpy(), dtype=int)
        place = np.full(self.model.body_count + 1, -1)  # the last is for the table's -1
        place[bodies] = np.arange(len(bodies))
        shapes = np.flatnonzero(place[shape_body] >= 0)
        return shapes, place[shape_body[shapes]]

    def _soften(self) -> None:
        """The palm's damping, and what Newton leaves to be set in MuJoCo proper."""
        if self.native:
            options = self.solver.mj_model.opt
            # mujoco_warp 3.12 has no such iterations, which keep things from creeping.
            options.noslip_iterations = self.config.noslip_iterations
            # Newton 1.6 turns the axes of bodies' inertias, in which MuJoCo has compiled the boxes
            # about their shapes: fingers passed into an object where its box was the wrong way up.
            options.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
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
            pushes = [self._pushed, self.push, state.body_f]
            wp.launch(push_objects, dim=len(self._pushed), inputs=pushes, device=self.device)

    def tensor(self, values: Any) -> torch.Tensor:
        """float32 on the device, of an array or a tensor."""
        if not torch.is_tensor(values):
            values = np.ascontiguousarray(values, dtype=np.float32)
        return torch.as_tensor(values, dtype=torch.float32, device=self.device)

    def _ids(self, rows: Any) -> torch.Tensor:
        rows = rows if torch.is_tensor(rows) else np.asarray(rows)
        return torch.as_tensor(rows, dtype=torch.int32, device=self.device)

    def write(self, rows, palm, palm_velocity, joints, joint_velocity, objects, velocity) -> None:
        """The state of worlds (k,), arrays or tensors.

        palm: (k, 7), joints, joint_velocity: (k, J), objects: (k, M, 7); palm_velocity (k, 6)
        and velocity, which broadcasts to (k, M, 6): of the link frames, linear and angular.
        """
        ids, tensor, robot = self._ids(rows), self.tensor, self.robot
        robot.write_root_link_pose_to_sim_index(root_pose=tensor(palm), env_ids=ids)
        robot.write_root_link_velocity_to_sim_index(
            root_velocity=tensor(palm_velocity), env_ids=ids
        )
        robot.write_joint_position_to_sim_index(
            position=tensor(joints), joint_ids=self.joints, env_ids=ids
        )
        robot.write_joint_velocity_to_sim_index(
            velocity=tensor(joint_velocity), joint_ids=self.joints, env_ids=ids
        )
        objects = tensor(objects)
        moving = tensor(velocity).expand(len(ids), len(self.objects), 6)
        for i, one in enumerate(self.objects):
            one.write_root_link_pose_to_sim_index(root_pose=objects[:, i].contiguous(), env_ids=ids)
            one.write_root_link_velocity_to_sim_index(
                root_velocity=moving[:, i].contiguous(), env_ids=ids
            )

    def aim(self, rows: Any, joints: Any, palm: Any) -> None:
        """Targets of worlds (k,) until others are given: joints (k, J) [rad], palm (k, 7)."""
        ids = self._ids(rows)
        self.robot.actuators.target_command.set_position_index(
            value=self.tensor(joints), joint_ids=self.joints, env_ids=ids
        )
        wp.to_torch(self._goal)[ids.long()] = self.tensor(palm)

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
            own = np.reshape(friction, (len(self._object_bodies), -1))
            each = np.broadcast_to(own, self._object_bodies.shape).ravel()
            sliding[self._shapes] = each[self._shape_objects]
            model.shape_material_mu.assign(sliding)
            change(ModelFlags.SHAPE_PROPERTIES)
            if self.native:  # which Newton 1.6 forgets
                shapes = self.solver.mjc_geom_to_newton_shape.numpy()[0]
                self.solver.mj_model.geom_friction[:, 0] = sliding[shapes]
        if mass is not None:
            self._set_mass(mass)
        if push is not None:
            self.push.assign(np.asarray(push, dtype=np.float32).reshape(-1, 3))
        if stuck is not None:
            self._set_damping(stuck)

    def _set_mass(self, mass: Array) -> None:
        ids = torch.arange(self.recipe.worlds, dtype=torch.int32, device=self.device)
        for i, one in enumerate(self.objects):
            bodies = self._object_bodies[:, i]
            factor = mass[:, i] / self._masses[bodies]
            inertia = self._inertias[bodies] * factor[:, None, None]
            one.set_masses_index(masses=self.tensor(mass[:, i : i + 1]), env_ids=ids)
            one.set_inertias_index(inertias=self.tensor(inertia.reshape(-1, 1, 9)), env_ids=ids)

    def felt(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Forces on the tips from everything (N, F, 3), and from each object (N, F, M, 3) [N].

        By IsaacLab's sensor, which is not there where MuJoCo proper steps.
        """
        data = self.touch.data
        net = data.net_forces_w.torch[:, self._tips]
        if not self.objects:
            return net, net.new_zeros((*net.shape[:2], 0, 3))
        return net, data.force_matrix_w.torch[:, self._tips]

    def name(self, world: int, body: int) -> str:
        """A body's name below its world, '' for the table."""
        if body < 0:
            return ""
        return self.model.body_label[body].removeprefix(f"/World/envs/env_{world}/")
