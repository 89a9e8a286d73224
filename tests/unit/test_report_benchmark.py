"""What the benchmark runs and what it does when something breaks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dexgrasp.errors import ConfigError, UnknownNameError
from dexgrasp.evaluation import benchmark, pool
from dexgrasp.evaluation.benchmark import ObjectChoice, PickJob, make_jobs, mesh_choices


def test_jobs_cover_every_combination_seed_by_seed() -> None:
    jobs = make_jobs(["a", "b"], [ObjectChoice("mug"), ObjectChoice("bowl")], 3)
    assert len(set(jobs)) == 12
    assert [job.seed for job in jobs] == [0] * 4 + [1] * 4 + [2] * 4
    assert make_jobs(["a"], [ObjectChoice("mug")], 1, "isaaclab")[0].backend == "isaaclab"


def test_nothing_to_pick_is_an_error() -> None:
    with pytest.raises(ConfigError, match="nothing to pick"):
        make_jobs([], [ObjectChoice("mug")], 1)


def test_meshes_take_their_published_mass(tmp_path: Path) -> None:
    for name in ("b.stl", "a.OBJ", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "index.json").write_text(json.dumps({"a": {"published_mass_kg": 0.3}}))
    choices = mesh_choices(tmp_path)
    assert [(Path(c.name).name, c.mass) for c in choices] == [("a.OBJ", 0.3), ("b.stl", None)]


def test_a_folder_without_meshes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no"):
        mesh_choices(tmp_path)


@pytest.mark.parametrize(
    ("error", "code"), [(UnknownNameError("object", "mug", []), 10), (ZeroDivisionError("x"), 1)]
)
def test_a_fault_becomes_a_failed_trial(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def fail(_job: PickJob) -> None:
        raise error

    monkeypatch.setattr(benchmark, "_run", fail)
    result = benchmark.run_job(PickJob("leap_right", ObjectChoice("meshes/mug.obj"), 4))
    assert (result.object, result.seed, result.success) == ("mug", 4, False)
    assert result.error_code == code
    assert type(error).__name__ in result.error_msg


def test_workers_get_one_thread_and_the_parent_keeps_its_environment() -> None:
    before = dict(os.environ)
    with pool._one_thread_each():
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert dict(os.environ) == before


@pytest.mark.slow
def test_trials_in_processes_keep_the_order_of_their_jobs() -> None:
    jobs = [PickJob("no_such_hand", ObjectChoice("mug"), seed) for seed in range(3)]
    seen: list[int] = []
    results = benchmark.run_jobs(jobs, 2, lambda result: seen.append(result.seed))
    assert [result.seed for result in results] == [0, 1, 2]
    assert sorted(seen) == [0, 1, 2]
    assert all("no_such_hand" in result.error_msg for result in results)
