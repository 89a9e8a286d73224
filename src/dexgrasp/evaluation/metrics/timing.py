"""Inference time, stated with the batch and the machine that it was measured with."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dexgrasp.types import Array


def machine_name() -> str:
    """Processor and number of cores, in words."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores"


@dataclass(frozen=True)
class InferenceTime:
    """Wall clock of calls that each give `batch_size` grasps.

    median, p95: of one call [s].  per_grasp: the median shared out [s].  calls: how many.
    """

    median: float
    p95: float
    per_grasp: float
    batch_size: int
    calls: int
    machine: str = field(default_factory=machine_name)


def inference_time(seconds: Array, batch_size: int = 1) -> InferenceTime:
    """Summary of the wall clock (k,) [s] of k calls.

    Leave out the first call where it loads or compiles. Raises ValueError for no calls, times
    that are not positive and batches below 1.
    """
    seconds = np.asarray(seconds, dtype=float)
    if seconds.ndim != 1 or len(seconds) == 0 or not (seconds > 0.0).all():
        raise ValueError("inference times are missing or not positive; expected (k,) seconds")
    if batch_size < 1:
        raise ValueError(f"a batch of {batch_size} grasps has no time per grasp")
    median = float(np.median(seconds))
    return InferenceTime(
        median=median,
        p95=float(np.percentile(seconds, 95)),
        per_grasp=median / batch_size,
        batch_size=batch_size,
        calls=len(seconds),
    )
