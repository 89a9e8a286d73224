"""A set of grasps through the three modalities, in shards, into a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dexgrasp.datasets import GraspTable, find_mesh
from dexgrasp.errors import ConfigError, DexgraspError
from dexgrasp.evaluation.batch.run_folder import RunFolder
from dexgrasp.evaluation.batch.shards import (
    EvaluationSettings,
    ObjectSource,
    Shard,
    ShardResult,
    evaluate_shard,
)
from dexgrasp.evaluation.pool import in_processes
from dexgrasp.evaluation.ray_pool import in_ray
from dexgrasp.objects import object_names

SHARD_SIZE = 24  # trials tried at once: enough to share the overhead, few enough to balance
GPU_SHARD_SIZE = 4096  # a GPU is one worker, and the faster the more worlds it has
INDEX_FILE = "index.json"

Runner = Callable[[Sequence[Shard], EvaluationSettings], Iterator[tuple[int, ShardResult]]]
"""Gives (index of the shard, result) as the shards end."""


@dataclass(frozen=True)
class Plan:
    """What is to be evaluated: shards, and rows that cannot be, with the reason in words."""

    shards: tuple[Shard, ...]
    rejected: tuple[tuple[int, str], ...]


def plan_evaluation(
    table: GraspTable, meshes: Sequence[Path], settings: EvaluationSettings
) -> Plan:
    """One shard or more for each object and scale; objects without a mesh reject their rows.

    meshes: folders of mesh files, with `published_mass_kg` by name in their index.json where
    there is one; without a file the catalogue is asked.
    """
    rejected = [(item.row, item.words) for item in table.rejected]
    groups: dict[tuple[str, float], list[int]] = {}
    for i in range(len(table)):
        groups.setdefault((table.objects[i], float(table.scale[i])), []).append(i)
    shards: list[Shard] = []
    for (name, scale), members in groups.items():
        try:
            source = object_source(name, scale, meshes, settings.density)
        except DexgraspError as error:
            rejected += [(int(table.row[i]), f"{table.source}: {error}") for i in members]
            continue
        shards += _shards(table, np.array(members), source, settings)
    return Plan(tuple(shards), tuple(rejected))


def _shards(
    table: GraspTable, members: np.ndarray, source: ObjectSource, settings: EvaluationSettings
) -> Iterator[Shard]:
    size = GPU_SHARD_SIZE if settings.backend == "mujoco_warp" else SHARD_SIZE
    trials = np.repeat(members, settings.randomised + 1)
    replicates = np.tile(np.arange(settings.randomised + 1), len(members))
    for start in range(0, len(trials), size):
        rows = trials[start : start + size]
        yield Shard(
            hand=table.hand,
            object=source,
            rows=np.asarray(table.row)[rows],
            replicates=replicates[start : start + size],
            T_object_palm=table.T_object_palm[rows],
            pregrasp=table.pregrasp[rows],
            grasp=table.grasp[rows],
            squeeze=table.squeeze[rows],
        )


def object_source(
    name: str, scale: float, meshes: Sequence[Path], density: float | None = None
) -> ObjectSource:
    """The mesh file of an object, else its entry in the catalogue. Raises MeshError."""
    if not meshes and name in object_names():
        return ObjectSource(name, name, scale, density=density)
    path = find_mesh(name, meshes)
    mass = _index(path.parent).get(path.stem, {}).get("published_mass_kg")
    return ObjectSource(path.stem, str(path), scale, mass if density is None else None, density)


def _index(folder: Path) -> dict[str, Any]:
    file = folder / INDEX_FILE
    try:
        return json.loads(file.read_text()) if file.is_file() else {}
    except ValueError as error:
        raise ConfigError(f"{file} is not JSON: {error}") from error


def run_request(
    grasps: Path, table: GraspTable, meshes: Iterable[Path], settings: EvaluationSettings
) -> dict[str, Any]:
    """What a run folder is told, so that only the same request continues it."""
    return {
        "grasps": str(grasps.resolve()),
        "content": content_hash(grasps),
        "hand": table.hand,
        "rows": len(table),
        "meshes": [str(folder.resolve()) for folder in meshes],
        **settings.as_dict(),
    }


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder with their names."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def local_runner(processes: int) -> Runner:
    """Shards in processes of one thread each; in this process when there is one."""

    def run(
        shards: Sequence[Shard], settings: EvaluationSettings
    ) -> Iterator[tuple[int, ShardResult]]:
        work = partial(evaluate_shard, settings=settings)
        if processes == 1:
            return ((index, work(shard)) for index, shard in enumerate(shards))
        return in_processes(work, shards, processes)

    return run


def ray_runner(address: str, processes: int) -> Runner:
    """Shards over a Ray cluster: `in_ray`."""

    def run(
        shards: Sequence[Shard], settings: EvaluationSettings
    ) -> Iterator[tuple[int, ShardResult]]:
        return in_ray(partial(evaluate_shard, settings=settings), shards, address, processes)

    return run


def evaluate(
    plan: Plan,
    settings: EvaluationSettings,
    folder: RunFolder,
    runner: Runner,
    on_result: Callable[[ShardResult], None],
) -> None:
    """Run what the folder does not hold yet; results are on disk before `on_result` hears."""
    known = [item for item in plan.rejected if item[0] not in folder.rejected]
    folder.add(ShardResult((), tuple(known)))
    missing = [_missing(shard, folder) for shard in plan.shards]
    remaining = [shard for shard in missing if len(shard)]
    for _, result in runner(remaining, settings):
        folder.add(result)
        on_result(result)


def _missing(shard: Shard, folder: RunFolder) -> Shard:
    """The trials of a shard that the folder does not hold."""
    keys = zip(shard.rows.tolist(), shard.replicates.tolist(), strict=True)
    return shard[np.array([not folder.is_done(*key) for key in keys], dtype=bool)]
