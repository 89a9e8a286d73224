"""How long a policy takes for one hand: `python benchmarks/policy.py --help`."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from dexgrasp.evaluation.report import machine_line
from dexgrasp.execution import Phase
from dexgrasp.execution.policy import PolicyController
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.types import Array, Command, GraspSet, Observation

CLOUD = 1500  # points of an object, as perception has them


def run(
    name: Annotated[
        str, typer.Option(help="a shipped policy, or the path of a manifest")
    ] = "student",
    hands: Annotated[str, typer.Option(help="names, with commas")] = ",".join(hand_names()),
    count: Annotated[int, typer.Option(help="inferences", min=100)] = 5000,
) -> None:
    """Median and 99 % of inputs, network and command together, at N = 1."""
    table = Table("hand", "policy", "p50", "p99", "longest", title="one inference, N = 1")
    for hand in hands.split(","):
        took = 1e3 * seconds(name, HandModel.load(hand.strip()), count)
        figures = (np.median(took), np.quantile(took, 0.99), took.max())
        table.add_row(hand, name, *(f"{value:.3f} ms" for value in figures))
    console = Console()
    console.print(table)
    console.print(f"machine: {machine_line()}", highlight=False, soft_wrap=True)


def seconds(name: str, hand: HandModel, count: int) -> Array:
    """(count,) of inferences on the wall's clock, at random joint positions."""
    rng = np.random.default_rng(0)
    controller = PolicyController.load(name, hand, 1)
    now = 0.0
    controller.clock = lambda: now
    took = []
    for k in range(count):
        now = 0.1 * k  # longer than a period: every call is an inference
        controller.start(np.array([0]), held(hand))
        controller.see(np.array([0]), [0.05 * rng.normal(size=(CLOUD, 3))])
        q = rng.uniform(hand.joint_lower, hand.joint_upper)[None]
        command = Command(q, np.eye(4)[None])
        controller.command(np.array([Phase.LIFT]), command, observed(hand, q, now))
        took.append(controller.seconds)
    return np.array(took)


def held(hand: HandModel) -> GraspSet:
    """Any grasp."""
    q = hand.postures["open"][None]
    points = np.zeros((1, len(hand.finger_names), 3))
    down = np.array([[0.0, 0.0, -1.0]])
    return GraspSet(hand.name, "world", np.eye(4)[None], down, q, q, q, points, points, np.ones(1),
                    ("power",), "benchmark")  # fmt: skip


def observed(hand: HandModel, q: Array, now: float) -> Observation:
    """A hand at rest at q (1, J)."""
    force = np.full((1, len(hand.finger_names)), np.nan)
    return Observation(np.array([now]), q, 0.0 * q, 0.0 * q, np.eye(4)[None], force)


if __name__ == "__main__":
    typer.run(run)
