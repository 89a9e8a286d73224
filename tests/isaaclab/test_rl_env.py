"""Grasp and lift in IsaacLab 3 on the processor: two environments, a few steps.

Run as test_rewards.py. A first start compiles kernels for minutes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from dexgrasp.execution.phases import Phase
from dexgrasp.execution.policy import PolicyInputs
from dexgrasp.simulation.isaaclab.rl.env import GraspLiftEnv
from dexgrasp.simulation.isaaclab.rl.export import manifest
from dexgrasp.simulation.isaaclab.rl.observations import world_points
from dexgrasp.simulation.isaaclab.rl.task import TaskConfig
from dexgrasp.simulation.isaaclab.wire import unpack_poses
from dexgrasp.types import GraspSet, Observation

OBJECTS = ("tomato_soup_can", "rubiks_cube")
TASKS = (
    {"hand": "allegro_right"},
    {"hand": "leap_right", "palm": "free", "actions": "eigengrasps"},
)


@pytest.fixture(scope="module", params=TASKS, ids=lambda task: task["hand"])
def env(request: pytest.FixtureRequest) -> Iterator[GraspLiftEnv]:
    torch.set_num_threads(1)
    task = TaskConfig.model_validate({"objects": OBJECTS, "envs": 2, **request.param})
    made = GraspLiftEnv(task)
    yield made
    made.close()


def rest(env: GraspLiftEnv) -> torch.Tensor:
    """Actions that do nothing."""
    return torch.zeros(2, env.single_action_space.shape[0])


def test_random_actions_give_finite_rewards_and_observations(env: GraspLiftEnv) -> None:
    env.reset()
    rng = torch.Generator().manual_seed(0)
    for _ in range(5):
        action = 2.0 * torch.rand(rest(env).shape, generator=rng) - 1.0
        seen, reward, _, _, extras = env.step(action)
        assert seen["policy"].shape == (2, 125)
        assert seen["privileged"].shape == (2, 24)
        assert all(group.isfinite().all() for group in seen.values())
        assert reward.shape == (2,)
        assert reward.isfinite().all()
    assert len([name for name in extras["log"] if name.startswith("reward/")]) == 8


def test_two_runs_with_one_seed_begin_equal(env: GraspLiftEnv) -> None:
    env.reset()  # episodes that were played draw levels
    starts = []
    for _ in range(2):
        env._rng.manual_seed(5)
        starts.append(env.reset()[0]["policy"].clone())
    torch.testing.assert_close(*starts)
    assert not torch.equal(starts[0][0], starts[0][1])


def test_the_student_sees_what_the_executor_would_show_it(env: GraspLiftEnv) -> None:
    """The terms of a manifest, computed by the executor's own code from the same state."""
    env.reset()
    inputs = PolicyInputs(manifest(env.task, env.hand, env.step_dt, "0" * 64), env.hand, 2)
    plan = env.plan
    fingers = (2, len(env.hand.finger_names), 3)
    inputs.start(
        np.arange(2),
        GraspSet(
            env.hand.name, "world", unpack_poses(plan.palm.double().numpy()), np.zeros((2, 3)),
            *(part.double().numpy() for part in (plan.pregrasp, plan.grasp, plan.squeeze)),
            np.full(fingers, np.nan), np.full(fingers, np.nan), np.ones(2), ("",) * 2, "test",
        ),
    )  # fmt: skip
    inputs.see(np.arange(2), list(world_points(plan.palm, plan.surface).double().numpy()))

    def observation() -> Observation:
        state = env.state()
        forces = (state.on_object + state.elsewhere).numpy()
        joints = state.joint_position.numpy(), state.joint_velocity.numpy()
        palms = unpack_poses(state.palm.double().numpy())
        return Observation(state.time.double().numpy(), *joints, joints[0], palms, forces)

    phase = np.full(2, Phase.FULL_GRASP)
    inputs.begin(phase, plan.pregrasp.numpy(), observation())
    np.testing.assert_allclose(
        env._get_observations()["policy"], inputs.assemble(np.arange(2), observation()), atol=1e-4
    )
    for _ in range(3):
        env.step(rest(env) + 0.3)
        inputs.commanded(env._target.double().numpy())
    ours, theirs = env._get_observations()["policy"], inputs.assemble(np.arange(2), observation())
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.abs(ours[:, :16] - plan.pregrasp).max() > 1e-3


def test_an_object_above_a_quarter_of_a_metre_is_a_success(env: GraspLiftEnv) -> None:
    env.reset()
    pose = env.state().object.clone()
    pose[0, 2] += 0.32
    for i, one in enumerate(env.plant.objects):
        rows = (env.object == i).nonzero()[:, 0]
        one.write_root_link_pose_to_sim_index(root_pose=pose[rows], env_ids=rows.int())
    _, reward, *_ = env.step(rest(env))
    assert env.success.tolist() == [True, False]
    parts = env.reward_parts(env._now)
    assert parts["success"].tolist() == [5.0, 0.0]
    assert reward[0] > reward[1] + 4.0


def test_success_brings_a_harder_object_and_failure_the_easiest(env: GraspLiftEnv) -> None:
    env.reset()
    env.level[:] = torch.tensor([3, 1])
    env.success[:] = torch.tensor([True, False])
    env.episode_length_buf[:] = 10
    env.reset()
    assert env.level.tolist() == [4, 0]
    chosen = [env.stages[4], env.stages[0]]
    assert env.object.tolist() == [stage.index for stage in chosen]
    masses = [env.plant.objects[s.index].data.body_mass.torch[i, 0] for i, s in enumerate(chosen)]
    own = [env.planned[s.index].model.mass for s in chosen]
    factors = [float(m) / o for m, o in zip(masses, own, strict=True)]
    assert factors == pytest.approx([s.mass for s in chosen], rel=1e-4)
    sliding = env.plant.model.shape_material_mu.numpy()[env.plant._shapes]
    for i, stage in enumerate(chosen):
        surfaces = env.plant._shape_objects == i * len(OBJECTS) + stage.index
        own_friction = env.planned[stage.index].model.friction
        assert surfaces.any()
        assert sliding[surfaces] == pytest.approx(stage.friction * own_friction, rel=1e-4)
    env.level[:] = 0


def test_an_environment_ends_alone(env: GraspLiftEnv) -> None:
    env.reset()
    env.step(rest(env))
    env.episode_length_buf[0] = env.max_episode_length - 1
    before = env.state().object[1].clone()
    _, _, terminated, over, _ = env.step(rest(env))
    assert over.tolist() == [True, False]
    assert not terminated.any()
    assert env.episode_length_buf.tolist() == [0, 2]
    state = env.state()
    torch.testing.assert_close(state.joint_position[0], env.plan.pregrasp[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(state.object[1], before, atol=2e-3, rtol=0)


def test_the_palm_goes_where_it_is_sent(env: GraspLiftEnv) -> None:
    """Lifted by the clock, or by the policy."""
    env.reset()
    start = env.state().palm.clone()
    action = rest(env)
    if env.task.free:
        action[:, -2] = 1.0
    else:
        env.episode_length_buf[:] = int(env.task.lifting / env.step_dt) + 1
    for _ in range(12):
        env.step(action)
    rise = env.state().palm[:, 2] - start[:, 2]
    assert (rise > 0.02).all()
    assert (rise < 0.06).all()
