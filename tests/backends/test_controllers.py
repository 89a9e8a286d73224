"""Each control paradigm lifts a box in MuJoCo, and motors feel what tactile sensors feel."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from dexgrasp.evaluation.disturbance import numb
from dexgrasp.execution import ExecutionConfig, Fault, GraspExecutor, Phase
from dexgrasp.execution.control import CONTROLLERS
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.objects import load_object
from dexgrasp.simulation import MujocoBackend, SimulationConfig
from dexgrasp.synthesis import GraspGeometry, make_synthesizer
from dexgrasp.types import GraspSet, ObjectPlacement

CONFIG = ExecutionConfig.load()
SIMULATION = SimulationConfig.load()
PERIOD = 0.01
MODEL = load_object("foam_brick")
PLACEMENT = ObjectPlacement(MODEL, MODEL.T_table_object)


@cache
def grasp(name: str) -> GraspSet:
    """The best grasp of the box for a hand, a set of one."""
    geometry = GraspGeometry(MODEL, PLACEMENT.T_world_object, SIMULATION.table_height)
    synthesizer = make_synthesizer("optimize", check="lift")
    return synthesizer.synthesize(HandModel.load(name), geometry, 1, 0)[0]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", hand_names())
@pytest.mark.parametrize("controller", ["open_loop", "reactive", "impedance", "mpc"])
def test_every_controller_lifts_a_box(name: str, controller: str) -> None:
    assert controller in CONTROLLERS
    hand = HandModel.load(name)
    backend = MujocoBackend(hand, SIMULATION, threads=1)
    backend.load([PLACEMENT])
    executor = GraspExecutor(hand, CONFIG, 1, controller)
    executor.start(grasp(name))
    while not executor.finished.all():
        backend.step(executor.step(backend.observe()), PERIOD)
    assert executor.fault[0] == Fault.NONE
    assert backend.truth().object_com[0, 0, 2] > 0.8 * CONFIG.lift_height
    backend.close()


def pressed(hand: HandModel, backend: MujocoBackend) -> np.ndarray:
    """(F,) the largest force of a contact on any link of each finger [N]."""
    names, parent = list(hand.link_names), hand.kinematics.parent
    force = np.zeros(len(hand.finger_names))
    for contact in backend.contacts():
        for finger, link in enumerate(hand.distal_links):
            while parent[link] >= 0 and names[link] != contact.hand_link:
                link = parent[link]
            if parent[link] >= 0:
                force[finger] = max(force[finger], contact.force)
    return force


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", hand_names())
def test_motors_feel_the_object_as_the_simulator_does(name: str) -> None:
    hand = HandModel.load(name)
    backend = MujocoBackend(hand, SIMULATION, threads=1)
    backend.load([PLACEMENT])
    executor = GraspExecutor(hand, CONFIG)
    executor.start(grasp(name))
    right = []
    while not executor.finished.all():
        phase = executor.phase[0]
        command = executor.step(numb(backend.observe()))
        force = pressed(hand, backend)
        felt = executor.felt
        if Phase.APPROACH <= phase <= Phase.HOLD:
            sure = (felt.confidence[0] > 0.5) & ((force == 0.0) | (force > 0.5))
            right += (felt.touching[0] == (force > 0.0))[sure].tolist()
        backend.step(command, PERIOD)
    assert executor.fault[0] == Fault.NONE
    assert len(right) > 200
    assert np.mean(right) > 0.95
    backend.close()
