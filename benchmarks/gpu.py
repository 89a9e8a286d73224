"""The batch evaluator on a GPU, by any backend that has one: `python benchmarks/gpu.py --help`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from evaluation import GRASPS, SHARED, SIMULATION, Bench, Result
from rich.console import Console
from rich.table import Table

from dexgrasp.datasets import read_grasps
from dexgrasp.errors import BackendError, ConfigError
from dexgrasp.evaluation.pick import random_placement
from dexgrasp.evaluation.records import GraspRecord
from dexgrasp.evaluation.report import machine_line, write_json
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.simulation import SimulationConfig, check_backend, make_backend

WORLDS = "1024,2048,4096"
OBJECTS = "005_tomato_soup_can,006_mustard_bottle,011_banana,017_orange"
TARGET = 20.0  # [ms] a grasp at 1024 worlds or more, issue 7
SURVEY = 86.0  # [ms] a grasp, the survey's GPU (facts/evaluation.md)


def run(
    backend: Annotated[str, typer.Option(help="mujoco_warp or isaaclab")] = "mujoco_warp",
    grasps: Annotated[Path, typer.Option(help="grasps in FRoGGeR's layout")] = GRASPS,
    meshes: Annotated[Path, typer.Option(help="folder of the objects' meshes")] = SHARED
    / "ycb_meshes",
    objects: Annotated[str, typer.Option(help="tried on both backends; the first also scales")] = (
        OBJECTS
    ),
    worlds: Annotated[str, typer.Option(help="numbers of worlds at once")] = WORLDS,
    hands: Annotated[str, typer.Option(help="whose promises are checked")] = ",".join(hand_names()),
    processes: Annotated[int, typer.Option(help="of the comparison on the processor")] = len(
        os.sched_getaffinity(0)
    ),
    output: Annotated[Path, typer.Option(help="file for the figures")] = Path("results/gpu.json"),
) -> None:
    """Milliseconds per grasp of the survey's protocol, and its verdicts beside MuJoCo's."""
    output.parent.mkdir(parents=True, exist_ok=True)
    sizes = [int(text) for text in worlds.split(",")]
    report: dict[str, Any] = {"machine": machine_line(), "device": device_name()}
    report["backend"] = backend
    report["promises"] = {name: promises(name, backend) for name in hands.split(",") if name}
    names = objects.split(",")
    report["first_seconds"] = tried(grasps, meshes, names[0], sizes[0], backend, 1).wall
    report["scaling"] = [
        scaling(tried(grasps, meshes, names[0], size, backend, 1)) for size in sizes
    ]
    report["agreement"] = {}
    for name in names:
        device = tried(grasps, meshes, name, sizes[0], backend, 1)
        host = tried(grasps, meshes, name, sizes[0], "mujoco", processes)
        report["agreement"][name] = agreement(host, device)
        write_json(output, report)
    show(report, processes)


def device_name() -> str:
    """The GPU that warp computes on. Raises ConfigError without one."""
    import warp

    device = warp.get_device()
    if not device.is_cuda:
        raise ConfigError(
            "no GPU is here: `make benchmark-evaluation` measures the processor; "
            "`nvidia-smi` tells whether the driver sees a card"
        )
    return device.name


def promises(name: str, backend: str) -> str:
    """Whether the promises of `SimBackend` hold for a hand, and else the first that does not."""
    hand, config = HandModel.load(name), SimulationConfig.load()
    placement = random_placement(load_object("tomato_soup_can"), 0.0, seed=1)
    try:
        checked = check_backend(lambda n: make_backend(backend, hand, config, n), placement)
    except BackendError as error:
        return str(error)
    return f"{len(checked)} promises of the backend hold"


def tried(
    grasps: Path, meshes: Path, name: str, worlds: int, backend: str, processes: int
) -> Result:
    """At least `worlds` trials of one object: its grasps, and again with other conditions."""
    table = read_grasps(grasps, HandModel.load("allegro_right"))
    table = table[np.flatnonzero(np.array(table.objects) == name)]
    if not len(table):
        raise ConfigError(f"{grasps} holds no grasp of {name!r}; give --objects")
    again = -(-worlds // len(table)) - 1
    return Bench(table, meshes, backend).run("survey", SIMULATION, processes, randomised=again)


def scaling(result: Result) -> dict[str, float]:
    """Wall clock of a run, start-up of the worlds included."""
    count = len(result.records)
    return {"worlds": count, "seconds": result.wall, "milliseconds": 1e3 * result.wall / count}


def agreement(host: Result, device: Result) -> dict[str, float]:
    """Two backends on the same trials: rates in [0, 1], heights [m]."""
    a, b = (np.array([bool(r.success) for r in result.records]) for result in (host, device))
    heights = [np.array([height(r) for r in result.records]) for result in (host, device)]
    nominal = np.array([r.replicate == 0 for r in host.records])
    return {
        "trials": len(a),
        "mujoco": float(a.mean()),
        "device": float(b.mean()),
        "only_mujoco": int((a & ~b).sum()),
        "only_device": int((b & ~a).sum()),
        "agree": float((a == b).mean()),
        "agree_nominal": float((a == b)[nominal].mean()),
        "height_difference": float(np.median(np.abs(heights[0] - heights[1]))),
        "mujoco_milliseconds": 1e3 * host.wall / len(a),
        "device_milliseconds": 1e3 * device.wall / len(a),
    }


def height(record: GraspRecord) -> float:
    """Largest height of the object [m]; NaN where it was not tried."""
    return float("nan") if record.max_height is None else record.max_height


def show(report: dict[str, Any], processes: int) -> None:
    """Print the figures beside what was asked for."""
    console = Console(width=None if Console().is_terminal else 120)
    table = Table(
        "worlds", "seconds", "ms per grasp", "must reach", "survey's GPU",
        title="Survey's protocol, wall clock", title_justify="left",
    )  # fmt: skip
    for row in report["scaling"]:
        table.add_row(
            f"{row['worlds']}", f"{row['seconds']:.1f}", f"{row['milliseconds']:.2f}",
            f"{TARGET:.0f}", f"{SURVEY:.0f}",
        )  # fmt: skip
    console.print(table)
    table = Table(
        "object", "trials", "mujoco", report["backend"], "only mujoco", "only GPU", "agree",
        "nominal", "height mm", f"ms, {processes} cores", "ms, GPU",
        title="The same trials on both", title_justify="left",
    )  # fmt: skip
    for name, row in report["agreement"].items():
        table.add_row(
            name, f"{row['trials']}", f"{100 * row['mujoco']:.1f} %",
            f"{100 * row['device']:.1f} %", f"{row['only_mujoco']}",
            f"{row['only_device']}", f"{100 * row['agree']:.1f} %",
            f"{100 * row['agree_nominal']:.0f} %", f"{1e3 * row['height_difference']:.1f}",
            f"{row['mujoco_milliseconds']:.1f}", f"{row['device_milliseconds']:.1f}",
        )  # fmt: skip
    console.print(table)
    for name, words in report["promises"].items():
        console.print(f"{name}: {words}", highlight=False)
    console.print(f"first run, kernels compiled or read: {report['first_seconds']:.1f} s")
    console.print(f"{report['device']}; {report['machine']}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(run)
