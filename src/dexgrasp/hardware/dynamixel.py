"""A Dynamixel bus, protocol 2.0, over the vendor's SDK: whole-hand reads and writes.

Addresses are those of the XC330-M288 (ROBOTIS e-manual).
"""

from __future__ import annotations

import select
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import dynamixel_sdk as sdk
import numpy as np
import serial

from dexgrasp.hardware.driver import BusError, HandError
from dexgrasp.types import Array

MODEL = 1240  # XC330-M288
TICKS = 4096  # of a turn
VELOCITY_UNIT = 0.229 * 2.0 * np.pi / 60.0  # [rad/s]
CURRENT_UNIT = 0.001  # [A]
WATCHDOG_UNIT = 0.02  # [s]
CURRENT_BASED_POSITION = 5
TRIES = 3
CALM = 0.1  # [s] until an answer counts as lost while nothing moves yet


class Register(NamedTuple):
    """A figure of the control table: NumPy type `kind`, little-endian."""

    address: int
    kind: str

    @property
    def size(self) -> int:
        """Bytes."""
        return np.dtype(self.kind).itemsize


MODEL_NUMBER = Register(0, "<u2")
FIRMWARE = Register(6, "<u1")
ID = Register(7, "<u1")
BAUD_RATE = Register(8, "<u1")
RETURN_DELAY = Register(9, "<u1")
OPERATING_MODE = Register(11, "<u1")
TEMPERATURE_LIMIT = Register(31, "<u1")
CURRENT_LIMIT = Register(38, "<u2")
SHUTDOWN = Register(63, "<u1")
TORQUE_ENABLE = Register(64, "<u1")
HARDWARE_ERROR = Register(70, "<u1")
D_GAIN = Register(80, "<u2")
I_GAIN = Register(82, "<u2")
P_GAIN = Register(84, "<u2")
WATCHDOG = Register(98, "<i1")
GOAL_CURRENT = Register(102, "<i2")
GOAL_POSITION = Register(116, "<i4")
PRESENT_CURRENT = Register(126, "<i2")
PRESENT_VELOCITY = Register(128, "<i4")
PRESENT_POSITION = Register(132, "<i4")
VOLTAGE = Register(144, "<u2")
TEMPERATURE = Register(146, "<u1")
BAUD_CODES = {57600: 1, 115200: 2, 1000000: 3, 2000000: 4, 3000000: 5, 4000000: 6}

ERROR_BITS = {
    0: "input voltage", 2: "overheating", 4: "electrical shock", 5: "overload",
}  # fmt: skip


def error_words(bits: int) -> str:
    """The names of a `HARDWARE_ERROR`."""
    return " and ".join(words for bit, words in ERROR_BITS.items() if bits >> bit & 1)


class _Port(sdk.PortHandler):
    """The SDK's port, which sleeps until bytes come instead of asking for them all the time.

    patience: until an answer counts as lost [s], in place of the SDK's 34 ms.
    written: bytes so far.
    """

    patience, written = 0.0, 0

    def setPacketTimeout(self, packet_length: int) -> None:
        self.setPacketTimeoutMillis(1e3 * self.patience)

    def writePort(self, packet: list[int]) -> int | None:
        self.written += len(packet)
        return super().writePort(packet)

    def readPort(self, length: int) -> bytes:
        left = 1e-3 * (self.packet_timeout - self.getTimeSinceStart())
        select.select([self.ser], [], [], max(left, 0.0))  # pyright: ignore[reportArgumentType]
        return super().readPort(length)  # pyright: ignore[reportReturnType]


class DynamixelBus:
    """Motors `ids` on the serial port `port`; figures of all are arrays (n,) in that order."""

    def __init__(self, port: str, baud: int, ids: Sequence[int]) -> None:
        self.port, self.baud, self.ids = port, baud, tuple(ids)
        self._port = _Port(port)
        self._port.patience = CALM
        self._packets = sdk.PacketHandler(2.0)
        self._reads: dict[tuple[int, int], sdk.GroupSyncRead] = {}

    @property
    def written(self) -> int:
        """Bytes that were sent so far."""
        return self._port.written

    def hurry(self, patience: float) -> None:
        """Count an answer as lost after `patience` [s]."""
        self._port.patience = patience

    def open(self) -> None:
        """Open the port, with time for answers. Raises HandError with what may be wrong."""
        self._port.patience = CALM
        try:
            opened = self._port.setBaudRate(self.baud)
        except (serial.SerialException, OSError) as error:
            raise BusError(
                f"{self.port} cannot be opened ({error}): check the cable, the port's name "
                "(ls /dev/serial/by-id) and that you are in the group dialout"
            ) from error
        if not opened:
            raise HandError(f"baud rate {self.baud} is unknown; known: {list(BAUD_CODES)}")

    def close(self) -> None:
        """Close the port."""
        if self._port.is_open:
            self._port.closePort()
        self._port.is_using = False

    def search(self) -> dict[int, int]:
        """Model numbers by id of all motors that answer, whatever their ids. Takes a second."""
        found, _ = self._guard(self._packets.broadcastPing, self._port)
        return {motor: model for motor, (model, _) in sorted((found or {}).items())}

    def reboot(self, motor: int) -> None:
        """Restart a motor, which clears its hardware error. Raises BusError."""
        result, _ = self._guard(self._packets.reboot, self._port, motor)
        self._check(result, f"reboot of motor {motor}")

    def read(self, register: Register, tries: int = TRIES) -> Array:
        """The register of every motor. Raises BusError."""
        block = self.read_block(register.address, register.size, tries)
        return block.view(register.kind)[:, 0]

    def read_block(self, address: int, length: int, tries: int = 1) -> Array:
        """`length` bytes from `address` of every motor by one fast sync read: (n, length) uint8.

        Raises BusError.
        """
        group = self._reads.get((address, length))
        if group is None:
            group = sdk.GroupSyncRead(self._port, self._packets, address, length)
            for motor in self.ids:
                group.addParam(motor)
            self._reads[address, length] = group
        result = sdk.COMM_RX_CORRUPT
        for _ in range(tries):
            try:
                result = self._guard(group.fastSyncRead)
            except IndexError:  # the SDK trusts the length that a damaged packet claims
                result = sdk.COMM_RX_CORRUPT
            if result == sdk.COMM_SUCCESS:
                data = b"".join(bytes(group.data_dict[motor]) for motor in self.ids)
                return np.frombuffer(data, dtype=np.uint8).reshape(len(self.ids), length)
        raise BusError(f"read of address {address} on {self.port}: {self._words(result)}")

    def write(self, register: Register, values: Array | int) -> None:
        """Write a register of every motor by one sync write, which nobody answers.

        Raises BusError.
        """
        column = np.broadcast_to(values, len(self.ids)).astype(register.kind)
        group = sdk.GroupSyncWrite(self._port, self._packets, register.address, register.size)
        for motor, value in zip(self.ids, column, strict=True):
            group.addParam(motor, list(value.tobytes()))
        self._check(self._guard(group.txPacket), f"write of address {register.address}")

    def write_checked(self, register: Register, values: Array | int, what: str) -> None:
        """The same, and read it back. Raises BusError, HandError for motors that refused."""
        wanted = np.broadcast_to(values, len(self.ids)).astype(register.kind)
        found = wanted
        for _ in range(TRIES):
            self.write(register, wanted)
            found = self.read(register)
            if (found == wanted).all():
                return
        refused = [
            f"motor {self.ids[i]} has {found[i]} instead of {wanted[i]}"
            for i in np.flatnonzero(found != wanted)
        ]
        raise HandError(f"{what} was refused: {', '.join(refused)}; run dexgrasp doctor")

    def _guard(self, call, *arguments):
        """A call of the SDK. Raises BusError when the port is not open, or is gone."""
        if not self._port.is_open:
            raise BusError(f"{self.port} is not open")
        try:
            return call(*arguments)
        except (serial.SerialException, OSError, TypeError) as error:
            # A port that was pulled out: pyserial raises any of these, by version.
            self._port.is_using = False
            raise BusError(f"{self.port} is gone ({error}): check the cable") from error

    def _check(self, result: int, what: str) -> None:
        if result != sdk.COMM_SUCCESS:
            raise BusError(f"{what} on {self.port}: {self._words(result)}")

    def _words(self, result: int) -> str:
        return self._packets.getTxRxResult(result).removeprefix("[TxRxResult] ")


def listed(names: Iterable[object]) -> str:
    """Names for a sentence."""
    return ", ".join(str(name) for name in names)
