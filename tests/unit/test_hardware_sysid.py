"""Servos are found again from the motion of an emulated hand that hides them."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from dexgrasp.hands.config import ActuatorConfig
from dexgrasp.hardware import HandError
from dexgrasp.hardware.emulation import Servo
from dexgrasp.hardware.emulation.rig import LeapRig, run
from dexgrasp.hardware.sysid import Servos, actuators_yaml, excitation, fit, record, simulate
from dexgrasp.hardware.sysid_chart import chart

STIFFNESS, DAMPING, DELAY = 2.4, 0.11, 0.014
RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def rig():
    """A hand with hidden servos, connected and in a middle posture."""
    servo = Servo(stiffness=STIFFNESS / 800, damping=DAMPING / 200, delay=DELAY)
    rig = LeapRig({"soft_start_speed": 3.0}, servo)
    rig.joints.friction[:] = RNG.uniform(0.01, 0.03, 16)
    rig.joints.inertia[:] = RNG.uniform(0.0012, 0.0025, 16)
    rig.link.open()
    run(rig, rig.hand.postures["precision"], 0.6)
    yield rig
    rig.close()


def test_hidden_servos_are_found(rig: LeapRig) -> None:
    recording = record(rig.link, excitation(rig.hand.postures["precision"]), rig.clock, rig.wait)
    found = fit(recording)
    share = np.where(np.arange(16) % 4 == 0, rig.config.side_share, 1.0)
    share[12] = 1.0  # the thumb has no motor of that kind
    assert np.allclose(found.stiffness, STIFFNESS * share, rtol=0.1)
    assert np.allclose(found.damping, DAMPING * share, rtol=0.1)
    assert np.allclose(found.friction, rig.joints.friction, rtol=0.1)
    assert np.allclose(found.inertia, rig.joints.inertia, rtol=0.1)
    assert np.abs(found.delay - DELAY).max() <= 0.002
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
