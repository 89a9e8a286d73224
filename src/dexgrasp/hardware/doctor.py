"""Looks a hand over without moving it, and says in plain words what to mend."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.hardware import dynamixel as dxl
from dexgrasp.hardware.allegro import AllegroDriver
from dexgrasp.hardware.config import AllegroConfig, LeapConfig
from dexgrasp.hardware.driver import BusError, HandError

OK, WARNING, FAULT = "ok", "warning", "fault"
LATENCY = 1  # [ms] of the USB adapter
VOLTAGE = (4.5, 5.5)  # [V]; the XC330-M288 is made for 3.7 to 6.0, and LEAP runs it at 5
WARM = 55  # [C]


@dataclass(frozen=True)
class Finding:
    """level: `ok`, `warning` or `fault`.  words: what was found, and what to do."""

    level: str
    words: str


def examine(hand: HandModel, config: LeapConfig | AllegroConfig) -> Iterator[Finding]:
    """Findings as they are made; the hand does not move, and torque stays as it was."""
    if isinstance(config, LeapConfig):
        yield from _examine_leap(config)
    else:
        yield from _examine_allegro(hand, config)


def _examine_leap(config: LeapConfig) -> Iterator[Finding]:
    yield from _port(Path(config.port))
    bus = dxl.DynamixelBus(config.port, config.baud, config.ids)
    try:
        bus.open()
    except HandError as error:
        yield Finding(FAULT, str(error))
        return
    try:
        found = bus.search()
        if set(config.ids) <= set(found):
            yield Finding(OK, f"all {len(config.ids)} motors answer at {config.baud} baud")
            yield from _motors(bus, config)
        else:
            yield from _missing(config, found)
    except BusError as error:
        yield Finding(FAULT, str(error))
    finally:
        bus.close()


def _port(port: Path) -> Iterator[Finding]:
    if not port.exists():
        others = sorted(str(path) for path in Path("/dev/serial/by-id").glob("*"))
        names = ", ".join(others) or "none is plugged in"
        yield Finding(FAULT, f"{port} does not exist; serial ports: {names}")
        return
    if not os.access(port, os.R_OK | os.W_OK):
        yield Finding(FAULT, f"{port} may not be used: sudo usermod -aG dialout $USER, log in anew")
    timer = Path("/sys/bus/usb-serial/devices") / port.resolve().name / "latency_timer"
    if not timer.exists():
        yield Finding(OK, f"{port} is no USB serial adapter: it has no latency timer to set")
    elif int(timer.read_text()) > LATENCY:
        yield Finding(
            WARNING,
            f"the adapter holds bytes back for {timer.read_text().strip()} ms, which limits the "
            f"loop to some 30 Hz: echo {LATENCY} | sudo tee {timer}",
        )
    else:
        yield Finding(OK, f"latency timer {LATENCY} ms")


def _missing(config: LeapConfig, found: dict[int, int]) -> Iterator[Finding]:
    missing = sorted(set(config.ids) - set(found))
    strangers = sorted(set(found) - set(config.ids))
    if found:
        words = f"motors {dxl.listed(missing)} do not answer"
        if strangers:
            words += f", but {dxl.listed(strangers)} do: set their ids with Dynamixel Wizard"
        yield Finding(FAULT, f"{words}; check the cables of the fingers that are missing")
        return
    for baud in sorted(set(dxl.BAUD_CODES) - {config.baud}):
        bus = dxl.DynamixelBus(config.port, baud, config.ids)
        bus.open()
        others = bus.search()
        bus.close()
        if others:
            yield Finding(
                FAULT,
                f"{len(others)} motors answer at {baud} baud instead of {config.baud}: set baud "
                f"in config/hardware, or theirs (address {dxl.BAUD_RATE.address}) to 4000000",
            )
            return
    yield Finding(FAULT, "no motor answers at any baud rate: is the hand's power on?")


def _motors(bus: dxl.DynamixelBus, config: LeapConfig) -> Iterator[Finding]:
    firmware, models = bus.read(dxl.FIRMWARE), bus.read(dxl.MODEL_NUMBER)
    ids = np.asarray(config.ids)
    yield _all(models == dxl.MODEL, ids, "are no XC330-M288", "every motor is an XC330-M288")
    same = firmware == firmware.max()
    yield _all(same, ids, "have older firmware: update it", f"firmware {firmware.max()}", WARNING)
    delays = bus.read(dxl.RETURN_DELAY)
    yield _all(
        delays == 0, ids, "wait before they answer; the driver sets 0", "no return delay", WARNING
    )
    needed = round(config.goal_current / dxl.CURRENT_UNIT)
    yield _all(
        bus.read(dxl.CURRENT_LIMIT) >= needed, ids,
        f"have a current limit below the {needed} mA of config/hardware", "current limits",
    )  # fmt: skip
    shutdown = bus.read(dxl.SHUTDOWN)
    yield _all(
        shutdown & 52 == 52, ids,
        "do not shut down for overload, shock and heat: set address 63 to 52",
        "motors shut down for overload, shock and heat", WARNING,
    )  # fmt: skip
    errors = bus.read(dxl.HARDWARE_ERROR)
    broken = np.flatnonzero(errors)
    words = dxl.listed(f"{ids[i]}: {dxl.error_words(int(errors[i]))}" for i in broken)
    yield _all(errors == 0, ids, f"have shut down ({words}): reboot them", "no hardware error")
    volts = 0.1 * bus.read(dxl.VOLTAGE)
    span = f"{volts.min():.1f} to {volts.max():.1f} V"
    normal = (volts >= VOLTAGE[0]) & (volts <= VOLTAGE[1])
    yield _all(normal, ids, f"have {span} instead of 5: check the supply and its wires", span)
    heat = bus.read(dxl.TEMPERATURE)
    yield _all(heat < WARM, ids, "are warm: let them cool", f"at most {heat.max()} C", WARNING)


def _all(good: np.ndarray, ids: np.ndarray, bad: str, words: str, level: str = FAULT) -> Finding:
    if good.all():
        return Finding(OK, words)
    return Finding(level, f"motors {dxl.listed(ids[~good])} {bad}")


def _examine_allegro(hand: HandModel, config: AllegroConfig) -> Iterator[Finding]:
    driver = AllegroDriver(hand, config)
    try:
        driver.connect()
        driver.read()
        who = driver.identity
        assert who is not None  # `connect` has asked
        yield Finding(OK, f"V{config.version}, serial {who.serial}, firmware {who.firmware:#06x}")
        if who.gearing:
            yield Finding(OK, f"gearing {who.gearing}")
        yield Finding(OK if who.temperature < WARM else WARNING, f"{who.temperature:.0f} C")
        yield Finding(OK, f"positions come every {1e3 * driver.period:.0f} ms")
    except HandError as error:
        yield Finding(FAULT, str(error))
    finally:
        driver.disconnect()
