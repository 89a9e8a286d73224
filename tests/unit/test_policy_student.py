"""Every shipped policy lifts an easy object, in three attempts, that it sees through a camera."""

from __future__ import annotations

import pytest

from dexgrasp.evaluation.pick import pick, random_placement
from dexgrasp.execution import ExecutionConfig
from dexgrasp.execution.policy import policy_names
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.simulation import MujocoBackend, SimulationConfig
from dexgrasp.synthesis import make_synthesizer

SEEDS = (1, 2, 3)


@pytest.mark.slow
@pytest.mark.parametrize("hand", hand_names())
@pytest.mark.parametrize("name", policy_names())
def test_it_lifts_a_box(name: str, hand: str) -> None:
    """Every time with what it gives way to, and one time in three at least by itself."""
    for seed in SEEDS:
        backend = MujocoBackend(HandModel.load(hand), SimulationConfig.load(), seed=seed)
        placement = random_placement(load_object("sugar_box"), 0.0, seed)
        try:
            record = pick(
                backend, make_synthesizer("search"), ExecutionConfig.load(), placement, seed,
                0.0, 3, controller=f"policy:{name}",
            )  # fmt: skip
        finally:
            backend.close()
        assert record.success, record.last
        if not record.last.fallback:
            return
    pytest.fail(f"it gave way each time: {record.last.fallback}")
