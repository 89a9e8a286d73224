"""Faults at every phase of a grasp in simulated worlds: the hand is still, the next goal works."""

from __future__ import annotations

import pytest

from dexgrasp.evaluation.faults import FAULTS, PHASES, FaultRig, outcome, rows, safe
from dexgrasp.evaluation.pick import random_placement
from dexgrasp.execution import ExecutionConfig, Phase
from dexgrasp.execution.safety import SafetyLimits
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.simulation import SimulationConfig, make_backend
from dexgrasp.synthesis import GraspGeometry, make_synthesizer

CODES = {
    "e_stop": "ESTOPPED",
    "controller_silent": "STALE_COMMAND",
    "nan_state": "BAD_OBSERVATION",
    "tracking_lost": "BAD_OBSERVATION",
    "state_old": "SAFETY",
    "clock_back": "BAD_OBSERVATION",
    "clock_ahead": "BAD_OBSERVATION",
    "backend_restarted": "BAD_OBSERVATION",
}


@pytest.fixture(scope="module")
def cells():
    hand, config = HandModel.load("allegro_right"), SimulationConfig.load()
    placement = random_placement(load_object("tomato_soup_can"), config.table_height, seed=1)
    geometry = GraspGeometry(placement.model, placement.T_world_object, config.table_height)
    grasp = make_synthesizer("optimize").synthesize(hand, geometry, 8, 0)[0]
    backend = make_backend("mujoco", hand, config, worlds=len(PHASES) * len(FAULTS) + 1)
    backend.load([placement])
    yield FaultRig(backend, grasp, ExecutionConfig.load(), SafetyLimits.load()).run()
    backend.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_the_hand_is_safe_in_time_and_the_next_goal_holds(cells, fault: str) -> None:
    tried = [cell for cell in cells if cell.fault == fault]
    assert [cell.phase for cell in tried] == list(PHASES)
    for cell in tried:
        assert cell.reached, cell
        assert safe(cell), cell
        assert cell.next_held, cell


@pytest.mark.parametrize("fault", CODES)
def test_the_code_says_what_happened(cells, fault: str) -> None:
    assert {outcome(cell) for cell in cells if cell.fault == fault} == {CODES[fault]}


def test_a_stuck_joint_is_found_in_the_air(cells) -> None:
    found = {cell.phase: outcome(cell) for cell in cells if cell.fault == "joint_stuck"}
    assert found.pop(Phase.APPROACH) == "JOINT_STUCK"
    # Later it stands still like a finger that touches: the other fingers hold, or do not.
    assert set(found.values()) <= {"NONE", "NOTHING_GRASPED", "OBJECT_LOST"}


def test_the_table_names_every_fault(cells) -> None:
    table = rows(cells)
    assert [row[0] for row in table] == [fault.replace("_", " ") for fault in FAULTS]
    assert {len(row) for row in table} == {1 + len(PHASES)}
