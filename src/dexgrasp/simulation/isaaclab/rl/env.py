"""Grasp and lift: N hands over N tables in IsaacLab 3 with Newton, without Kit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from isaaclab.envs import DirectRLEnv, DirectRLEnvCfg
from isaaclab.sim import SimulationCfg
from torch import Tensor

from dexgrasp.execution import ExecutionConfig
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.simulation.config import SimulationConfig
from dexgrasp.simulation.isaaclab.plant import Plant
from dexgrasp.simulation.isaaclab.rl import observations, rewards
from dexgrasp.simulation.isaaclab.rl.curriculum import advanced, stages
from dexgrasp.simulation.isaaclab.rl.fingers import Fingers
from dexgrasp.simulation.isaaclab.rl.observations import Plan, State, world_points
from dexgrasp.simulation.isaaclab.rl.palm import placed, scripted, steered, turned
from dexgrasp.simulation.isaaclab.rl.plans import POINTS, PlannedObject, planned
from dexgrasp.simulation.isaaclab.rl.task import (
    DECIMATION,
    EPISODE,
    GOAL_HEIGHT,
    LIFT,
    LIFT_SPEED,
    PALM_SPEED,
    TaskConfig,
    finger_basis,
)
from dexgrasp.simulation.isaaclab.stage import physics, scene
from dexgrasp.simulation.isaaclab.wire import Recipe, pack_poses

OFF_CENTER = 0.04  # [m] of the object at most, as in the picks of the evaluation
MISPLACED = 0.005  # [m] of the palm about the planned grasp at most, as in `learning`
RETREAT = 0.10  # [m] before the grasp where a palm begins that the policy moves
PARKED = 0.5  # [m] from the middle of the table, where the other objects of a world stand
NEAR = 0.04  # [m] of the palm from the grasp, where the demonstration closes its fingers
LOST = 0.5  # [m] between palm and object
FALLEN = -0.05  # [m] of an object under the table's top
THUMB = "thumb"


def student_size(hand: HandModel) -> int:
    """Entries of the group `policy`."""
    fingers = len(hand.finger_names)
    return 6 * hand.joint_count + 3 + 3 + 1 + 4 * fingers + 6


class GraspLiftEnv(DirectRLEnv):
    """The observation groups are `policy`, what a robot has, and `privileged`, the rest.

    Actions (N, A), or (N, A + 4) with a free palm, count within +-1.
    success: (N,) bool, the object's centre of mass is above `GOAL_HEIGHT` now, near the palm.
    level: (N,) of the curriculum.
    """

    def __init__(self, task: TaskConfig) -> None:
        """Raises UnknownNameError, ConfigError, and NoGraspError for an object without grasp."""
        self.task = task
        self.hand = HandModel.load(task.hand)
        self.world = SimulationConfig.load()
        models = [load_object(name) for name in task.objects]
        height = self.world.table_height
        self.planned = [planned(self.hand, m, height, task.seed) for m in models]
        self.stages = stages(models)
        self.recipe = Recipe.of(self.hand, self.world, models, task.envs, cameras=False)
        basis = finger_basis(self.hand, task)
        super().__init__(_settings(task, self.recipe, self.world, self.hand, len(basis)))
        self.plant.index()
        self.thumb = self.hand.finger_names.index(THUMB)
        limits = self.hand.joint_lower, self.hand.joint_upper
        self.fingers = Fingers(basis, *limits, task.closing).to(self.device)
        self._weights = task.weights.model_dump()
        self._prepare()

    def _setup_scene(self) -> None:
        self.plant = Plant(self.scene, self.recipe, self.world, native=False)

    def _prepare(self) -> None:
        """What does not change, and the memory of the episodes."""
        n, j, tensor = self.num_envs, self.hand.joint_count, self.plant.tensor
        self._rng = torch.Generator(device=self.device).manual_seed(self.task.seed)
        self._every = torch.arange(n, device=self.device)
        self._tips, _ = self.plant.robot.find_bodies(list(self.recipe.tips), preserve_order=True)
        self._tip_offsets = tensor(self.hand.tip_offsets)
        self._palm_speed = tensor(PALM_SPEED)
        self._joint_step = ExecutionConfig.load().joint_speed_limit * self.step_dt
        self._plans = _stacked(self.planned, tensor)
        self._rest = tensor(pack_poses(np.array([p.T_world_object for p in self.planned])))
        self._retreat = tensor(np.array([-RETREAT * p.grasp.approach[0] for p in self.planned]))
        self._parked = self._rest + _parking(len(self.planned), self.device)
        self._stage_object = torch.tensor([s.index for s in self.stages], device=self.device)
        self._loads = np.array([(s.mass, s.friction) for s in self.stages]).T
        own = [(p.model.mass, p.model.friction) for p in self.planned]
        self._own = np.array(own).T  # (2, M): mass and friction
        self._figures = np.repeat(self._own[:, None], n, axis=1)  # (2, N, M)
        self.level = torch.zeros(n, dtype=torch.long, device=self.device)
        self.success = torch.zeros(n, dtype=torch.bool, device=self.device)
        self.object = torch.zeros(n, dtype=torch.long, device=self.device)
        sizes = {"palm": (7,), "pregrasp": (j,), "grasp": (j,), "squeeze": (j,)}
        zeros = {k: torch.zeros(n, *s, device=self.device) for k, s in sizes.items()}
        self.plan = Plan(**zeros, surface=torch.zeros(n, POINTS, 3, device=self.device))
        self._start = torch.zeros(n, 7, device=self.device)
        self._offset = torch.zeros(n, 4, device=self.device)
        self._begun_at = torch.zeros(n, 3, device=self.device)
        self._asked, self._target, self._sent = (
            torch.zeros(n, j, device=self.device) for _ in range(3)
        )

    @property
    def time(self) -> Tensor:
        """(N,) since the episodes began [s]."""
        return self.episode_length_buf * self.step_dt

    def _pre_physics_step(self, actions: Tensor) -> None:
        plan, time = self.plan, self.time
        own = actions[:, : self.fingers.size]
        given = own, plan.pregrasp, plan.squeeze, time[:, None]
        self._asked, self._target = self.fingers.wanted(*given), self.fingers(*given)
        step = torch.clamp(self._target - self._sent, -self._joint_step, self._joint_step)
        self._sent = self._sent + step
        if self.task.free:
            turn = actions[:, self.fingers.size :]
            self._offset = steered(self._offset, turn, self._palm_speed, self.step_dt)
        else:
            self._offset = scripted(time, self.task.lifting, LIFT_SPEED, LIFT)
        self.plant.aim(self._every, self._sent, placed(self._start, self._offset))

    def _apply_action(self) -> None:
        """Targets stay what `_pre_physics_step` made them."""

    def state(self) -> State:
        """All environments as the simulator has them now."""
        robot = self.plant.robot.data
        net, by_object = self.plant.felt()
        own = by_object[self._every, :, self.object]
        tips = robot.body_link_pose_w.torch[:, self._tips]
        offsets = self._tip_offsets.expand(self.num_envs, -1, -1)
        mass, friction = (self.plant.tensor(f)[self._every, self.object] for f in self._figures)
        return State(
            joint_position=robot.joint_pos.torch[:, self.plant.joints],
            joint_velocity=robot.joint_vel.torch[:, self.plant.joints],
            joint_target=self._target,
            palm=robot.root_link_pose_w.torch,
            object=self._of_object("root_link_pose_w"),
            object_velocity=self._of_object("root_com_vel_w"),
            center=self._of_object("root_com_pose_w")[:, :3],
            tips=world_points(tips.flatten(0, 1), offsets.reshape(-1, 1, 3)).view(offsets.shape),
            on_object=torch.linalg.vector_norm(own, dim=-1),
            elsewhere=torch.linalg.vector_norm(net - own, dim=-1),
            mass=mass,
            friction=friction,
            time=self.time,
        )

    def _of_object(self, name: str) -> Tensor:
        """(N, ...) what IsaacLab calls `name`, of the object that is to be grasped."""
        every = [getattr(one.data, name).torch for one in self.plant.objects]
        return torch.stack(every, dim=1)[self._every, self.object]

    def _get_observations(self) -> dict[str, Tensor]:
        state = self.state()
        share = self.level / max(1, len(self.stages) - 1)
        return {
            "policy": observations.student(state, self.plan),
            "privileged": observations.privileged(state, share),
        }

    def _get_dones(self) -> tuple[Tensor, Tensor]:
        self._now = state = self.state()
        height = self._height(state)
        away = torch.linalg.vector_norm(state.center - state.palm[:, :3], dim=-1)
        self.success = rewards.succeeded(height, GOAL_HEIGHT) & (away < LOST)
        over = self.episode_length_buf >= self.max_episode_length
        return (height < FALLEN) | (away > LOST), over

    def _height(self, state: State) -> Tensor:
        return state.center[:, 2] - self.world.table_height

    def _get_rewards(self) -> Tensor:
        parts = self.reward_parts(self._now)
        means = {f"reward/{name}": part.mean() for name, part in parts.items()}
        self.extras["log"] = {**means, "episodes/level": self.level.float().mean()}
        return rewards.total(parts, self._weights)

    def reward_parts(self, state: State) -> dict[str, Tensor]:
        """The survey's components, (N,) each, in their own units."""
        plan, palm, height = self.plan, state.palm[:, :3], self._height(state)
        held = rewards.grasped(state.on_object, self.thumb)
        path = scripted(state.time, self.task.lifting, LIFT_SPEED, LIFT)[:, :3]
        near = torch.linalg.vector_norm(palm - plan.palm[:, :3], dim=-1) < NEAR
        shown = torch.where(near[:, None], plan.grasp, plan.pregrasp)
        copied = rewards.imitation(palm, plan.palm[:, :3], state.joint_position, shown)
        come = rewards.approach(palm, plan.palm[:, :3])
        none = torch.zeros_like(height)
        goal = self._begun_at[:, 2] - self.world.table_height + LIFT
        limits = self.fingers.lower, self.fingers.upper
        return {
            # What is held is carried away from where it was grasped.
            "approach": torch.where(held, none, come),
            "imitation": torch.where(held, none, copied),
            "trajectory": rewards.trajectory(state.center, self._begun_at + path, held),
            "contact": rewards.contact(state.on_object, self.thumb),
            "force": rewards.force(state.on_object, state.elsewhere),
            "lift": rewards.lift(height, goal),
            "regularisation": rewards.regularisation(state.joint_velocity, self._asked, *limits),
            "success": rewards.success(height, GOAL_HEIGHT, self.task.weights.bonus),
        }

    def _reset_idx(self, env_ids: Sequence[int] | Tensor) -> None:
        ids = torch.as_tensor(env_ids, device=self.device).long()
        played = ids[self.episode_length_buf[ids] > 0]
        if len(played):
            lifted = self.success[played].float().mean()
            self.extras.setdefault("log", {})["episodes/lifted"] = lifted
        self.level[played] = advanced(
            self.level[played], self.success[played], len(self.stages), self._rng
        )
        super()._reset_idx(ids)
        self.success[ids] = False
        self._choose(ids)
        objects = self._lay_out(ids)
        still = torch.zeros(len(ids), 6, device=self.device)
        joints, palm = self.plan.pregrasp[ids], self._start[ids]
        calm = torch.zeros_like(joints)
        self.plant.write(ids, palm, still, joints, calm, objects, still[:, None])
        self.plant.aim(ids, joints, palm)
        self._target[ids] = self._sent[ids] = self._asked[ids] = joints
        self.sim.forward()
        self._begun_at[ids] = self.state().center[ids]

    def _choose(self, ids: Tensor) -> None:
        """The object of each level, with its mass and friction."""
        self.object[ids] = self._stage_object[self.level[ids]]
        rows, levels = ids.cpu().numpy(), self.level[ids].cpu().numpy()
        self._figures[:, rows] = self._own[:, None]
        self._figures[:, rows, self.object[ids].cpu().numpy()] *= self._loads[:, levels]
        mass, friction = self._figures
        self.plant.vary(None, friction, mass, None, None)

    def _lay_out(self, ids: Tensor) -> Tensor:
        """(k, M, 7) poses of the objects; plan and palm's start of these episodes follow."""
        k, chosen = len(ids), self.object[ids]
        shift = torch.zeros(k, 3, device=self.device)
        shift[:, :2] = OFF_CENTER * self._uniform(k, 2)
        angle = np.pi * self._uniform(k, 1)[:, 0]

        def moved(poses: Tensor) -> Tensor:
            position = _about_z(angle, poses[:, :3]) + shift
            return torch.cat([position, turned(angle, poses[:, 3:])], dim=-1)

        plan = self._plans
        self.plan.palm[ids] = palm = moved(plan.palm[chosen])
        for name in ("pregrasp", "grasp", "squeeze", "surface"):
            getattr(self.plan, name)[ids] = getattr(plan, name)[chosen]
        start = palm.clone()
        start[:, :3] += MISPLACED * self._uniform(k, 3)
        if self.task.free:
            start[:, :3] += _about_z(angle, self._retreat[chosen])
        self._start[ids], self._offset[ids] = start, 0.0
        objects = self._parked.repeat(k, 1, 1)
        objects[torch.arange(k, device=self.device), chosen] = moved(self._rest[chosen])
        return objects

    def _uniform(self, k: int, size: int) -> Tensor:
        """(k, size) in [-1, 1]."""
        return 2.0 * torch.rand(k, size, generator=self._rng, device=self.device) - 1.0


def _settings(
    task: TaskConfig, recipe: Recipe, world: SimulationConfig, hand: HandModel, actions: int
) -> DirectRLEnvCfg:
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    return DirectRLEnvCfg(
        sim=SimulationCfg(
            device=device,
            dt=world.timestep,
            render_interval=DECIMATION,
            physics=physics(world, native=False),
        ),
        scene=scene(recipe, world, touch=True),
        decimation=DECIMATION,
        episode_length_s=EPISODE,
        observation_space=student_size(hand),
        action_space=actions + (len(PALM_SPEED) if task.free else 0),
        seed=task.seed,
        ui_window_class_type=None,
    )


def _stacked(objects: Sequence[PlannedObject], tensor) -> Plan:
    """The grasps of M objects at rest at the origin, one row each."""
    grasps = [p.grasp for p in objects]
    joints = {
        name: tensor(np.concatenate([getattr(g, name) for g in grasps]))
        for name in ("pregrasp", "grasp", "squeeze")
    }
    palms = pack_poses(np.concatenate([g.T_frame_palm for g in grasps]))
    surface = tensor(np.array([p.surface for p in objects]))
    return Plan(palm=tensor(palms), **joints, surface=surface)


def _parking(count: int, device: str) -> Tensor:
    """(M, 7) what puts M objects on a circle around the middle of the table."""
    angle = torch.arange(count, device=device) * (2.0 * np.pi / count)
    away = torch.zeros(count, 7, device=device)
    away[:, 0], away[:, 1] = PARKED * torch.cos(angle), PARKED * torch.sin(angle)
    return away


def _about_z(angle: Tensor, points: Tensor) -> Tensor:
    """(k, 3) points turned by `angle` (k,) [rad] about the world's z."""
    sine, cosine = torch.sin(angle), torch.cos(angle)
    x, y, z = points.unbind(-1)
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y, z], dim=-1)
