"""Jogging of emulated hands: only the chosen joint moves, and only while it is asked to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from dexgrasp.hands import HandModel
from dexgrasp.hardware import HandError
from dexgrasp.hardware.config import load_leap
from dexgrasp.hardware.dynamixel import TORQUE_ENABLE
from dexgrasp.hardware.emulation import EmulatedLeap, FreeJoints
from dexgrasp.hardware.emulation.rig import AllegroRig, LeapRig
from dexgrasp.hardware.jog import LEAD, Jog, run_jog

SPEED, DEADMAN = 0.5, 0.1


@pytest.fixture(params=["leap", "allegro"])
def rig(request: pytest.FixtureRequest) -> Iterator[LeapRig | AllegroRig]:
    """A hand that is connected; a busy machine may take its time for that."""
    rig = LeapRig() if request.param == "leap" else AllegroRig(changes={"grace": 1.0})
    rig.link.open()
    yield rig
    rig.close()


def _jog(rig: LeapRig | AllegroRig, keys: dict[float, str], seconds: float, **events) -> list[str]:
    """Press `keys` at these times [s]; call `events` (name: (time, what)). What was said."""
    jog = Jog(rig.hand, rig.joints.position, SPEED, DEADMAN)
    left, begin, said = dict(keys), rig.clock(), []
    calls = sorted(events.values(), key=lambda event: event[0])

    def typed() -> str | None:
        now = rig.clock() - begin
        while calls and calls[0][0] <= now:
            calls.pop(0)[1]()
        due = "".join(left.pop(at) for at in sorted(left) if at <= now)
        return due if now < seconds else None

    run_jog(rig.link, jog, typed, said.append, rig.clock, rig.wait)
    return said


def test_one_joint_moves_while_its_key_is_pressed(rig) -> None:
    start = rig.joints.position.copy()
    said = _jog(rig, {0.0: "n", 0.02: "+", 0.1: "+"}, 0.6)
    moved = rig.joints.position - start
    # From the first key until the deadman after the last: 0.18 s.
    assert moved[1] == pytest.approx(0.18 * SPEED, abs=0.012)
    assert np.abs(np.delete(moved, 1)).max() < 0.01
    assert said[-1].startswith("joint_1")


def test_a_key_that_is_not_renewed_moves_for_the_deadman_alone(rig) -> None:
    start = rig.joints.position[0]
    _jog(rig, {0.0: "-"}, 0.5)
    assert start - rig.joints.position[0] == pytest.approx(DEADMAN * SPEED, abs=0.012)


@pytest.mark.parametrize("key", ["n", "x"])
def test_any_other_key_holds_at_once(rig, key: str) -> None:
    start = rig.joints.position[0]
    _jog(rig, {0.0: "+", 0.04: key}, 0.4)
    assert rig.joints.position[0] - start == pytest.approx(0.04 * SPEED, abs=0.012)


def test_it_stops_at_the_limit_and_says_so(rig) -> None:
    upper = rig.hand.joint_upper[0]
    rig.emulator.place(np.where(np.arange(16) == 0, upper - 0.02, rig.joints.position))
    rig.wait(0.004)
    rig.link.read()
    said = _jog(rig, {0.05 * i: "+" for i in range(8)}, 0.4)
    assert "at its limit" in said[-1]
    assert rig.joints.position[0] == pytest.approx(upper, abs=0.01)


def test_a_blocked_joint_is_not_pressed_harder_and_harder(rig) -> None:
    rig.joints.blocked[:] = True
    start = rig.joints.position[0]
    _jog(rig, {0.05 * i: "+" for i in range(20)}, 1.0)
    assert rig.link.sent is not None
    assert rig.link.sent[0] == pytest.approx(start + LEAD, abs=0.005)


def test_a_hand_that_is_lost_ends_it_in_words(rig) -> None:
    rig.hurry(0.02)
    words = "stopped coming" if isinstance(rig, AllegroRig) else "no status packet"
    with pytest.raises(HandError, match=f"jogging ended: .*{words}"):
        _jog(rig, {}, 2.0, off=(0.1, lambda: rig.emulator.switch_power(False)))


def test_the_command_takes_keys_from_a_pipe_and_leaves_the_hand_limp() -> None:
    hand = HandModel.load("leap_right")
    joints = FreeJoints(hand)
    emulator = EmulatedLeap(hand, load_leap(hand.name), joints)
    start = joints.position[0]
    command = [sys.executable, "-c", "from dexgrasp.cli import main; main()", "jog"]
    options = ["--hand", hand.name, "--port", emulator.port, "--deadman", "0.5"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, *options], stdin=pipe, stdout=pipe, text=True) as jogging:
        assert jogging.stdin is not None
        assert jogging.stdout is not None
        assert "q ends" in jogging.stdout.readline()
        assert "joint_0" in jogging.stdout.readline()
        assert emulator.motors.get(TORQUE_ENABLE).all()
        jogging.stdin.write("+")
        jogging.stdin.flush()
        while joints.position[0] < start + 0.05:  # the test's own time limit ends this
            assert "joint_0" in jogging.stdout.readline()
        jogging.stdin.close()  # as when the terminal is gone
        assert jogging.wait(20.0) == 0
    assert not emulator.motors.get(TORQUE_ENABLE).any()
    emulator.close()
