"""The inside of XC330-M288 motors: control tables, and the servo that they describe.

Registers, their initial values and what refuses to be written are those of the ROBOTIS
e-manual. The servo is a model: its stiffness per gain step is what simulations of the LEAP hand
take for the vendor's gains (3 Nm/rad at a P gain of 800, LEAP_Hand_Sim).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dexgrasp.hardware import dynamixel as dxl
from dexgrasp.hardware.dynamixel import Register
from dexgrasp.types import Array

TABLE = 160  # bytes
RAM = 64  # first address that may be written with torque on
READ_ONLY = (*range(7), *range(70, 76), *range(120, 160))
GOALS = range(100, 120)
ERROR_ACCESS, ERROR_RANGE = 7, 4
TRIPPED = -1
RADIANS = 2.0 * np.pi / dxl.TICKS
INITIAL = {
    dxl.MODEL_NUMBER: dxl.MODEL,
    dxl.FIRMWARE: 52,
    dxl.RETURN_DELAY: 250,
    dxl.OPERATING_MODE: 3,
    dxl.TEMPERATURE_LIMIT: 70,
    dxl.CURRENT_LIMIT: 2352,
    dxl.SHUTDOWN: 52,
    dxl.P_GAIN: 400,
    dxl.VOLTAGE: 50,
}
OVERHEATED = 4  # bit 2 of the hardware error


@dataclass
class Servo:
    """What no register tells of a motor.

    stiffness [Nm/rad] of a step of the P gain, damping [Nm s/rad] of one of the D gain.
    stall [Nm] and free_speed [rad/s] at 5 V.  delay: of a goal before it acts [s].
    ambient [C], heating [C/(A2 s)], cooling [1/s].
    """

    stiffness: float = 3.0 / 800.0
    damping: float = 0.15 / 200.0
    torque_constant: float = 0.517
    stall: float = 0.93
    free_speed: float = 10.8
    delay: float = 0.0
    ambient: float = 30.0
    heating: float = 1.0
    cooling: float = 0.01


class Settings(NamedTuple):
    """What the registers ask of the servos, (n,) each; read again when one was written."""

    stiffness: Array
    damping: Array
    limit: Array
    enabled: Array
    watchdog: Array


class Motors:
    """n motors; row i of `table` (n, 160) uint8 is the control table of motor i."""

    def __init__(self, ids: tuple[int, ...], baud: int, servo: Servo) -> None:
        self.servo = servo
        self.powered = True
        self._settings: Settings | None = None
        self.table = np.zeros((len(ids), TABLE), dtype=np.uint8)
        self.temperature = np.full(len(ids), servo.ambient)
        for register, value in INITIAL.items():
            self.set(register, value)
        self.set(dxl.ID, np.array(ids))
        self.set(dxl.BAUD_RATE, dxl.BAUD_CODES[baud])
        self._silence = self._time = 0.0
        self._on_the_way: deque[tuple[float, Array]] = deque()
        self.place(np.zeros(len(ids)))

    def get(self, register: Register) -> Array:
        """The register of every motor (n,)."""
        block = self.table[:, register.address : register.address + register.size]
        return np.ascontiguousarray(block).view(register.kind)[:, 0]

    def set(self, register: Register, values: Array | int, rows: Array | slice | int = slice(None)):
        """Set the register of these rows, whatever a bus would say to that."""
        count = self.table[rows].reshape(-1, TABLE).shape[0]
        column = np.broadcast_to(values, count).astype(register.kind)
        block = column.view(np.uint8).reshape(count, register.size)
        self.table[rows, register.address : register.address + register.size] = block
        self._settings = None

    def reboot(self, rows: Array | slice | int = slice(None)) -> None:
        """Start anew as after power on: RAM has its initial values, torque is off."""
        self.table[rows, RAM:120] = 0
        self.set(dxl.P_GAIN, INITIAL[dxl.P_GAIN], rows)
        self.set(dxl.GOAL_CURRENT, self.get(dxl.CURRENT_LIMIT)[rows], rows)
        self.set(dxl.GOAL_POSITION, self.get(dxl.PRESENT_POSITION)[rows], rows)

    def write(self, row: int, address: int, data: bytes) -> int:
        """A bus writes to one motor; returns the error number of its status packet."""
        end = address + len(data)
        if end > TABLE:
            return ERROR_RANGE
        enabled = self.table[row, dxl.TORQUE_ENABLE.address]
        tripped = self.get(dxl.WATCHDOG)[row] == TRIPPED
        refused = (
            any(address <= a < end for a in READ_ONLY)
            or (address < RAM and enabled)
            or (tripped and address in GOALS)
            or (address == dxl.TORQUE_ENABLE.address and data[0] and self._shut_down[row])
        )
        if refused:
            return ERROR_ACCESS
        if address == dxl.GOAL_CURRENT.address and not self._within_limit(row, data):
            return ERROR_RANGE
        self.table[row, address:end] = np.frombuffer(data, dtype=np.uint8)
        self._settings = None
        if address == dxl.OPERATING_MODE.address:
            self._switch_mode(row)
        return 0

    def _within_limit(self, row: int, data: bytes) -> bool:
        wanted = int.from_bytes(data[:2], "little", signed=True)
        return abs(wanted) <= int(self.get(dxl.CURRENT_LIMIT)[row])

    def _switch_mode(self, row: int) -> None:
        self.set(dxl.P_GAIN, INITIAL[dxl.P_GAIN], row)
        self.set(dxl.D_GAIN, 0, row)
        self.set(dxl.I_GAIN, 0, row)
        self.set(dxl.GOAL_CURRENT, self.get(dxl.CURRENT_LIMIT)[row], row)

    @property
    def _shut_down(self) -> Array:
        return self.get(dxl.HARDWARE_ERROR) & self.get(dxl.SHUTDOWN) != 0

    def fail(self, row: int, bits: int) -> None:
        """Let a motor report a hardware error, and shut down if it is one of those."""
        self.set(dxl.HARDWARE_ERROR, bits, row)
        self._obey_shutdown()

    def _obey_shutdown(self) -> None:
        self.set(dxl.TORQUE_ENABLE, 0, np.flatnonzero(self._shut_down))

    def hear(self) -> None:
        """A packet passed: watchdogs start again."""
        self._silence = 0.0

    def place(self, angle: Array) -> None:
        """Put the encoders to `angle` (n,) [rad], and let the motors hold there."""
        self._angle, self._velocity, self._current = angle.copy(), 0.0 * angle, 0.0 * angle
        self.show()
        self._hold(slice(None))
        self._on_the_way.clear()
        self._acting = self.get(dxl.GOAL_POSITION) * RADIANS

    def _hold(self, rows: Array | slice) -> None:
        self.set(dxl.GOAL_POSITION, self.get(dxl.PRESENT_POSITION)[rows], rows)

    def show(self) -> None:
        """Bring the present figures of the table up to date."""
        settings = self._settings
        self.set(dxl.PRESENT_POSITION, np.rint(self._angle / RADIANS))
        self.set(dxl.PRESENT_VELOCITY, np.rint(self._velocity / dxl.VELOCITY_UNIT))
        self.set(dxl.PRESENT_CURRENT, np.rint(self._current / dxl.CURRENT_UNIT))
        self.set(dxl.TEMPERATURE, np.rint(self.temperature))
        self._settings = settings  # these figures are no settings

    def torque(self, angle: Array, velocity: Array, dt: float) -> Array:
        """(n,) [Nm] of the next `dt` seconds at encoder angles `angle` [rad]."""
        self._angle, self._velocity = angle, velocity
        self._watch(dt)
        if self._settings is None:
            self._settings = self._read_settings()
        settings, servo = self._settings, self.servo
        while self._on_the_way and self._on_the_way[0][0] <= self._time - servo.delay + 1e-9:
            self._acting = self._on_the_way.popleft()[1]
        wanted = settings.stiffness * (self._acting - angle) - settings.damping * velocity
        share = velocity / servo.free_speed
        low = np.maximum(-settings.limit, -servo.stall * (1.0 + share))
        high = np.minimum(settings.limit, servo.stall * (1.0 - share))
        torque = np.minimum(np.maximum(wanted, low), high) * settings.enabled
        self._current = torque / servo.torque_constant
        self._heat(dt)
        self._time += dt
        return torque

    def _read_settings(self) -> Settings:
        servo, get = self.servo, self.get
        self._on_the_way.append((self._time, get(dxl.GOAL_POSITION) * RADIANS))
        return Settings(
            stiffness=servo.stiffness * get(dxl.P_GAIN),
            damping=servo.damping * get(dxl.D_GAIN),
            limit=np.abs(get(dxl.GOAL_CURRENT)) * dxl.CURRENT_UNIT * servo.torque_constant,
            enabled=(get(dxl.TORQUE_ENABLE) == 1) & self.powered,
            watchdog=get(dxl.WATCHDOG) * dxl.WATCHDOG_UNIT,
        )

    def _watch(self, dt: float) -> None:
        self._silence += dt
        if self._settings is None:
            return
        watchdog = self._settings.watchdog
        late = (watchdog > 0.0) & (self._silence > watchdog)
        if late.any():
            rows = np.flatnonzero(late)
            self.show()
            self.set(dxl.WATCHDOG, TRIPPED, rows)
            self._hold(rows)

    def _heat(self, dt: float) -> None:
        servo = self.servo
        cooling = servo.cooling * (self.temperature - servo.ambient)
        self.temperature += dt * (servo.heating * self._current**2 - cooling)
        hot = self.temperature > self.get(dxl.TEMPERATURE_LIMIT)
        if hot.any():
            errors = self.get(dxl.HARDWARE_ERROR)
            self.set(dxl.HARDWARE_ERROR, np.where(hot, errors | OVERHEATED, errors))
            self._obey_shutdown()
