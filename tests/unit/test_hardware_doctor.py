"""The doctor's findings on emulated hands, sound and not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner

from dexgrasp.cli import app
from dexgrasp.hardware import dynamixel as dxl
from dexgrasp.hardware.doctor import FAULT, OK, WARNING, examine
from dexgrasp.hardware.emulation.rig import AllegroRig, LeapRig


@pytest.fixture
def leap() -> Iterator[LeapRig]:
    """An emulated hand whose driver is not connected."""
    rig = LeapRig()
    yield rig
    rig.close()


def _words(rig: LeapRig | AllegroRig, level: str) -> str:
    return "; ".join(f.words for f in examine(rig.hand, rig.config) if f.level == level)


def test_a_sound_hand_has_no_faults_and_does_not_move(leap: LeapRig) -> None:
    before = leap.emulator.motors.table.copy()
    assert _words(leap, FAULT) == ""
    assert "all 16 motors answer" in _words(leap, OK)
    assert (leap.emulator.motors.table == before).all()
    assert "wait before they answer" in _words(leap, WARNING), "as motors come from the factory"


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda motors: motors.set(dxl.ID, 77, 5), "motors 5 do not answer, but 77 do"),
        (lambda motors: motors.set(dxl.BAUD_RATE, 3), "answer at 1000000 baud instead of 4000000"),
        (lambda motors: setattr(motors, "powered", False), "is the hand's power on?"),
        (lambda motors: motors.fail(4, 1 << 5), "motors 4 have shut down (4: overload)"),
        (lambda motors: motors.set(dxl.VOLTAGE, 38), "3.8 to 3.8 V instead of 5"),
        (lambda motors: motors.set(dxl.CURRENT_LIMIT, 200), "current limit below the 350 mA"),
        (lambda motors: motors.set(dxl.MODEL_NUMBER, 1200, 3), "motors 3 are no XC330-M288"),
    ],
)
def test_each_fault_is_found_with_a_remedy(leap: LeapRig, break_it: Callable, words: str) -> None:
    break_it(leap.emulator.motors)
    assert words in _words(leap, FAULT)


def test_the_command_tells_a_port_that_is_missing() -> None:
    result = CliRunner().invoke(app, ["doctor", "--hand", "leap_right", "--port", "/dev/none"])
    assert result.exit_code == 1
    assert "/dev/none does not exist" in result.output


def test_an_allegro_is_identified() -> None:
    rig = AllegroRig(version=5)
    try:
        assert "gearing A" in _words(rig, OK)
        rig.emulator.switch_power(False)
        assert "no Allegro hand answers" in _words(rig, FAULT)
    finally:
        rig.close()
