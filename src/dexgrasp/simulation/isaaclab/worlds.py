"""N worlds in IsaacLab 3 with Newton physics, without Kit. Runs in IsaacLab's environment alone."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
import torch
from isaaclab.scene import InteractiveScene
from isaaclab.sim import SimulationCfg, SimulationContext
from isaaclab_newton.physics import NewtonManager

from dexgrasp.simulation.config import SimulationConfig
from dexgrasp.simulation.isaaclab.plant import Plant
from dexgrasp.simulation.isaaclab.stage import FAR, physics, scene
from dexgrasp.simulation.isaaclab.wire import Recipe, Snapshot
from dexgrasp.types import Array


class Worlds:
    """The worlds of one recipe, until the next one is built: IsaacLab holds one scene a process."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.config = SimulationConfig.model_validate(recipe.config)
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
        self.robot, self.objects = self.plant.robot, self.plant.objects
        self.sim.reset()
        self.plant.index()
        self.model = self.plant.model
        self.seen = self._read()

    def reset(self, rows: Array, palm: Array, joints: Array, objects: Array) -> Snapshot:
        """Put worlds (k,) at rest: palm (k, 7), joints (k, J), objects (k, M, 7)."""
        still = np.zeros((len(rows), 6))
        self.plant.write(rows, palm, still, joints, np.zeros_like(joints), objects, still[:, None])
        self.plant.aim(rows, joints, palm)
        push = self.plant.push.numpy().reshape(self.recipe.worlds, -1, 3)
        push[rows] = 0.0
        self.plant.push.assign(push.reshape(-1, 3))
        chosen = np.isin(np.arange(self.recipe.worlds), rows)
        read = self._read()
        nothing = np.zeros_like(read.finger_force)
        fresh = Snapshot(**{**vars(read), "finger_force": nothing, "finger_object_force": nothing})
        self.seen = self.seen.where(chosen, fresh)
        return self.seen

    def step(self, joints: Array, palm: Array, count: int, rows: Array | None) -> Snapshot:
        """Hold targets (N, J) and (N, 7) for `count` time steps in worlds `rows` (None: all).

        The engine steps all worlds; the others are put back.
        """
        every = np.arange(self.recipe.worlds)
        resting = np.zeros(len(every), bool) if rows is None else ~np.isin(every, rows)
        before = self._motion(resting)
        self.plant.aim(every, joints, palm)
        for _ in range(count):
            self.scene.write_data_to_sim()
            self.sim.step(render=False)
            self.scene.update(self.config.timestep)
        after = self._read()
        if resting.any():
            self.plant.write(np.flatnonzero(resting), *before)
        self.seen = after.where(resting, self.seen)
        return self.seen

    def _motion(self, chosen: Array) -> tuple[Array, ...]:
        """What `Plant.write` takes, of the worlds that are chosen."""
        data = self.robot.data
        parts = [_host(part.root_link_vel_w) for part in (data, *(o.data for o in self.objects))]
        empty = np.zeros((self.recipe.worlds, 0, 6))
        moving = np.stack(parts[1:], axis=1) if self.objects else empty
        now = self._read()
        state = (
            now.palm, parts[0], now.joint_position, now.joint_velocity, now.objects, moving,
        )  # fmt: skip
        return tuple(part[chosen].copy() for part in state)

    def vary(self, gravity, friction, mass, push, stuck) -> None:
        """See `SimBackend.vary`; None leaves a figure."""
        self.plant.vary(gravity, friction, mass, push, stuck)

    def _read(self) -> Snapshot:
        data, n = self.robot.data, self.recipe.worlds
        poses = [_host(one.data.root_link_pose_w) for one in self.objects]
        speeds = [_host(one.data.root_com_vel_w)[:, :3] for one in self.objects]
        net, by_object = self._felt_natively() if self.native else map(_host, self.plant.felt())
        return Snapshot(
            joint_position=_host(data.joint_pos)[:, self.plant.joints],
            joint_velocity=_host(data.joint_vel)[:, self.plant.joints],
            palm=_host(data.root_link_pose_w),
            objects=np.stack(poses, axis=1) if poses else np.zeros((n, 0, 7)),
            object_velocity=np.stack(speeds, axis=1) if speeds else np.zeros((n, 0, 3)),
            finger_force=np.linalg.norm(net, axis=-1),
            finger_object_force=np.linalg.norm(by_object, axis=-1).sum(axis=-1),
        )

    def _felt_natively(self) -> tuple[Array, Array]:
        """The same from MuJoCo's contacts: IsaacLab 3.0's sensor reads mujoco_warp's alone."""
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
            bodies = self.model.shape_body.numpy()[shapes[contact.geom]]
            names = [self.plant.name(0, int(body)) for body in bodies]
            mujoco.mj_contactForce(model, data, i, wrench)
            axes = contact.frame.reshape(3, 3)
            found.append((*names, contact.pos.copy(), axes[0].copy(), axes.T @ wrench[:3]))
        return found

    def contacts(self, world: int) -> list[tuple[str, str, Array, Array, float]]:
        """Each contact of one world: two bodies by their prims' names, '' for the table.

        Then the point [m], the unit normal from the first body to the second, the force [N].
        """
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
            names = [self.plant.name(world, body) for body in bodies]
            point = contacts.rigid_contact_point0.numpy()[i]
            if bodies[0] >= 0:
                point = _moved(body_q[bodies[0]], point)
            normal = contacts.rigid_contact_normal.numpy()[i]
            force = float(abs(contacts.force.numpy()[i, :3] @ normal))
            found.append((names[0], names[1], point, normal, force))
        return found

    def depth(self, world: int) -> Array:
        """(h, w) float32 [m] along the optical axis; 0 where nothing is within 3 m."""
        image = self._image("depth", "distance_to_image_plane", world)[..., 0]
        return np.where(np.isfinite(image) & (image < FAR), image, 0.0).astype(np.float32)

    def overview(self, world: int) -> Array:
        """(h, w, 3) uint8 by the overview camera."""
        return self._image("overview", "rgb", world)[..., :3].astype(np.uint8)

    def _image(self, camera: str, kind: str, world: int) -> Array:
        self.scene[camera].update(0.0, force_recompute=True)
        return _host(self.scene[camera].data.output[kind])[world]


def _host(values: Any) -> Array:
    values = values.torch if hasattr(values, "torch") else values
    return values.cpu().numpy().copy()


def _moved(pose: Array, point: Array) -> Array:
    """A point (3,) of a body at `pose` (7,), in the world."""
    vector, scalar = pose[3:6], pose[6]
    twice = 2.0 * np.cross(vector, point)
    return pose[:3] + point + scalar * twice + np.cross(vector, twice)
