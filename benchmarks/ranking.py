"""Fits the success probability of grasps, or reports on it: `python benchmarks/ranking.py --help`.

Every grasp is tried once: six directions, with its own friction, mass and error of the palm. One
for a completed shape must also fit the true object where it was planned.
Weights come from the even half of the objects; the figures are of the odd half.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from zlib import crc32

import numpy as np
import typer
import yaml
from ranking_report import Trials, by_kind, joined_trials, show
from scipy.spatial.transform import Rotation
from synthesis_judge import MAX_DEPTH

from dexgrasp.config import resource_path
from dexgrasp.errors import ConfigError, DexgraspError
from dexgrasp.evaluation import metrics
from dexgrasp.evaluation.batch.protocol import Protocol
from dexgrasp.evaluation.batch.trials import Conditions, run_trials
from dexgrasp.evaluation.plausibility import MIN_CONTACTS, plausibilities
from dexgrasp.evaluation.pool import in_processes
from dexgrasp.evaluation.report import machine_line, plain, write_json
from dexgrasp.geometry import inverse
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import ObjectModel, load_object
from dexgrasp.perception import perceive
from dexgrasp.perception.noise import DepthNoise
from dexgrasp.perception.synthetic import depth_frame
from dexgrasp.simulation import SimulationConfig
from dexgrasp.synthesis import Condition, GraspGeometry, SynthesisConfig
from dexgrasp.synthesis.candidates import Candidates, joined
from dexgrasp.synthesis.filters import grasp_set, prepare
from dexgrasp.synthesis.generators import GENERATORS
from dexgrasp.synthesis.quality import features
from dexgrasp.synthesis.ranking import FitRecord, RankingModel, fit_logistic
from dexgrasp.synthesis.refine import refine
from dexgrasp.synthesis.selection import diverse
from dexgrasp.synthesis.shake import shake
from dexgrasp.types import Array, DepthFrame, GraspSet

SHARED = Path(os.environ.get("DEXGRASP_SHARED", Path(__file__).parents[2] / "shared")) / "data"
KINDS = ("whole", "completed")
PROTOCOL = "six_directions"
FRICTION, MASS = (0.3, 0.8), (0.7, 1.3)  # of the object; factor of the protocol's mass
PALM_POSITION, PALM_ROTATION = 0.003, float(np.deg2rad(3.0))  # [m], [rad] about each axis
RIDGES = (3.0, 10.0, 30.0, 100.0)  # in trials
HEADER = """\
# Weights of the success probability (dexgrasp.synthesis.ranking), written by `make fit-ranking`.
# mean and scale: of the figure in the fit; weight: per scale, in logits.
"""


@dataclass(frozen=True)
class Cell:
    """Grasps of one hand on one object, whole or completed from one view."""

    kind: str
    name: str
    hand: str
    meshes: Path
    folder: Path
    method: str
    count: int
    seed: int

    @property
    def path(self) -> Path:
        """Where its trials are kept."""
        return self.folder / f"{self.kind}_{self.name}_{self.hand}.npz"

    def rng(self, purpose: str) -> np.random.Generator:
        """One of its own for each object and purpose."""
        return np.random.default_rng([self.seed, crc32(f"{self.name} {purpose}".encode())])

    def model(self) -> ObjectModel:
        """The true object, with its published mass."""
        mass = json.loads((self.meshes / "index.json").read_text())[self.name]["published_mass_kg"]
        return load_object(str(self.meshes / f"{self.name}.obj"), mass=mass)

    def scene(self) -> tuple[ObjectModel, Array, GraspGeometry]:
        """The true object, its true pose (4, 4), and what the synthesizer knows of both."""
        model = self.model()
        if self.kind == "whole":
            T = model.T_table_object
            return model, T, GraspGeometry(model, T, 0.0)
        rng = self.rng("view")
        place = np.r_[rng.uniform(-0.04, 0.04, 2), 0.0]
        T = model.rest_pose(place, rng.uniform(0.0, 2.0 * np.pi))
        mesh = model.mesh.copy().apply_transform(T)
        camera = SimulationConfig.load().camera
        frame = depth_frame([mesh], camera.intrinsics, camera.T_world_camera)
        depth = DepthNoise().apply(frame.depth, camera.intrinsics, rng)
        seen = perceive(DepthFrame(depth, camera.intrinsics, camera.T_world_camera)).objects[0]
        return model, T, GraspGeometry.from_detection(seen)


def run(
    hands: Annotated[str, typer.Option(help="names, with commas")] = ",".join(hand_names()),
    meshes: Annotated[Path, typer.Option(help="folder of meshes with index.json")] = SHARED
    / "ycb_meshes",
    count: Annotated[int, typer.Option(help="grasps of each object, hand and kind")] = 20,
    method: Annotated[str, typer.Option(help="generator")] = "search",
    seed: Annotated[int, typer.Option()] = 1,
    processes: Annotated[int, typer.Option(help="of one thread each")] = 1,
    output: Annotated[Path, typer.Option(help="folder of the trials; goes on there")] = Path(
        "results/ranking"
    ),
    write: Annotated[bool, typer.Option(help="fit, and replace the shipped weights")] = False,
) -> None:
    """Try grasps, fit the weights with --write, and report on objects that the fit never saw."""
    if not (meshes / "index.json").exists():
        raise ConfigError(f"no {meshes / 'index.json'}; give --meshes, or DEXGRASP_SHARED")
    names = sorted(json.loads((meshes / "index.json").read_text()))
    output.mkdir(parents=True, exist_ok=True)
    _same_settings(output, {"count": count, "method": method, "seed": seed})
    cells = [
        Cell(kind, name, hand, meshes, output, method, count, seed)
        for half in (names[::2], names[1::2])
        for kind in KINDS
        for name in half
        for hand in hands.split(",")
    ]
    for _, words in in_processes(collect, [c for c in cells if not c.path.exists()], processes):
        print(words, flush=True)
    develop, held_out = (
        [trials for cell in cells if cell.name in half for trials in read(cell)]
        for half in (names[::2], names[1::2])
    )
    if write:
        write_ranking(develop, seed, method)
    figures = show(RankingModel.load(), held_out, output)
    write_json(output / "report.json", {"machine": machine_line(), **figures})
    print(f"machine: {machine_line()}")


def _same_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Raise ConfigError where the folder holds trials of other settings."""
    path = folder / "settings.json"
    if path.exists() and json.loads(path.read_text()) != settings:
        raise ConfigError(
            f"{folder} holds trials of {path.read_text().strip()}, not of {settings}; "
            "give another --output"
        )
    write_json(path, settings)


def collect(cell: Cell) -> str:
    """Write the trials of one cell, or why there are none; returns a line about them."""
    start = time.process_time()
    try:
        trials = tried(cell)
    except DexgraspError as error:
        trials = {"words": np.array(str(error))}
    temporary = cell.path.with_suffix(".partial.npz")
    np.savez(temporary, allow_pickle=False, **trials)
    temporary.replace(cell.path)
    words = trials["words"] if "words" in trials else f"{trials['success'].mean():.0%} held"
    return f"{cell.path.stem}: {words}, {time.process_time() - start:.0f} CPU-s"


def tried(cell: Cell) -> dict[str, Array]:
    """Candidates as they are before the trial in physics, and what became of them."""
    hand, config = HandModel.load(cell.hand), SynthesisConfig.load()
    model, T_world_object, geometry = cell.scene()
    rng = cell.rng(f"{cell.kind} {cell.hand}")
    proposed = GENERATORS[cell.method](hand, geometry, config, Condition(), rng)
    candidates = joined([proposed, refine(hand, geometry, proposed, config)])
    limit = config.refinement.max_penetration
    prepared = prepare(hand, geometry, candidates, config, Condition(), limit)
    prepared = prepared.take(diverse(prepared, config.shake.batch))
    prepared = prepared.take(np.sort(rng.permutation(len(prepared))[: cell.count]))
    grasps = grasp_set(hand, geometry, prepared, cell.method)
    moved = shake(hand, geometry, grasps, config.shake)
    in_object = replace(
        grasps,
        frame=model.name,
        T_frame_palm=inverse(T_world_object) @ grasps.T_frame_palm,
        approach=grasps.approach @ T_world_object[:3, :3],
    )
    success = succeeded(hand, model, in_object, rng)
    if geometry.guessed:
        success &= fits(hand, model, in_object)
    return {
        **features(geometry, prepared, moved),
        "q1": q1s(prepared.candidates),
        "success": success,
    }


def fits(hand: HandModel, model: ObjectModel, grasps: GraspSet) -> Array:
    """(n,) bool: planned on a guess, three fingertips are on the true object, none deep in it."""
    judged = plausibilities(hand, grasps.grasp, grasps.T_frame_palm, model)
    return np.array(
        [p.contact_count >= MIN_CONTACTS and p.penetration_depth <= MAX_DEPTH for p in judged]
    )


def succeeded(
    hand: HandModel, model: ObjectModel, grasps: GraspSet, rng: np.random.Generator
) -> Array:
    """(n,) bool: which grasps in the object's frame pass, each under conditions of its own."""
    n, protocol = len(grasps), Protocol.load(PROTOCOL)
    error = np.tile(np.eye(4), (n, 1, 1))
    error[:, :3, :3] = Rotation.from_rotvec(rng.normal(0.0, PALM_ROTATION, (n, 3))).as_matrix()
    error[:, :3, 3] = rng.normal(0.0, PALM_POSITION, (n, 3))
    displaced = replace(grasps, T_frame_palm=grasps.T_frame_palm @ error)
    varied = Conditions.nominal(n, model, protocol, hand.joint_count)
    friction = rng.uniform(*FRICTION, n)
    varied = replace(varied, friction=friction, mass=varied.mass * rng.uniform(*MASS, n))
    outcomes = run_trials(hand, model, displaced, varied, protocol)
    return np.array([outcome.verdict.success for outcome in outcomes])


def read(cell: Cell) -> list[Trials]:
    """The trials of a cell, all and those that held when shaken; none where nothing was tried."""
    with np.load(cell.path) as stored:
        columns = dict(stored)
    if "words" in columns:
        return []
    held = columns["moved"] < 1.0
    trials = []
    for kind, rows in ((cell.kind, np.full(len(held), True)), (f"{cell.kind}_shaken", held)):
        figures = {name: column[rows] for name, column in columns.items()}
        success, q1 = figures.pop("success"), figures.pop("q1")
        if kind == cell.kind:
            del figures["moved"]
        if rows.any():
            trials.append(Trials(kind, cell.hand, cell.name, figures, success, q1))
    return trials


def q1s(candidates: Candidates) -> Array:
    """(n,) Q1 at the lowest friction, for comparison: it takes 6 ms a grasp, all else 0.2."""
    values = []
    for points, surfaces, used in zip(
        candidates.tips, candidates.surfaces, candidates.used, strict=True
    ):
        own = points[used]
        values.append(metrics.q1(own, -surfaces[used], own.mean(axis=0), FRICTION[0]))
    return np.array(values)


def write_ranking(trials: Sequence[Trials], seed: int, method: str) -> None:
    """Fit every kind of trials and replace the shipped weights."""
    models, counts = {}, {}
    for kind, own in by_kind(trials).items():
        ridge = max(RIDGES, key=lambda ridge: left_out_likelihood(own, ridge))
        models[kind] = fit_logistic(*joined_trials(own), ridge)
        counts[kind] = sum(len(t.success) for t in own)
        print(f"{kind}: fitted on {counts[kind]} grasps, ridge {ridge:g}")
    fit = FitRecord(
        date=date.today().isoformat(),
        seed=seed,
        method=method,
        protocol=PROTOCOL,
        hands=tuple(dict.fromkeys(t.hand for t in trials)),
        objects=tuple(dict.fromkeys(t.name for t in trials)),
        grasps=counts,
        friction=FRICTION,
        mass=MASS,
        palm_position=PALM_POSITION,
        palm_rotation=PALM_ROTATION,
    )
    text = yaml.safe_dump(rounded(plain(RankingModel(fit=fit, models=models))), sort_keys=False)
    resource_path("config", "synthesis").joinpath("ranking.yaml").write_text(HEADER + text)


def left_out_likelihood(trials: Sequence[Trials], ridge: float) -> float:
    """Mean log probability of the outcomes on each object by a fit on all others."""
    likelihoods = []
    for name in {t.name: None for t in trials}:
        model = fit_logistic(*joined_trials([t for t in trials if t.name != name]), ridge)
        figures, success = joined_trials([t for t in trials if t.name == name])
        probability = model.probability(figures)
        likelihoods.append(np.log(np.where(success, probability, 1.0 - probability)))
    return float(np.concatenate(likelihoods).mean())


def rounded(value: Any) -> Any:
    """Figures with four digits, which is more than the trials tell."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    typer.run(run)
