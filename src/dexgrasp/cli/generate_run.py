"""What `dexgrasp generate` does: one shard for each object and hand, finished ones kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dexgrasp.cli.benchmark_run import _chosen as chosen
from dexgrasp.errors import ConfigError
from dexgrasp.evaluation.batch.generation import (
    FRICTIONS,
    PROTOCOL,
    GenerationJob,
    ShardCounts,
    generate_shard,
)
from dexgrasp.evaluation.batch.protocol import Protocol
from dexgrasp.evaluation.batch.shards import ObjectSource
from dexgrasp.evaluation.benchmark import ObjectChoice, mesh_choices
from dexgrasp.evaluation.pool import in_processes
from dexgrasp.evaluation.report import machine_line, plain, write_json
from dexgrasp.hands import hand_names
from dexgrasp.objects import object_names
from dexgrasp.synthesis import SynthesisConfig, make_synthesizer

INDEX_FILE = "index.json"


class ShardIndex:
    """`index.json` of a folder: what was asked, and the counts of every finished shard."""

    def __init__(self, folder: Path, request: dict[str, Any]) -> None:
        """Raises ConfigError for a damaged file, or a folder that was filled otherwise."""
        self.folder, self.file = folder, folder / INDEX_FILE
        folder.mkdir(parents=True, exist_ok=True)
        self.content = {"request": plain(request), "machine": machine_line(), "shards": {}}
        if self.file.exists():
            self._read()
        write_json(self.file, self.content)

    def _read(self) -> None:
        try:
            before = json.loads(self.file.read_text())
            asked, _ = before["request"], before["shards"].items()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{self.file} is damaged ({error}); give another --out") from error
        wanted = self.content["request"]
        other = [key for key in {**asked, **wanted} if asked.get(key) != wanted.get(key)]
        if other:
            raise ConfigError(
                f"{self.folder} was filled with another {', '.join(sorted(other))}; give another "
                "--out, or repeat that run's options to continue it"
            )
        self.content["shards"] = before["shards"]

    def is_done(self, job: GenerationJob) -> bool:
        """Whether the shard is there whole, or its object is known to give no grasp."""
        entry = self.content["shards"].get(self._key(job))
        return entry is not None and (entry["grasps"] == 0 or job.out.is_file())

    def add(self, job: GenerationJob, counts: ShardCounts) -> None:
        """Keep the counts of a shard, on disk before anything else happens."""
        figures = {"object": job.object.name, "hand": job.hand, **counts.as_dict()}
        self.content["shards"][self._key(job)] = figures
        write_json(self.file, self.content)

    def _key(self, job: GenerationJob) -> str:
        return str(job.out.relative_to(self.folder))


def run_generation(
    hands: str,
    objects: str,
    meshes: Path | None,
    count: int,
    seed: int,
    method: str,
    processes: int,
    out: Path,
) -> None:
    """See the options. Raises ConfigError, UnknownNameError."""
    if count < 1:
        raise ConfigError(f"--count is {count}; at least one grasp must be asked for")
    make_synthesizer(method)
    known = mesh_choices(meshes) if meshes else [ObjectChoice(name) for name in object_names()]
    by_name = {Path(choice.name).stem: choice for choice in known}
    sources = [
        ObjectSource(name, by_name[name].name, mass=by_name[name].mass)
        for name in chosen("object", objects, list(by_name))
    ]
    jobs = [
        GenerationJob(hand, source, count, seed, method, out / hand / f"{source.name}.parquet")
        for hand in chosen("hand", hands, hand_names())
        for source in sources
    ]
    request = {
        "count": count,
        "seed": seed,
        "method": method,
        "meshes": None if meshes is None else meshes.resolve(),
        "synthesis": SynthesisConfig.load(),
        "protocol": Protocol.load(PROTOCOL),
        "frictions": FRICTIONS,
    }
    index = ShardIndex(out, request)
    run_jobs(jobs, index, processes)
    tell(index, jobs)


def run_jobs(jobs: Sequence[GenerationJob], index: ShardIndex, processes: int) -> None:
    """Run what is not done, under a bar with the time left; a line per shard without a terminal."""
    waiting = [job for job in jobs if not index.is_done(job)]
    for job in waiting:
        job.out.parent.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    done = len(jobs) - len(waiting)
    if done:
        typer.echo(f"{done} of {len(jobs)} shards are done already", err=True)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("generating", total=len(jobs), completed=done)
        workers = max(1, min(processes, len(waiting)))
        for number, counts in in_processes(generate_shard, waiting, workers):
            job = waiting[number]
            index.add(job, counts)
            progress.update(task, advance=1, description=job.object.name)
            if not console.is_terminal:
                words = counts.words or f"{counts.valid} of {counts.grasps} grasps valid"
                typer.echo(f"{job.hand} {job.object.name}: {words}", err=True)


def tell(index: ShardIndex, jobs: Sequence[GenerationJob]) -> None:
    """Print the totals of the asked shards, and why some hold nothing."""
    shards = index.content["shards"]
    asked = [shards[str(job.out.relative_to(index.folder))] for job in jobs]
    total = {name: sum(entry[name] for entry in asked) for name in ("grasps", "valid", *FRICTIONS)}
    typer.echo(
        f"{total['grasps']} grasps in {sum(entry['grasps'] > 0 for entry in asked)} shards: "
        f"{total['valid_06']} hold at friction 0.6, {total['valid_03']} at 0.3, "
        f"{total['valid']} valid"
    )
    for entry in asked:
        if entry["words"]:
            typer.echo(f"none: {entry['hand']} {entry['object']}: {entry['words']}")
    typer.echo(f"machine: {machine_line()}")
    typer.echo(f"index: {index.file}")
