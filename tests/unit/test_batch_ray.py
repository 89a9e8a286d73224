"""Shards over a real Ray cluster on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dexgrasp.errors import BackendError
from dexgrasp.evaluation.ray_pool import in_ray

pytestmark = pytest.mark.slow


def test_jobs_of_a_killed_worker_are_run_again(tmp_path: Path) -> None:
    mark = tmp_path / "died"

    def die_once(job: int) -> int:  # inside the test, so that Ray sends it by value
        import os

        if job == 1 and not mark.exists():
            mark.touch()
            os._exit(9)
        return job * job

    assert dict(in_ray(die_once, range(4), "local", 2)) == {0: 0, 1: 1, 2: 4, 3: 9}
    assert mark.exists()


def test_a_worker_that_keeps_dying_is_an_error() -> None:
    def die(job: int) -> int:
        import os

        os._exit(9)

    with pytest.raises(BackendError, match="died 3 times"):
        list(in_ray(die, range(1), "local", 1))


def test_a_cluster_that_is_not_there_is_an_error() -> None:
    with pytest.raises(BackendError, match="does not answer"):
        list(in_ray(abs, range(1), "127.0.0.1:1", 1))


def test_without_ray_the_error_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BackendError, match=r"dexgrasp\[scale\]"):
        list(in_ray(abs, range(1), "local", 1))
