"""What the GPU benchmark computes itself, and what it says where there is no GPU."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from dexgrasp.errors import ConfigError
from dexgrasp.evaluation.records import GraspRecord

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("gpu")


def result(gpu, successes: list[bool], heights: list[float], wall: float):
    records = [
        GraspRecord(
            row=i // 2, replicate=i % 2, hand="leap_right", object="mug", mass=0.1, friction=0.6,
            success=success, max_height=height,
        )
        for i, (success, height) in enumerate(zip(successes, heights, strict=True))
    ]  # fmt: skip
    return gpu.Result(records, wall)


def test_agreement_counts_each_way_of_differing(gpu) -> None:
    host = result(gpu, [True, True, False, False], [0.3, 0.3, 0.1, 0.1], 2.0)
    device = result(gpu, [True, False, True, True], [0.31, 0.1, 0.3, 0.3], 0.4)
    row = gpu.agreement(host, device)
    assert (row["only_mujoco"], row["only_device"], row["agree"]) == (1, 2, 0.25)
    assert row["agree_nominal"] == 0.5
    assert row["height_difference"] == pytest.approx(0.2)
    assert row["device_milliseconds"] == pytest.approx(100.0)


def test_without_a_gpu_the_error_names_the_other_benchmark(gpu, monkeypatch) -> None:
    warp = pytest.importorskip("warp", reason="the extra 'gpu' is not installed")
    monkeypatch.setattr(warp, "get_device", lambda: type("Cpu", (), {"is_cuda": False}))
    with pytest.raises(ConfigError, match="benchmark-evaluation"):
        gpu.device_name()
