"""The LEAP driver against an emulated Dynamixel bus, through the unmodified SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import dynamixel_sdk as sdk
import numpy as np
import pytest

from dexgrasp.hardware import BusError, HandError, HandFaultError, RestartNeededError
from dexgrasp.hardware import dynamixel as dxl
from dexgrasp.hardware.emulation.dynamixel_port import crc16
from dexgrasp.hardware.emulation.rig import LeapRig, run

OVERLOAD = 1 << 5


@pytest.fixture
def make() -> Iterator[Callable[..., LeapRig]]:
    """Rigs that are closed at the end."""
    rigs: list[LeapRig] = []

    def build(**arguments) -> LeapRig:
        rigs.append(LeapRig(**arguments))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.close()


@pytest.fixture
def rig(make) -> LeapRig:
    """One that is connected."""
    rig = make()
    rig.link.open()
    return rig


def test_the_checksum_is_the_protocols() -> None:
    # ROBOTIS e-manual, protocol 2.0, ping of id 1: FF FF FD 00 01 03 00 01 19 4E.
    assert crc16(bytes.fromhex("fffffd00010300 01".replace(" ", ""))) == 0x4E19


def test_every_register_is_as_configured_after_the_start(rig: LeapRig) -> None:
    table, share = rig.emulator.motors.get, np.ones(16)
    share[[0, 4, 8]] = 0.75
    assert (table(dxl.OPERATING_MODE) == dxl.CURRENT_BASED_POSITION).all()
    assert (table(dxl.P_GAIN) == 800 * share).all()
    assert (table(dxl.D_GAIN) == 200 * share).all()
    assert (table(dxl.GOAL_CURRENT) == 350).all()
    assert (table(dxl.TORQUE_ENABLE) == 1).all()
    assert (table(dxl.WATCHDOG) == 4).all()
    assert (table(dxl.RETURN_DELAY) == 0).all()


def test_it_starts_where_the_hand_is_and_soft(make) -> None:
    rig = make()
    rig.emulator.place(rig.hand.postures["power"])
    rig.link.open()
    assert np.allclose(rig.link.read().position, rig.hand.postures["power"], atol=1e-3)
    before = rig.joints.position.copy()
    run(rig, rig.hand.postures["open"], 0.4)
    moved = np.abs(rig.joints.position - before)
    assert 0.1 < moved.max() < 0.4 * rig.config.soft_start_speed + 0.02
    run(rig, rig.hand.postures["open"], 2.0)
    assert np.allclose(rig.joints.position, rig.hand.postures["open"], atol=0.03)


def test_write_tells_what_was_sent_within_limits(make) -> None:
    rig = make(changes={"soft_start_speed": 3.0})
    rig.link.open()
    run(rig, rig.hand.joint_upper, 1.5)
    sent = rig.driver.write(rig.hand.joint_upper + 1.0)
    assert np.allclose(sent, rig.hand.joint_upper, atol=2.0 * np.pi / dxl.TICKS)
    assert (rig.joints.position <= rig.hand.joint_upper + 1e-9).all()


def test_no_command_before_the_first_read_nor_of_nan(make) -> None:
    rig = make()
    rig.driver.connect()
    with pytest.raises(HandError, match="before the first full read"):
        rig.driver.write(rig.hand.postures["open"])
    rig.driver.read()
    with pytest.raises(HandError, match="not finite"):
        rig.driver.write(np.full(16, np.nan))


def test_motors_tell_temperature_voltage_and_effort(rig: LeapRig) -> None:
    rig.joints.blocked[1] = True
    run(rig, rig.hand.postures["power"], 2.5)
    state = rig.link.read()
    assert np.allclose(state.voltage, 5.0)
    assert (state.temperature >= 30.0).all()
    assert state.current[1] == pytest.approx(0.35, abs=0.01)
    assert state.effort[1] == pytest.approx(0.35 * 0.517, abs=0.01)


def test_a_wrong_id_is_named(make) -> None:
    rig = make()
    rig.emulator.motors.set(dxl.ID, 40, 3)
    with pytest.raises(BusError, match="motors 3 do not answer"):
        rig.driver.connect()


def test_a_wrong_baud_rate_or_no_power_is_silence_with_a_remedy(make) -> None:
    rig = make(changes={"baud": 1_000_000})
    with pytest.raises(BusError, match="no motor answers"):
        rig.driver.connect()


def test_a_missing_port_has_a_remedy(make) -> None:
    with pytest.raises(BusError, match="dialout"):
        make(changes={"port": "/dev/none"}).driver.connect()


def test_a_refused_register_is_found_by_reading_back(make) -> None:
    rig = make()
    rig.emulator.motors.set(dxl.CURRENT_LIMIT, 300)
    with pytest.raises(HandError, match="above the motors' own limit"):
        rig.driver.connect()


def test_lost_and_damaged_packets_are_borne(rig: LeapRig) -> None:
    target = rig.hand.postures["power"]
    run(rig, target, 0.2)
    rig.driver.bus.hurry(0.02)
    rig.emulator.line.faults.lose = 2
    run(rig, target, 0.02)
    rig.emulator.line.faults.damage = 1
    run(rig, target, 0.02)
    rig.driver.bus.hurry(0.3)
    run(rig, target, 2.5)
    assert rig.link.connected
    assert rig.link.lost_reads >= 3
    assert rig.link.recoveries == 0
    assert np.allclose(rig.joints.position, target, atol=0.05)


def test_motors_hold_when_the_host_falls_silent_and_the_link_starts_them_anew(rig) -> None:
    target = rig.hand.postures["power"]
    run(rig, target, 0.4)
    rig.wait(rig.config.watchdog + 0.01)
    held = rig.joints.position.copy()
    rig.wait(0.3)
    assert np.allclose(rig.joints.position, held, atol=2e-2)
    for _ in range(3 * 10):
        rig.wait(0.004)
        rig.link.read()
    assert "heard nothing" in rig.link.words
    _reconnect(rig)
    run(rig, target, 3.0)
    assert np.allclose(rig.joints.position, target, atol=0.05)


def _reconnect(rig: LeapRig) -> None:
    for _ in range(20):
        rig.wait(rig.config.link.back_off[1] + 0.1)
        rig.link.read()
        if rig.link._connecting is not None:
            rig.link._connecting.join()
        if rig.link.connected:
            return
    raise AssertionError(rig.link.words)


def test_a_power_cut_is_told_and_the_hand_found_again(rig: LeapRig) -> None:
    run(rig, rig.hand.postures["power"], 0.2)
    rig.driver.bus.hurry(0.02)
    rig.emulator.switch_power(False)
    run(rig, rig.hand.postures["power"], 0.1)
    assert not rig.link.connected
    assert rig.link.read() is None
    rig.emulator.switch_power(True)
    _reconnect(rig)
    assert rig.link.recoveries == 1


def test_a_reboot_of_one_motor_is_noticed(rig: LeapRig) -> None:
    run(rig, rig.hand.postures["open"], 0.04)
    rig.emulator.motors.reboot(5)
    for _ in range(3 * 10):
        rig.wait(0.004)
        rig.driver.read()
    with pytest.raises(RestartNeededError, match="motors 5 lost their torque"):
        rig.driver.write(rig.hand.postures["open"])


def test_an_overload_latches_and_only_clearing_it_helps(rig: LeapRig) -> None:
    run(rig, rig.hand.postures["power"], 0.2)
    rig.emulator.motors.fail(2, OVERLOAD)
    run(rig, rig.hand.postures["power"], 0.14)
    assert isinstance(rig.link.fault, HandFaultError)
    assert "motor 2 (joint_2): overload" in rig.link.words
    assert "safety/reset" in rig.link.words
    assert rig.link.connected, "states still come"
    goal = rig.emulator.motors.get(dxl.GOAL_POSITION)
    run(rig, rig.hand.postures["open"], 0.1)
    assert (rig.emulator.motors.get(dxl.GOAL_POSITION) == goal).all()
    rig.link.clear()
    _reconnect(rig)
    assert rig.link.fault is None
    assert rig.emulator.motors.get(dxl.TORQUE_ENABLE).all()


def test_a_motor_that_gets_too_hot_shuts_down(make) -> None:
    rig = make()
    rig.link.open()
    rig.emulator.motors.temperature[7] = 70.9
    rig.emulator.motors.set(dxl.TEMPERATURE_LIMIT, 70)
    run(rig, rig.hand.postures["open"], 0.14)
    assert "motor 7 (joint_7): overheating" in rig.link.words


def test_disconnecting_leaves_the_motors_limp(rig: LeapRig) -> None:
    run(rig, rig.hand.postures["power"], 0.2)
    rig.link.close()
    assert not _soon(lambda: rig.emulator.motors.get(dxl.TORQUE_ENABLE).any())


def _soon(still: Callable[[], bool]) -> bool:
    """Whether it is still so after the emulator had time for what was sent without an answer."""
    import time

    end = time.monotonic() + 5.0
    while still() and time.monotonic() < end:
        time.sleep(0.01)
    return still()


def test_a_plain_sync_read_and_a_write_by_the_sdk_alone(make) -> None:
    """What other programs of a lab do on the same bus."""
    rig = make()
    port, packets = sdk.PortHandler(rig.emulator.port), sdk.PacketHandler(2.0)
    assert port.setBaudRate(4_000_000)
    group = sdk.GroupSyncRead(port, packets, dxl.PRESENT_POSITION.address, 4)
    for motor in range(16):
        group.addParam(motor)
    assert any(group.txRxPacket() == sdk.COMM_SUCCESS for _ in range(5))
    ticks = group.getData(12, dxl.PRESENT_POSITION.address, 4)
    assert ticks * 2 * np.pi / 4096 - np.pi == pytest.approx(1.4, abs=1e-3)
    rig.emulator.motors.set(dxl.TORQUE_ENABLE, 1, 0)
    results = [packets.write1ByteTxRx(port, 0, dxl.OPERATING_MODE.address, 5) for _ in range(5)]
    assert (sdk.COMM_SUCCESS, 7) in results, "the mode may not change while torque is on"
    port.closePort()
