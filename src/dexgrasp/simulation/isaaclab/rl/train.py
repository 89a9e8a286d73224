"""Trains grasp and lift by PPO: `python -m dexgrasp.simulation.isaaclab.rl.train --help`.

Runs in IsaacLab's environment, which holds rsl-rl as well.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from dexgrasp.errors import BackendError, DexgraspError
from dexgrasp.simulation.isaaclab.rl.task import OBJECTS, TaskConfig
from dexgrasp.simulation.isaaclab.worker import check_environment

STEPS = 64  # of each environment between two updates: a second
HIDDEN = [512, 256, 128]
GROUPS = {"student": ["policy"], "teacher": ["policy", "privileged"]}


def check_rsl_rl() -> None:
    """Raises BackendError where PPO is missing, with the remedy."""
    check_environment()
    if importlib.util.find_spec("rsl_rl") is None:
        raise BackendError(
            "rsl-rl is missing: run `make isaaclab`, whose IsaacLab 3.0.0 brings rsl-rl-lib 5.5.1"
        )


def agent(task: TaskConfig) -> dict[str, Any]:
    """The configuration of rsl-rl 5: an actor, and a critic that sees everything."""
    network = {
        "class_name": "MLPModel",
        "hidden_dims": HIDDEN,
        "activation": "elu",
        "obs_normalization": True,
    }
    noise = {"class_name": "GaussianDistribution", "init_std": 0.2, "std_type": "scalar"}
    return {
        "num_steps_per_env": STEPS,
        "save_interval": 50,
        "obs_groups": {"actor": GROUPS[task.actor], "critic": GROUPS["teacher"]},
        "actor": {**network, "distribution_cfg": noise},
        "critic": dict(network),
        # Of these the figures that differ from rsl-rl's own.
        "algorithm": {"class_name": "PPO", "learning_rate": 3e-4, "entropy_coef": 1e-3},
    }


def learn(task: TaskConfig, iterations: int, folder: Path) -> Any:
    """Train; the runner. Checkpoints and the resolved task go to `folder`."""
    from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper
    from rsl_rl.runners import OnPolicyRunner

    from dexgrasp.simulation.isaaclab.rl.env import GraspLiftEnv

    folder.mkdir(parents=True, exist_ok=True)
    resolved = {"task": task.model_dump(mode="json"), "agent": agent(task)}
    (folder / "training.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False))
    env = RslRlVecEnvWrapper(GraspLiftEnv(task), clip_actions=1.0)
    runner = OnPolicyRunner(env, agent(task), log_dir=str(folder), device=env.device)
    runner.learn(iterations)
    return runner


def run(
    hand: str = "allegro_right",
    objects: Annotated[str, typer.Option(help="of the catalogue, with commas")] = ",".join(OBJECTS),
    envs: Annotated[int, typer.Option(min=1)] = 512,
    iterations: Annotated[int, typer.Option(min=1)] = 1000,
    actions: Literal["joints", "eigengrasps"] = "joints",
    palm: Annotated[Literal["scripted", "free"], typer.Option(help="who moves it")] = "scripted",
    actor: Annotated[Literal["student", "teacher"], typer.Option(help="what it sees")] = "student",
    seed: int = 0,
    output: Annotated[Path, typer.Option(help="a folder for each hand")] = Path("results/rl"),
) -> None:
    """Train, and export what a robot can run as a policy of the executor."""
    try:
        check_rsl_rl()
        from dexgrasp.simulation.isaaclab.rl.export import write_policy

        given = {"hand": hand, "objects": objects.split(","), "envs": envs, "seed": seed}
        choices = {"actions": actions, "palm": palm, "actor": actor}
        task = TaskConfig.model_validate({**given, **choices})
        runner = learn(task, iterations, output / hand)
        if task.exportable:
            network = runner.alg.get_policy().as_onnx(verbose=False)
            path = write_policy(task, network, runner.env.cfg.sim.dt, output / hand)
            print(f"policy:{path}")
        else:
            print("no policy is exported: the executor runs a student under a scripted palm")
        runner.env.close()
    except (DexgraspError, ValueError) as error:
        print(f"train: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(run)
