"""Perceived against true shape over the catalogue: `python benchmarks/perception.py --help`."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import open3d as o3d
import trimesh
import typer
from rich.console import Console
from rich.table import Table

from dexgrasp.errors import SceneError
from dexgrasp.objects import load_object, object_names
from dexgrasp.perception import complete, perceive
from dexgrasp.perception.box import upright_box
from dexgrasp.perception.noise import DepthNoise
from dexgrasp.perception.synthetic import depth_frame, placed, tensor
from dexgrasp.simulation.config import SimulationConfig
from dexgrasp.types import CameraIntrinsics, DepthFrame

SAMPLES = 3000
VOXEL = 0.003  # [m]
COLUMNS = (
    "centre_mm", "extents_percent", "height_percent", "chamfer_mm", "iou",
    "perceive_ms", "perceive_cpu_ms", "complete_ms", "complete_cpu_ms",
)  # fmt: skip


def run(
    objects: Annotated[
        str, typer.Option(help="names or mesh files, with commas; all if empty")
    ] = "",
    seeds: Annotated[int, typer.Option(help="frames of each object")] = 3,
    output: Annotated[Path, typer.Option(help="file for the figures")] = Path(
        "results/perception.json"
    ),
) -> None:
    """Single views of objects at random yaw with the camera's noise, on one core."""
    names = objects.split(",") if objects else list(object_names())
    warm_up()
    rows = []
    for name in names:
        mesh = resting(name)
        rows += [trial(name, mesh, seed) for seed in range(seeds)]
        print(f"\r{name:30s}", end="", flush=True)
    report = {"machine": machine(), "summary": summary(rows), "trials": rows}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=1))
    show(names, rows, report)


def resting(name: str) -> trimesh.Trimesh:
    """The object's mesh as it lies on the table."""
    model = load_object(name)
    mesh = model.mesh.copy()
    mesh.apply_transform(model.T_table_object)
    return mesh


def trial(name: str, mesh: trimesh.Trimesh, seed: int) -> dict[str, Any]:
    """Figures of one frame; `error` instead when nothing was perceived."""
    rng = np.random.default_rng(seed)
    truth = placed(mesh, rng.uniform(0.0, 2.0 * np.pi), rng.uniform(-0.04, 0.04, 2))
    frame = noisy_frame(truth, rng)
    try:
        start = clocks()
        scene = perceive(frame)
        perceived = clocks()
        whole = complete(scene.objects[0])
        completed = clocks()
    except SceneError as error:
        return {"object": name, "seed": seed, "error": str(error)}
    seen = scene.objects[0]
    T, extents = upright_box(np.asarray(truth.vertices), 0.0, beyond=0.0)
    share = np.abs(seen.extents / extents - 1.0)
    shape = whole.mesh.copy()
    shape.apply_transform(seen.T_world_object)
    return {
        "object": name,
        "seed": seed,
        "symmetry": whole.symmetry,
        "objects": len(scene.objects),
        "centre_mm": 1e3 * float(np.linalg.norm(seen.T_world_object[:3, 3] - T[:3, 3])),
        "extents_percent": 100.0 * float(share.mean()),
        "height_percent": 100.0 * float(share[2]),
        "chamfer_mm": 1e3 * chamfer(truth, shape),
        "iou": overlap(truth, shape),
        "perceive_ms": perceived[0] - start[0],
        "perceive_cpu_ms": perceived[1] - start[1],
        "complete_ms": completed[0] - perceived[0],
        "complete_cpu_ms": completed[1] - perceived[1],
    }


def clocks() -> tuple[float, float]:
    """Wall clock and this process's time on the processor [ms]; apart when the machine is busy."""
    return 1e3 * time.perf_counter(), 1e3 * time.process_time()


def noisy_frame(mesh: trimesh.Trimesh, rng: np.random.Generator) -> DepthFrame:
    """What the simulated camera would see."""
    camera = SimulationConfig.load().camera
    intrinsics: CameraIntrinsics = camera.intrinsics
    frame = depth_frame([mesh], intrinsics, camera.T_world_camera)
    return DepthFrame(
        DepthNoise().apply(frame.depth, intrinsics, rng), intrinsics, frame.T_world_camera
    )


def warm_up() -> None:
    """Compile and load what is needed, so that the first trial's times are like the others'."""
    trial("warm-up", trimesh.creation.box((0.05, 0.06, 0.07)), 0)


def chamfer(first: trimesh.Trimesh, second: trimesh.Trimesh) -> float:
    """Mean distance of surface points of each mesh to the other [m]."""
    sides = []
    for here, there in ((first, second), (second, first)):
        points = trimesh.sample.sample_surface(here, SAMPLES, seed=0)[0]
        query = tensor(np.asarray(points), np.float32)
        sides.append(float(ray_scene(there).compute_distance(query, nthreads=1).numpy().mean()))
    return float(np.mean(sides))


def overlap(first: trimesh.Trimesh, second: trimesh.Trimesh) -> float:
    """Volume of the intersection over that of the union."""
    low = np.minimum(first.bounds[0], second.bounds[0])
    high = np.maximum(first.bounds[1], second.bounds[1])
    axes = [np.arange(low[k] + 0.37 * VOXEL, high[k], VOXEL) for k in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.float32)
    query = tensor(grid, np.float32)
    inside = [
        ray_scene(mesh).compute_occupancy(query, nthreads=1, nsamples=3).numpy() > 0.5
        for mesh in (first, second)
    ]
    return float((inside[0] & inside[1]).sum() / max((inside[0] | inside[1]).sum(), 1))


def ray_scene(mesh: trimesh.Trimesh) -> o3d.t.geometry.RaycastingScene:
    """Open3D's scene of one mesh."""
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(tensor(mesh.vertices, np.float32), tensor(mesh.faces, np.uint32))
    return scene


def machine() -> dict[str, Any]:
    """What the times depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if platform.system() == "Linux" else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load_average": list(os.getloadavg()),
        "python": platform.python_version(),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Median and 95th percentile of every figure, and how many frames gave no object."""
    good = [row for row in rows if "error" not in row]
    figures = {key: np.array([row[key] for row in good]) for key in COLUMNS}
    return {
        "frames": len(rows),
        "failed": len(rows) - len(good),
        "median": {key: float(np.median(value)) for key, value in figures.items() if len(value)},
        "p95": {
            key: float(np.quantile(value, 0.95)) for key, value in figures.items() if len(value)
        },
    }


def show(names: list[str], rows: list[dict[str, Any]], report: dict[str, Any]) -> None:
    """Print medians per object, then over all frames."""
    table = Table("object", "symmetry", *COLUMNS)
    for name in names:
        good = [row for row in rows if row["object"] == name and "error" not in row]
        kinds = "/".join(sorted({row["symmetry"] for row in good})) or "failed"
        table.add_row(
            name,
            kinds,
            *(f"{np.median([r[key] for r in good]):.2f}" if good else "" for key in COLUMNS),
        )
    for label in ("median", "p95"):
        values = report["summary"][label]
        table.add_row(label, "", *(f"{values[key]:.2f}" for key in COLUMNS if key in values))
    console = Console(width=140)
    console.print(table)
    console.print(
        f"{report['summary']['failed']} of {len(rows)} frames failed; {report['machine']}"
    )


if __name__ == "__main__":
    typer.run(run)
