"""What `dexgrasp evaluate` does: read, plan, run with progress, report."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from dexgrasp.datasets import GraspTable, read_grasps, stated_hand
from dexgrasp.errors import ConfigError, GraspError, UnknownNameError
from dexgrasp.evaluation.batch.evaluate import (
    Plan,
    Runner,
    evaluate,
    local_runner,
    plan_evaluation,
    ray_runner,
    run_request,
)
from dexgrasp.evaluation.batch.pictures import picture_rows, save_pictures
from dexgrasp.evaluation.batch.protocol import Protocol
from dexgrasp.evaluation.batch.run_folder import RunFolder
from dexgrasp.evaluation.batch.set_metrics import set_metrics
from dexgrasp.evaluation.batch.shards import MODALITIES, EvaluationSettings, ShardResult
from dexgrasp.evaluation.batch_report import (
    RunInfo,
    print_batch_tables,
    summarise_records,
    write_batch_report,
)
from dexgrasp.evaluation.report import machine_line
from dexgrasp.hands import HandModel, hand_names

WORDS_SHOWN = 5  # rejected rows that the terminal lists; the report lists more


@dataclass(frozen=True)
class Request:
    """The options of `dexgrasp evaluate`."""

    grasps: Path
    out: Path
    meshes: tuple[Path, ...]
    hand: str
    grasp_format: str | None
    mapping: Path | None
    protocol: str
    backend: str
    wrist: str
    mass: float
    density: float
    friction: float
    modalities: str
    judge: str
    instruction: str
    randomised: int
    seed: int
    limit: int
    pictures: int
    processes: int
    ray: str


def run_evaluation(request: Request) -> None:
    """Evaluate and report. Raises GraspError, MeshError, ConfigError, UnknownNameError."""
    os.environ.setdefault("MUJOCO_GL", "egl")
    settings = settings_of(request)
    table = table_of(request)
    folder = RunFolder(request.out, run_request(request.grasps, table, request.meshes, settings))
    plan = plan_evaluation(table, request.meshes, settings)
    start = time.perf_counter()
    run_with_progress(plan, settings, folder, runner_of(request))
    wall = time.perf_counter() - start
    records = folder.sorted_records()
    if not records:
        row, words = sorted(folder.rejected.items())[0]
        raise GraspError(f"none of the {len(table)} grasps could be evaluated; row {row}: {words}")
    pictures = save_pictures(plan, picture_rows(records, request.pictures), request.out, table.hand)
    info = RunInfo(
        title=f"Evaluation of {request.grasps.name}",
        source=table.source,
        protocol=settings.protocol.name,
        configuration=settings.as_dict(),
        hand=table.hand,
        rerun=shlex.join(["dexgrasp", *sys.argv[1:]]),
        wall_seconds=wall,
        rejected=tuple(sorted(folder.rejected.items())),
        metrics=set_metrics(table, records),
        pictures=pictures,
        criteria=settings.protocol.criteria,
    )
    page = write_batch_report(request.out, records, info)
    console = Console()
    print_batch_tables(console, summarise_records(records, len(info.rejected)), info)
    for row, words in info.rejected[:WORDS_SHOWN]:
        console.print(f"rejected: row {row}: {words}", highlight=False, markup=False)
    if len(info.rejected) > WORDS_SHOWN:
        console.print(f"rejected: {len(info.rejected)} rows in all; see the report")
    typer.echo(f"machine: {machine_line()}")
    typer.echo(f"report: {page}")


def settings_of(request: Request) -> EvaluationSettings:
    """The settings that the options ask for. Raises UnknownNameError, ConfigError."""
    protocol = Protocol.load(request.protocol)
    changes = {
        "mass": request.mass or protocol.mass,
        "friction": request.friction or protocol.friction,
        "wrist": request.wrist or protocol.wrist,
    }
    asked = [name.strip() for name in request.modalities.split(",") if name.strip()]
    for name in asked:
        if name not in MODALITIES:
            raise UnknownNameError("modality", name, MODALITIES)
    return EvaluationSettings(
        protocol=protocol.changed(changes),
        backend=request.backend,
        modalities=tuple(m for m in MODALITIES if m in asked),
        judge=request.judge,
        instruction=request.instruction,
        survivors_only=request.judge == "vlm",  # it costs seconds and money a grasp
        density=request.density or None,
        randomised=request.randomised,
        seed=request.seed,
    )


def table_of(request: Request) -> GraspTable:
    """The grasps that the options name. Raises GraspError, UnknownNameError."""
    name = request.hand or stated_hand(request.grasps)
    if name is None:
        known = ", ".join(hand_names())
        raise GraspError(f"{request.grasps} does not say of which hand; give --hand: {known}")
    hand = HandModel.load(name)
    table = read_grasps(request.grasps, hand, request.grasp_format, request.mapping)
    return table[: request.limit] if request.limit else table


def runner_of(request: Request) -> Runner:
    """Ray when asked for, else processes of this machine. Raises ConfigError."""
    if request.judge == "vlm":  # its limits of cost and requests are those of one process
        if request.ray:
            raise ConfigError("--judge vlm keeps its cost limit in one process; leave out --ray")
        return local_runner(1)
    if request.ray:
        return ray_runner(request.ray, request.processes)
    return local_runner(request.processes)


class RateColumn(ProgressColumn):
    """Trials per second since the start."""

    def render(self, task) -> str:
        """The rate in words."""
        speed = task.finished_speed or task.speed
        return f"{speed:.1f}/s" if speed else "-/s"


def run_with_progress(
    plan: Plan, settings: EvaluationSettings, folder: RunFolder, runner: Runner
) -> None:
    """Run the plan under a bar with rate and time left; a line per shard without a terminal."""
    total = sum(len(shard) for shard in plan.shards)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        done = sum(
            folder.is_done(int(row), int(replicate))
            for shard in plan.shards
            for row, replicate in zip(shard.rows, shard.replicates, strict=True)
        )
        task = progress.add_task("evaluating", total=total, completed=done)
        if done:
            typer.echo(f"{done} of {total} trials are done already", err=True)

        def count(result: ShardResult) -> None:
            words = tally(tuple(folder.records.values()))
            progress.update(
                task, advance=len(result.records) + len(result.rejected), description=words
            )
            if not console.is_terminal:
                typer.echo(f"{len(folder.records)}/{total}  {words}", err=True)

        evaluate(plan, settings, folder, runner, count)


def tally(records: Sequence) -> str:
    """How many have passed the simulation so far, or were judged without it."""
    tried = [record for record in records if record.success is not None]
    if not tried:
        return f"{len(records)} judged"
    return f"{sum(bool(r.success) for r in tried)} of {len(tried)} passed"
