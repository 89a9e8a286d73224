"""The LEAP hand: 16 XC330 motors that hold positions with a bounded current."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.hardware import dynamixel as dxl
from dexgrasp.hardware.config import LeapConfig, load_zeros
from dexgrasp.hardware.driver import (
    BusError,
    HandError,
    HandFaultError,
    HandState,
    RestartNeededError,
    SoftStart,
    admitted,
)
from dexgrasp.types import Array

ORDER = "dynamixel"  # of config/hands: motor order and zero
SLOW_EVERY = 6  # cycles between two looks at what fast reads do not show: 24 ms
CURRENT, VELOCITY, POSITION = slice(0, 2), slice(2, 6), slice(6, 10)  # of one fast read
STATE_ADDRESS, STATE_LENGTH = dxl.PRESENT_CURRENT.address, 10


class LeapDriver:
    """`HandDriver` of a LEAP hand. `clock`: of the states [s]. Raises ConfigError."""

    def __init__(
        self, hand: HandModel, config: LeapConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if len(config.ids) != hand.joint_count:
            raise HandError(f"{len(config.ids)} ids for the {hand.joint_count} joints of a hand")
        self.hand, self.config = hand, config
        self.period = 1.0 / config.rate
        self.fault: HandError | None = None
        self.bus = dxl.DynamixelBus(config.port, config.baud, config.ids)
        self._clock = clock
        self._zero = load_zeros(config.calibration, hand)
        self._start: SoftStart | None = None
        self._limp = False
        self._reads = 0
        self._temperature = self._voltage = np.full(hand.joint_count, np.nan)

    def connect(self) -> None:
        """See `HandDriver.connect`."""
        self.fault, self._start, self._reads, self._limp = None, None, 0, False
        self.bus.open()
        self.bus.hurry(max(dxl.CALM, self.config.answer_timeout))
        try:
            self._check_motors()
            self._configure()
        except HandError:
            self.bus.close()
            raise
        self.bus.hurry(self.config.answer_timeout)

    def _check_motors(self) -> None:
        try:
            models = self.bus.read(dxl.MODEL_NUMBER)
        except BusError:
            self._find_the_silent()
            raise
        others = [m for m, model in zip(self.config.ids, models, strict=True) if model != dxl.MODEL]
        if others:
            raise HandError(f"motors {dxl.listed(others)} are no XC330-M288 (model {dxl.MODEL})")
        self._look_for_errors(self.bus.read(dxl.HARDWARE_ERROR))
        if self.fault is not None:
            raise self.fault

    def _find_the_silent(self) -> None:
        """Raise BusError that names the motors that do not answer, if there are any."""
        ids, where = self.config.ids, f"{self.config.port} at {self.config.baud} baud"
        answering = self.bus.search()
        silent = [motor for motor in ids if motor not in answering]
        if len(silent) == len(ids):
            raise BusError(
                f"no motor answers on {where}: switch the hand's power on, check the cable and "
                "the baud rate; dexgrasp doctor looks at other rates"
            )
        if silent:
            raise BusError(
                f"motors {dxl.listed(silent)} do not answer on {where}: check their cables and "
                "ids; dexgrasp doctor lists who answers"
            )

    def _configure(self) -> None:
        """Torque off, mode, gains, current, hold, torque on: a mode switch resets what follows."""
        config, bus = self.config, self.bus
        share = np.where(np.isin(config.ids, config.side_ids), config.side_share, 1.0)
        current = round(config.goal_current / dxl.CURRENT_UNIT)
        limit = bus.read(dxl.CURRENT_LIMIT)
        if (limit < current).any():
            raise HandError(
                f"goal_current {config.goal_current} A is above the motors' own limit of "
                f"{limit.min() * dxl.CURRENT_UNIT} A (address {dxl.CURRENT_LIMIT.address})"
            )
        bus.write_checked(dxl.WATCHDOG, 0, "clearing the watchdog")
        bus.write_checked(dxl.TORQUE_ENABLE, 0, "torque off")
        self._set_eeprom(dxl.RETURN_DELAY, 0, "no return delay")
        self._set_eeprom(
            dxl.OPERATING_MODE, dxl.CURRENT_BASED_POSITION, "current-based position mode"
        )
        bus.write_checked(dxl.P_GAIN, np.rint(config.p_gain * share), "the P gain")
        bus.write_checked(dxl.I_GAIN, config.i_gain, "the I gain")
        bus.write_checked(dxl.D_GAIN, np.rint(config.d_gain * share), "the D gain")
        bus.write_checked(dxl.GOAL_CURRENT, current, "the current limit")
        bus.write_checked(dxl.GOAL_POSITION, bus.read(dxl.PRESENT_POSITION), "holding still")
        bus.write_checked(dxl.TORQUE_ENABLE, 1, "torque on")
        bus.write_checked(
            dxl.WATCHDOG, round(config.watchdog / dxl.WATCHDOG_UNIT), "arming the watchdog"
        )

    def _set_eeprom(self, register: dxl.Register, value: int, what: str) -> None:
        """Write only what differs: these cells wear out."""
        if (self.bus.read(register) != value).any():
            self.bus.write_checked(register, value, what)

    def read(self) -> HandState:
        """See `HandDriver.read`."""
        block = self.bus.read_block(STATE_ADDRESS, STATE_LENGTH)
        now = self._clock()
        position = self._joints(_column(block, POSITION, "<i4") * 2.0 * np.pi / dxl.TICKS)
        position -= self._zero
        self._reads += 1
        if self._reads % SLOW_EVERY == 0:
            self._look_around(self._reads // SLOW_EVERY)
        if not (self._limp or (self._start and self._start.begun)):
            step = self.config.soft_start_speed * self.period
            self._start = SoftStart(position, step)
        velocity = _column(block, VELOCITY, "<i4") * dxl.VELOCITY_UNIT
        current = _column(block, CURRENT, "<i2") * dxl.CURRENT_UNIT
        return HandState(
            now,
            position,
            self._turned(velocity),
            self._turned(current) * self.config.torque_constant,
            np.abs(current),
            self._temperature,
            self._voltage,
        )

    def _joints(self, encoder: Array) -> Array:
        return self.hand.from_order(encoder, ORDER)

    def _turned(self, encoder: Array) -> Array:
        """Velocities or currents of joints: signs count, zeros do not."""
        return self._joints(encoder) - self._joints(np.zeros_like(encoder))

    def _look_around(self, turn: int) -> None:
        """Every second time for errors, else for a tripped watchdog or at heat and voltage.

        What a lost packet would have told comes at the next turn.
        """
        try:
            if turn % 2 == 0:
                block = self.bus.read_block(dxl.TORQUE_ENABLE.address, 7)
                self._look_for_errors(block[:, 6])
                if self.fault is None and not (self._limp or block[:, 0].all()):
                    self._note("lost their torque", block[:, 0] == 0)
            elif turn % 4 == 1:
                tripped = self.bus.read(dxl.WATCHDOG, tries=1) < 0
                if tripped.any() and self.fault is None:
                    self._note("heard nothing for too long and hold", tripped)
            else:
                block = self.bus.read_block(dxl.VOLTAGE.address, 3)
                self._voltage = 0.1 * _column(block, slice(0, 2), "<u2")
                self._temperature = block[:, 2].astype(float)
        except BusError:
            return

    def _note(self, words: str, motors: Array) -> None:
        named = dxl.listed(np.asarray(self.config.ids)[motors])
        self.fault = RestartNeededError(f"motors {named} {words}: the hand is started anew")

    def _look_for_errors(self, errors: Array) -> None:
        broken = np.flatnonzero(errors)
        if len(broken):
            words = dxl.listed(
                f"motor {self.config.ids[i]} ({self.hand.joint_names[i]}): "
                f"{dxl.error_words(int(errors[i]))}"
                for i in broken
            )
            self.fault = HandFaultError(
                f"{words}; it has shut down: take the load away, let it cool, then call "
                "safety/reset, which restarts it"
            )

    def write(self, target: Array) -> Array:
        """See `HandDriver.write`."""
        wanted = admitted(self.hand, target, self._start, self.fault)
        encoder = self.hand.to_order(wanted + self._zero, ORDER)
        ticks = np.rint(encoder * dxl.TICKS / (2.0 * np.pi)).astype(int)
        self.bus.write(dxl.GOAL_POSITION, ticks)
        return self._joints(ticks * 2.0 * np.pi / dxl.TICKS) - self._zero

    def relax(self) -> None:
        """See `HandDriver.relax`. Without torque the watchdog has nothing to guard."""
        self._limp, self._start = True, None
        self.bus.write_checked(dxl.WATCHDOG, 0, "clearing the watchdog")
        self.bus.write_checked(dxl.TORQUE_ENABLE, 0, "torque off")

    def clear_fault(self) -> None:
        """See `HandDriver.clear_fault`: motors in fault are rebooted, and go limp."""
        self.bus.open()
        try:
            errors = self.bus.read(dxl.HARDWARE_ERROR)
            for motor in np.asarray(self.config.ids)[errors != 0]:
                self.bus.reboot(int(motor))
        finally:
            self.bus.close()

    def disconnect(self) -> None:
        """See `HandDriver.disconnect`."""
        with suppress(BusError):
            self.bus.write(dxl.TORQUE_ENABLE, 0)
            self.bus.write(dxl.TORQUE_ENABLE, 0)  # nobody confirms; one may be lost
        self.abandon()

    def abandon(self) -> None:
        """See `HandDriver.abandon`: the motors hold their goals, then the watchdog's."""
        self._start = None
        self.bus.close()


def _column(block: Array, columns: slice, kind: str) -> Array:
    """Figures of `kind` in these columns of (n, k) bytes, as (n,) floats."""
    return np.ascontiguousarray(block[:, columns]).view(kind)[:, 0].astype(float)
