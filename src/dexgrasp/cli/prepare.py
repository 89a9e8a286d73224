"""`dexgrasp prepare`: fill the caches, so that the first pick does not wait for a compiler."""

from __future__ import annotations

import time


def prepare() -> None:
    """Compile the numerical kernels and decompose the demo's objects; once per installation."""
    # Imported here: the other commands must not wait for the simulator.
    from dexgrasp.evaluation.pick import pick, random_placement
    from dexgrasp.execution import ExecutionConfig
    from dexgrasp.hands import HandModel, hand_names
    from dexgrasp.objects import load_object
    from dexgrasp.simulation import SimulationConfig, make_backend
    from dexgrasp.synthesis import SynthesisConfig, make_synthesizer

    start = time.monotonic()
    shipped = SynthesisConfig.load()
    check = shipped.check.model_copy(update={"candidates": 2, "rounds": 1})
    small = shipped.model_copy(update={"check": check})
    for name in hand_names():
        backend = make_backend("mujoco", HandModel.load(name), SimulationConfig.load())
        placement = random_placement(load_object("mug"), 0.0, seed=0)
        pick(backend, make_synthesizer("search", small), ExecutionConfig.load(), placement, 0, 0.0)
        backend.close()
    print(f"kernels are compiled ({time.monotonic() - start:.0f} s)")
