"""What an emulated hand hides is found: zeros, order, sign, friction, offsets of effort."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dexgrasp.cli.calibrate_run import make_calibration
from dexgrasp.errors import ConfigError
from dexgrasp.execution import ExecutionConfig
from dexgrasp.execution.sensing import ContactEstimator
from dexgrasp.hands import HandModel
from dexgrasp.hands.calibration import Calibration
from dexgrasp.hardware import HandError
from dexgrasp.hardware.calibrate import ENTER, free_motion, guide, motion_words, sweep
from dexgrasp.hardware.emulation.rig import AllegroRig, LeapRig, run
from dexgrasp.hardware.sysid import Recording, record
from dexgrasp.types import Array, Observation

RNG = np.random.default_rng(5)
HIDDEN = RNG.uniform(-0.05, 0.05, 16)  # [rad]
FIGURES = {name: np.full(16, 0.01) for name in ("offset", "friction", "drag", "spread")}


def _make(kind: type, **changes) -> LeapRig | AllegroRig:
    patient = {"grace": 1.0} if kind is AllegroRig else {}
    return kind(changes={"soft_start_speed": 3.0, **patient, **changes})


@pytest.fixture(params=[LeapRig, AllegroRig])
def rig(request: pytest.FixtureRequest) -> Iterator[LeapRig | AllegroRig]:
    """A hand that is connected; a busy machine may take its time for that."""
    rig = _make(request.param)
    rig.link.open()
    yield rig
    rig.close()


def _zeros(rig: LeapRig | AllegroRig, ends: list[Array]) -> list[float]:
    """What `guide` finds when the operator moves joint i from `ends[i]` (2, J), upper end first."""
    stations = iter(np.concatenate(ends))

    def say(_: str) -> None:
        rig.emulator.place(next(stations))

    return [zero.zero for zero in guide(rig.link, lambda: ENTER, say, rig.wait)]


def _ends(hand: HandModel, short: float = 0.0) -> list[Array]:
    """Both ends of each joint, less `short` [rad], all others open."""
    ends = np.tile(hand.postures["open"], (16, 2, 1))
    for j in range(16):
        ends[j, :, j] = hand.joint_upper[j] - short, hand.joint_lower[j] + short
    return list(ends)


def test_zeros_are_found_and_limp_fingers_obey_the_operator(rig) -> None:
    # The emulated joints have stops at their limits: a hand off by `HIDDEN` has shorter ways.
    ends = [end + HIDDEN for end in _ends(rig.hand, short=0.05)]
    assert _zeros(rig, ends) == pytest.approx(HIDDEN, abs=0.002)
    with pytest.raises(HandError, match="to a limp hand"):
        rig.driver.write(rig.hand.postures["open"])


def test_a_joint_that_stopped_short_has_no_zero(rig) -> None:
    ends = _ends(rig.hand)
    ends[0][0, 0] -= 0.4  # not quite at its end
    assert _zeros(rig, ends)[0] == 0.0


def test_another_order_and_another_sign_are_told(rig) -> None:
    hand = rig.hand
    swapped = [end[:, [1, 0, *range(2, 16)]] for end in _ends(hand)]
    with pytest.raises(HandError, match=f"{hand.joint_names[1]} moved .* orders of config/hands"):
        _zeros(rig, swapped)
    with pytest.raises(HandError, match=r"turns the other way round: give it sign -1"):
        _zeros(rig, [end[::-1] for end in _ends(hand)])


def test_an_operator_who_is_gone_ends_it(rig) -> None:
    with pytest.raises(HandError, match="nobody is there to press Enter"):
        next(guide(rig.link, lambda: None, lambda _: None, rig.wait))


@pytest.mark.parametrize("name", ["leap_right", "allegro_right"])
def test_the_operator_is_told_the_true_way(name: str) -> None:
    hand = HandModel.load(name)
    assert motion_words(hand, 1, 1.0) == "towards what the hand would hold"
    assert motion_words(hand, 2, -1.0) == "back, away from what it would hold"
    assert {motion_words(hand, 0, sign) for sign in (1.0, -1.0)} == {
        "to the index finger's side", "to the ring finger's side",
    }  # fmt: skip


@pytest.fixture(scope="module")
def motion() -> Iterator[tuple[LeapRig, Recording]]:
    """A hand with hidden friction, and cables that pull, in its free motion."""
    rig = LeapRig({"soft_start_speed": 3.0})
    rig.joints.friction[:] = RNG.uniform(0.01, 0.03, 16)
    rig.joints.load[:] = RNG.uniform(-0.02, 0.02, 16)
    rig.link.open()
    middle = rig.hand.postures["precision"]
    run(rig, middle, 0.6)
    yield rig, record(rig.link, sweep(middle), rig.clock, rig.wait)
    rig.close()


def test_hidden_friction_and_offsets_are_found(motion) -> None:
    rig, recording = motion
    found = free_motion(recording)
    assert np.allclose(found["friction"], rig.joints.friction, rtol=0.1)
    assert np.allclose(found["offset"], -rig.joints.load, atol=0.001)
    assert np.abs(found["drag"]).max() < 0.005


def test_a_calibrated_hand_feels_nothing_in_its_first_free_motion(motion) -> None:
    rig, recording = motion
    hand = rig.hand
    config = ExecutionConfig.load()
    knows, guesses = (ContactEstimator(hand, config, 1) for _ in range(2))
    knows.preset(make_calibration(hand, np.zeros(16), free_motion(recording)))
    felt = []
    for estimator in (knows, guesses):
        seen = []
        for i in range(200, 300):
            figures = (a[i][None] for a in (recording.position, recording.velocity,
                                            recording.effort))  # fmt: skip
            observation = Observation(
                np.zeros(1), *figures, np.eye(4)[None], np.full((1, 4), np.nan)
            )
            now = estimator.update(recording.goal[i][None], np.zeros(1, dtype=bool), observation)
            seen.append((now.touching.any(), now.confidence.min(), now.force.max()))
        felt.append(np.array(seen))
    assert not felt[0][:, 0].any()
    assert felt[0][:, 1].max() > 0.5
    assert felt[1][:, 1].max() == 0.0
    assert felt[0][:, 2].mean() < 0.3 * felt[1][:, 2].mean()


def test_joints_that_do_not_follow_are_told(motion) -> None:
    _, recording = motion
    stuck = Recording(
        recording.sent, recording.time, recording.goal, recording.position,
        0.0 * recording.velocity, recording.effort,
    )  # fmt: skip
    with pytest.raises(HandError, match="joint 0 did not follow"):
        free_motion(stuck)


def test_what_is_written_is_what_drivers_read(rig, tmp_path: Path) -> None:
    path = tmp_path / "mine" / "hand.yaml"
    make_calibration(rig.hand, HIDDEN, FIGURES).write(path)
    calibrated = _make(type(rig), calibration=str(path))
    try:
        truth = calibrated.joints.position
        calibrated.emulator.place(truth + HIDDEN)
        assert calibrated.link.open().position == pytest.approx(truth, abs=0.002)
        target = rig.hand.clip(truth + 0.04)
        run(calibrated, target, 0.4)
        assert calibrated.link.sent == pytest.approx(target, abs=0.002)
        assert calibrated.joints.position == pytest.approx(target + HIDDEN, abs=0.01)
    finally:
        calibrated.close()


def test_the_file_of_another_hand_is_refused(tmp_path: Path) -> None:
    hand = HandModel.load("leap_right")
    path = tmp_path / "hand.yaml"
    make_calibration(hand, HIDDEN, FIGURES).write(path)
    with pytest.raises(ConfigError, match=r"a calibration of leap_right .* run dexgrasp calibrate"):
        Calibration.load(path, "allegro_right", hand.joint_names)
