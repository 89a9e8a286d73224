"""Servos are found again from the motion of an emulated hand that hides them."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from dexgrasp.hands.config import ActuatorConfig
from dexgrasp.hardware import HandError
from dexgrasp.hardware.emulation import Servo
from dexgrasp.hardware.emulation.rig import LeapRig, hidden_leap, true_servos
from dexgrasp.hardware.sysid import Servos, actuators_yaml, excitation, fit, record, simulate
from dexgrasp.hardware.sysid_chart import chart

SERVO = Servo(stiffness=2.4 / 800, damping=0.11 / 200, delay=0.014)


@pytest.fixture(scope="module")
def rig():
    """A hand with hidden servos, connected and in a middle posture."""
    rig = hidden_leap(SERVO, np.random.default_rng(3))
    yield rig
    rig.close()


def test_hidden_servos_are_found(rig: LeapRig) -> None:
    recording = record(rig.link, excitation(rig.hand.postures["precision"]), rig.clock, rig.wait)
    found = fit(recording)
    true = true_servos(rig)
    for name in ("stiffness", "damping", "friction", "inertia"):
        assert np.allclose(getattr(found, name), getattr(true, name), rtol=0.1), name
    assert np.abs(found.delay - true.delay).max() <= 0.002
    moved = simulate(found, recording, rig.hand.effort_limit)
    assert np.abs(moved - recording.position).max() < 0.01
    svg = chart(rig.hand.joint_names, recording.time, {"a": moved, "b": moved, "c": moved})
    assert svg.count("<polyline") == 3 * 16


def test_joints_that_do_not_move_are_told(rig: LeapRig) -> None:
    recording = record(
        rig.link, lambda t: rig.hand.postures["precision"] if t < 0.2 else None, rig.clock, rig.wait
    )
    with pytest.raises(HandError, match="hardly moved"):
        fit(recording)


def test_what_is_written_is_what_a_hand_reads(rig: LeapRig) -> None:
    figures = np.full(16, 0.02)
    text = actuators_yaml(Servos(*[figures] * 5), rig.hand, 0.0005)
    config = ActuatorConfig.model_validate(yaml.safe_load(text)["actuators"])
    assert config.stiffness == (0.02,) * 16
