"""What `dexgrasp benchmark` does: runs, tables and the report."""

from __future__ import annotations

import json
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
from dexgrasp.evaluation.report import (
    Report,
    machine_line,
    new_results_folder,
    plain,
    write_report,
)
from dexgrasp.evaluation.report_table import (
    failure_table,
    latency_table,
    stack_lines,
    success_table,
    summary_lines,
)
from dexgrasp.evaluation.results import TrialResult, summarise
from dexgrasp.hands import hand_names
from dexgrasp.objects import object_names
from dexgrasp.simulation import BACKENDS

ALL = "all"
TRIALS_FILE = "trials.jsonl"  # grows while the benchmark runs: an interrupted one loses nothing


def run_benchmark(
    hands: str,
    objects: str,
    seeds: int,
    meshes: Path | None,
    processes: int,
    ros: str,
    out: Path,
    backend: str,
) -> None:
    """See the options of `dexgrasp benchmark`. Raises UnknownNameError, ConfigError."""
    known = mesh_choices(meshes) if meshes else [ObjectChoice(name) for name in object_names()]
    by_name = {Path(choice.name).stem: choice for choice in known}
    choices = [by_name[name] for name in _chosen("object", objects, list(by_name))]
    names = _chosen("hand", hands, hand_names())
    _chosen("backend", backend, list(BACKENDS))
    through_ros = _chosen("object", ros, object_names())
    if through_ros:
        require_ros()
    os.environ.setdefault("MUJOCO_GL", "egl")
    folder = new_results_folder(out)
    jobs = make_jobs(names, choices, seeds, backend)
    trials = run_with_progress(jobs, processes, folder / TRIALS_FILE)
    configuration = resolved_configuration(names, [c.name for c in choices], range(seeds))
    rerun = _rerun(hands, objects, seeds, meshes, ros, backend)
    page = write_report(folder, Report("Pick benchmark", tuple(trials), configuration, rerun))
    print_tables(Console(), "Through the library", trials)
    if through_ros:
        runs = {h: run_through_ros(h, through_ros, 0, folder / "ros" / h) for h in names}
        print_tables(Console(), "Through ROS", [trial for run, _ in runs.values() for trial in run])
        for hand, (_, stack) in runs.items():
            for line in stack_lines(stack):
                typer.echo(f"{hand}: {line}")
    typer.echo(f"machine: {machine_line()}")
    typer.echo(f"report: {page}")


def _rerun(
    hands: str, objects: str, seeds: int, meshes: Path | None, ros: str, backend: str
) -> str:
    folder = ["--meshes", str(meshes)] if meshes else []
    options = ["--hands", hands, "--objects", objects, *folder, "--seeds", str(seeds)]
    return shlex.join(["dexgrasp", "benchmark", *options, "--ros", ros, "--backend", backend])


def run_with_progress(jobs: Sequence[PickJob], processes: int, file: Path) -> list[TrialResult]:
    """Run the jobs; a bar on stderr counts the successes and `file` takes every result at once.

    Where stderr is no terminal, a line tells of each trial instead.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    finished: list[TrialResult] = []
    with Progress(*columns, console=console) as progress, file.open("a") as stream:
        task = progress.add_task("picking", total=len(jobs))

        def count(result: TrialResult) -> None:
            finished.append(result)
            stream.write(json.dumps(plain(result.as_dict())) + "\n")
            stream.flush()
            picked = sum(trial.success for trial in finished)
            progress.update(task, advance=1, description=f"{picked} picked")
            if not console.is_terminal:
                words = f"{result.hand} {result.object} seed {result.seed}: {result.verdict}"
                typer.echo(f"{picked}/{len(finished)} of {len(jobs)}  {words}", err=True)

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
