"""Shards, the run folder and the pool: nothing finished is lost, nothing is run twice."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dexgrasp.datasets import GraspTable
from dexgrasp.datasets.table import RejectedRow
from dexgrasp.errors import BackendError, ConfigError
from dexgrasp.evaluation.batch.evaluate import (
    GPU_SHARD_SIZE,
    SHARD_SIZE,
    content_hash,
    evaluate,
    local_runner,
    object_source,
    plan_evaluation,
)
from dexgrasp.evaluation.batch.protocol import Protocol
from dexgrasp.evaluation.batch.run_folder import TRIALS_FILE, RunFolder
from dexgrasp.evaluation.batch.shards import EvaluationSettings, ShardResult, evaluate_shard
from dexgrasp.evaluation.pool import in_processes
from dexgrasp.evaluation.records import GraspRecord
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.synthesis import GraspGeometry, make_synthesizer


@pytest.fixture(scope="module")
def settings() -> EvaluationSettings:
    return EvaluationSettings(Protocol.load("robot"), modalities=("simulation", "plausibility"))


@pytest.fixture(scope="module")
def table() -> GraspTable:
    """Four grasps of a can that hold, and two of an object that does not exist."""
    can = load_object("tomato_soup_can")
    hand = HandModel.load("allegro_right")
    found = make_synthesizer().synthesize(hand, GraspGeometry(can, np.eye(4), 0.0), 4, seed=3)
    rows = np.array([0, 1, 2, 3, 0, 1])
    return GraspTable(
        hand=hand.name,
        objects=("tomato_soup_can",) * 4 + ("flying_teapot",) * 2,
        scale=np.ones(6),
        T_object_palm=found.T_frame_palm[rows],
        pregrasp=found.pregrasp[rows],
        grasp=found.grasp[rows],
        squeeze=found.squeeze[rows],
        score=found.score[rows],
        row=np.array([0, 1, 2, 4, 5, 6]),
        source="six.npz",
        rejected=(RejectedRow(3, "six.npz row 3: the palm's pose is not finite"),),
        clipped=np.zeros(6, dtype=bool),
    )


def test_bad_rows_are_counted_and_the_others_evaluated(table, settings, tmp_path) -> None:
    plan = plan_evaluation(table, (), settings)
    folder = RunFolder(tmp_path, {"a": 1})
    evaluate(plan, settings, folder, local_runner(1), lambda result: None)
    records = folder.sorted_records()
    assert [record.row for record in records] == [0, 1, 2, 4]
    assert sum(bool(record.success) for record in records) >= 3
    assert all(record.plausible is not None for record in records)
    assert all(record.intended is None for record in records)
    assert sorted(folder.rejected) == [3, 5, 6]
    assert "flying_teapot" in folder.rejected[5]
    assert "six.npz" in folder.rejected[5]


def test_a_run_continues_where_it_stopped(table, settings, tmp_path) -> None:
    plan = plan_evaluation(table[:4], (), settings)
    whole = RunFolder(tmp_path / "whole", {"a": 1})
    evaluate(plan, settings, whole, local_runner(1), lambda result: None)

    cut = tmp_path / "cut"
    RunFolder(cut, {"a": 1})
    lines = (tmp_path / "whole" / TRIALS_FILE).read_bytes().splitlines(keepends=True)
    lines = [line for line in lines if b'"row"' in line]
    (cut / TRIALS_FILE).write_bytes(lines[0] + lines[2] + lines[1][:40])  # killed while writing
    again = RunFolder(cut, {"a": 1})
    assert sorted(again.records) == sorted(
        (json.loads(line)["row"], 0) for line in (lines[0], lines[2])
    )
    seen: list[ShardResult] = []
    evaluate(plan, settings, again, local_runner(1), seen.append)
    assert sum(len(result.records) for result in seen) == 2
    assert [without_times(r) for r in again.sorted_records()] == [
        without_times(r) for r in whole.sorted_records()
    ]
    evaluate(plan, settings, again, local_runner(1), seen.append)
    assert len(seen) == 1, "a finished run has nothing left to do"


def without_times(record: GraspRecord) -> str:
    """What must not depend on the run; text, because NaN is not equal to itself."""
    return str(replace(record, simulation_seconds=0.0, plausibility_seconds=0.0))


def test_one_process_and_two_agree(table, settings, tmp_path) -> None:
    several = replace(settings, randomised=6)  # 28 trials: two shards
    plan = plan_evaluation(table[:4], (), several)
    assert len(plan.shards) == 2
    runs = []
    for processes in (1, 2):
        folder = RunFolder(tmp_path / str(processes), {"a": 1})
        evaluate(plan, several, folder, local_runner(processes), lambda result: None)
        runs.append([without_times(record) for record in folder.sorted_records()])
    assert len(runs[0]) == 28
    assert runs[0] == runs[1]


def test_randomised_trials_differ_and_depend_on_the_seed(table, settings) -> None:
    one = table[:1]
    records = []
    for seed in (0, 0, 1):
        varied = replace(settings, randomised=2, seed=seed, modalities=("simulation",))
        shard = plan_evaluation(one, (), varied).shards[0]
        records.append(evaluate_shard(shard, varied).records)
    masses = [[record.mass for record in run] for run in records]
    assert masses[0] == masses[1]
    assert masses[0][0] == masses[2][0] == load_object("tomato_soup_can").mass
    assert masses[0][1:] != masses[2][1:]
    assert len(set(masses[0])) == 3


def test_another_request_is_not_mixed_in(tmp_path) -> None:
    RunFolder(tmp_path, {"seed": 0, "hand": "leap_right"})
    with pytest.raises(ConfigError, match="differs in seed"):
        RunFolder(tmp_path, {"seed": 1, "hand": "leap_right"})


def test_a_damaged_line_is_named(tmp_path) -> None:
    RunFolder(tmp_path, {})
    (tmp_path / TRIALS_FILE).write_text('{"row": 1}\n')
    with pytest.raises(ConfigError, match="line 1 is damaged"):
        RunFolder(tmp_path, {})
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ConfigError, match=r"run\.json is damaged"):
        RunFolder(tmp_path, {})


def test_large_sets_are_cut_into_shards(table, settings) -> None:
    many = table[np.zeros(2 * SHARD_SIZE + 1, dtype=int)]
    sizes = [len(shard) for shard in plan_evaluation(many, (), settings).shards]
    assert sizes == [SHARD_SIZE, SHARD_SIZE, 1]


def test_a_gpu_gets_larger_shards(table, settings) -> None:
    many = table[np.zeros(GPU_SHARD_SIZE + 1, dtype=int)]
    on_gpu = replace(settings, backend="mujoco_warp")
    sizes = [len(shard) for shard in plan_evaluation(many, (), on_gpu).shards]
    assert sizes == [GPU_SHARD_SIZE, 1]


def test_a_mesh_in_millimetres_rejects_its_rows_with_words(table, settings, tmp_path) -> None:
    (tmp_path / "meshes").mkdir()
    mesh = load_object("tomato_soup_can").mesh.copy()
    mesh.apply_scale(1000.0)
    mesh.export(tmp_path / "meshes" / "tomato_soup_can.obj")
    plan = plan_evaluation(table[:2], [tmp_path / "meshes"], settings)
    folder = RunFolder(tmp_path / "out", {})
    evaluate(plan, settings, folder, local_runner(1), lambda result: None)
    assert sorted(folder.rejected) == [0, 1, 3]
    assert "millimetres" in folder.rejected[0]


def test_masses_come_from_the_index_or_the_density(tmp_path) -> None:
    load_object("baseball").mesh.export(tmp_path / "ball.obj")
    (tmp_path / "index.json").write_text('{"ball": {"published_mass_kg": 0.15}}')
    assert object_source("ball", 1.0, [tmp_path]).mass == 0.15
    assert object_source("ball", 1.0, [tmp_path], density=150.0).mass is None
    (tmp_path / "index.json").write_text("[")
    with pytest.raises(ConfigError, match=r"index\.json is not JSON"):
        object_source("ball", 1.0, [tmp_path])


def test_the_content_hash_sees_every_file(tmp_path) -> None:
    (tmp_path / "a.npy").write_bytes(b"1")
    first = content_hash(tmp_path)
    (tmp_path / "b.npy").write_bytes(b"2")
    assert content_hash(tmp_path) != first
    assert content_hash(tmp_path / "a.npy") != content_hash(tmp_path / "b.npy")


def die_once(job: int, folder: str) -> int:
    """A worker that is killed by the second job, the first time that it is tried."""
    mark = Path(folder) / "died"
    if job == 1 and not mark.exists():
        mark.touch()
        os._exit(9)
    return job * job


def always_die(job: int) -> int:
    os._exit(9)


def test_jobs_of_a_killed_process_are_run_again(tmp_path) -> None:
    results = dict(in_processes(partial(die_once, folder=str(tmp_path)), range(4), 2))
    assert results == {0: 0, 1: 1, 2: 4, 3: 9}
    assert (tmp_path / "died").exists()


def test_processes_that_keep_dying_are_an_error() -> None:
    with pytest.raises(BackendError, match="died 3 times; 2 of 2 jobs"):
        list(in_processes(always_die, range(2), 2))


def test_a_dead_judge_is_given_up_and_asked_again_next_time(
    table, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at the address of the vision model."""
    monkeypatch.setenv("DEXGRASP_VLM_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("DEXGRASP_CACHE", str(tmp_path / "cache"))
    protocol = Protocol.load("robot")
    asking = EvaluationSettings(protocol, modalities=("plausibility", "intention"), judge="vlm")
    plan = plan_evaluation(table[:4], (), asking)
    folder = RunFolder(tmp_path / "out", {})
    evaluate(plan, asking, folder, local_runner(1), lambda result: None)
    records = folder.sorted_records()
    assert [record.intended for record in records] == [None] * 4
    assert all(record.plausible is not None for record in records)
    assert "127.0.0.1:9" in records[0].reasons
    assert "not asked again after 3 times" in records[3].reasons
    assert not RunFolder(tmp_path / "out", {}).is_done(0, 0)
