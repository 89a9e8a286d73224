"""What `dexgrasp benchmark` does: runs, tables and the report."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dexgrasp.errors import UnknownNameError
from dexgrasp.evaluation.benchmark import (
    ObjectChoice,
    PickJob,
    make_jobs,
    mesh_choices,
    run_jobs,
)
from dexgrasp.evaluation.benchmark_ros import require_ros, run_through_ros
from dexgrasp.evaluation.configuration import resolved_configuration
from dexgrasp.evaluation.report import Report, machine_line, new_results_folder, write_report
from dexgrasp.evaluation.report_table import (
    failure_table,
    latency_table,
    success_table,
    summary_lines,
)
from dexgrasp.evaluation.results import TrialResult, summarise
from dexgrasp.hands import hand_names
from dexgrasp.objects import object_names

ALL = "all"


def run_benchmark(
    hands: str, objects: str, seeds: int, meshes: Path | None, processes: int, ros: str, out: Path
) -> None:
    """See the options of `dexgrasp benchmark`. Raises UnknownNameError, ConfigError."""
    known = mesh_choices(meshes) if meshes else [ObjectChoice(name) for name in object_names()]
    by_name = {Path(choice.name).stem: choice for choice in known}
    choices = [by_name[name] for name in _chosen("object", objects, list(by_name))]
    names = _chosen("hand", hands, hand_names())
    through_ros = _chosen("object", ros, object_names())
    if through_ros:
        require_ros()
    os.environ.setdefault("MUJOCO_GL", "egl")
    trials = run_with_progress(make_jobs(names, choices, seeds), processes)
    folder = new_results_folder(out)
    configuration = resolved_configuration(names, [c.name for c in choices], range(seeds))
    rerun = _rerun(hands, objects, seeds, meshes, ros)
    page = write_report(folder, Report("Pick benchmark", tuple(trials), configuration, rerun))
    print_tables(Console(), "Through the library", trials)
    if through_ros:
        runs = [run_through_ros(hand, through_ros, 0, folder / "ros" / hand) for hand in names]
        print_tables(Console(), "Through ROS", [trial for run in runs for trial in run])
    typer.echo(f"machine: {machine_line()}")
    typer.echo(f"report: {page}")


def _rerun(hands: str, objects: str, seeds: int, meshes: Path | None, ros: str) -> str:
    folder = ["--meshes", str(meshes)] if meshes else []
    options = ["--hands", hands, "--objects", objects, *folder, "--seeds", str(seeds)]
    return shlex.join(["dexgrasp", "benchmark", *options, "--ros", ros])


def run_with_progress(jobs: Sequence[PickJob], processes: int) -> list[TrialResult]:
    """Run the jobs under a progress bar on stderr that counts the successes."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    finished: list[TrialResult] = []
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("picking", total=len(jobs))

        def count(result: TrialResult) -> None:
            finished.append(result)
            picked = sum(trial.success for trial in finished)
            progress.update(task, advance=1, description=f"{picked} picked")

        return run_jobs(jobs, processes, count)


def print_tables(console: Console, title: str, trials: Sequence[TrialResult]) -> None:
    """Success per object and hand, latency per stage, failures and totals."""
    console.rule(title)
    console.print(success_table(trials))
    console.print(latency_table(trials))
    if not all(trial.success for trial in trials):
        console.print(failure_table(trials))
    for line in summary_lines(summarise(trials)):
        console.print(line, highlight=False, soft_wrap=True)


def _chosen(kind: str, given: str, known: Sequence[str]) -> list[str]:
    """The names in a comma-separated list. Raises UnknownNameError."""
    if given == ALL:
        return list(known)
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, known)
    return names
