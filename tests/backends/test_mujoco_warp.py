"""mujoco_warp on the processor: the same model, the same promises, about the same motion."""

from __future__ import annotations

import sys

import mujoco
import numpy as np
import pytest

from dexgrasp.errors import BackendError
from dexgrasp.evaluation.pick import random_placement
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.simulation import SimulationConfig, check_backend, make_backend
from dexgrasp.simulation.scene import build_model, object_body
from dexgrasp.simulation.warp_batch import DERIVED, WarpBatch
from dexgrasp.types import Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # its kernels compile for minutes


@pytest.fixture(scope="module")
def placement():
    return random_placement(load_object("tomato_soup_can"), 0.0, seed=1)


def test_every_promise_holds(placement) -> None:
    hand, config = HandModel.load("allegro_right"), SimulationConfig.load()
    checked = check_backend(
        lambda worlds: make_backend("mujoco_warp", hand, config, worlds), placement
    )
    assert len(checked) == 20


def test_it_moves_as_mujoco_does(placement) -> None:
    """The hand closes for half a second: joints agree to a few milliradians."""
    hand, config = HandModel.load("allegro_right"), SimulationConfig.load()
    ends = []
    for kind in ("mujoco", "mujoco_warp"):
        backend = make_backend(kind, hand, config)
        backend.load([placement])
        seen = backend.observe()
        goal = hand.clip(seen.joint_position + 0.3)
        for _ in range(25):
            backend.step(Command(goal, seen.T_world_palm), 0.02)
        ends.append(backend.observe().joint_position)
        backend.close()
    assert np.abs(ends[0] - ends[1]).max() < 5e-3
    assert np.abs(ends[0] - seen.joint_position).max() > 0.1


def test_every_world_has_the_constants_of_its_own_masses(placement) -> None:
    """As `mj_setConst` derives them from a model with that mass alone."""
    model = build_model(HandModel.load("leap_right"), [placement], SimulationConfig.load())
    batch = WarpBatch(model, 2)
    body, mass = model.body(object_body(0)).id, np.array([50.0, 0.05])
    inertia = model.body_inertia[body] * (mass / model.body_mass[body])[:, None]
    batch.expand("body_mass")[:, body] = mass
    batch.expand("body_inertia")[:, body] = inertia
    batch.set_const()
    for world in range(2):
        model.body_mass[body], model.body_inertia[body] = mass[world], inertia[world]
        mujoco.mj_setConst(model, mujoco.MjData(model))
        for name in DERIVED:
            seen = batch._field(name).numpy()[world]
            np.testing.assert_allclose(seen, getattr(model, name), rtol=1e-3, atol=1e-6)


def test_without_the_extra_the_error_names_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    with pytest.raises(BackendError, match=r"dexgrasp\[gpu\]"):
        make_backend("mujoco_warp", HandModel.load("allegro_right"), SimulationConfig.load())
