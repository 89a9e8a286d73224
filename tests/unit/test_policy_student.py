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

SEED = 1


@pytest.mark.slow
@pytest.mark.parametrize("hand", hand_names())
@pytest.mark.parametrize("name", policy_names())
def test_it_lifts_a_box(name: str, hand: str) -> None:
    backend = MujocoBackend(HandModel.load(hand), SimulationConfig.load(), seed=SEED)
    placement = random_placement(load_object("sugar_box"), 0.0, SEED)
    try:
        record = pick(
            backend, make_synthesizer("search"), ExecutionConfig.load(), placement, SEED,
            0.0, 3, controller=f"policy:{name}",
        )  # fmt: skip
    finally:
        backend.close()
    assert record.success, record.last
    assert record.last.fallback == ""
