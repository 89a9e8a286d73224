"""A serial port with Dynamixel motors behind it: protocol 2.0 on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dexgrasp.hardware import dynamixel as dxl
from dexgrasp.hardware.emulation.xc330 import Motors

HEADER, BROADCAST, STATUS = b"\xff\xff\xfd\x00", 0xFE, 0x55
PING, READ, WRITE, REBOOT = 0x01, 0x02, 0x03, 0x08
SYNC_READ, SYNC_WRITE, FAST_SYNC_READ = 0x82, 0x83, 0x8A
ERROR_INSTRUCTION, ALERT = 2, 0x80
THREAD_SWITCH = 1e-4  # [s] that a driver in this process may keep the motors from answering
LONGEST_WAIT = 1.0  # [s] for bytes that a closed port may have lost
POLL = 0.05  # [s] until a server that shall end looks up
BAUD_RATES = {getattr(termios, f"B{baud}"): baud for baud in dxl.BAUD_CODES}


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005 if crc & 0x8000 else crc << 1) & 0xFFFF
        table.append(crc)
    return table


CRC_TABLE = _crc_table()


def crc16(data: bytes, crc: int = 0) -> int:
    """CRC-16 of the protocol, polynomial 0x8005."""
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ CRC_TABLE[crc >> 8 ^ byte]
    return crc


@dataclass
class LineFaults:
    """What befalls answers: so many of the next are lost or damaged; -1: all of them."""

    lose: int = 0
    damage: int = 0


class DynamixelPort:
    """Serves `motors` on the pseudo-terminal `name`.

    before: is called ahead of each packet, under `lock`, as the packet's work is done.
    """

    def __init__(self, motors: Motors, before: Callable[[], None], lock: threading.RLock) -> None:
        self.motors, self.faults = motors, LineFaults()
        self._before, self._lock = before, lock
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.name = os.ttyname(self._slave)
        self._buffer = b""
        self.taken, self._taken = 0, threading.Condition()
        self._ended = threading.Event()
        sys.setswitchinterval(THREAD_SWITCH)
        self._thread = threading.Thread(target=self._serve, name="dynamixel bus", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server and remove the port."""
        self._ended.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def _serve(self) -> None:
        while not self._ended.is_set():
            if not select.select([self._master], [], [], POLL)[0]:
                continue
            data = os.read(self._master, 4096)
            self._buffer += data
            if not self._hears():
                self._buffer = b""
            while (packet := self._next_packet()) is not None:
                with self._lock:
                    self._before()
                    self.motors.hear()
                    answer = self._answer(*packet)
                if answer:
                    self._send(answer)
            with self._taken:
                self.taken += len(data)
                self._taken.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until `count` bytes were taken and obeyed since the begin, or for `LONGEST_WAIT`."""
        with self._taken:
            self._taken.wait_for(lambda: self.taken >= count, LONGEST_WAIT)

    def _hears(self) -> bool:
        """Whether the motors have power and the speed that the host has set."""
        speed = BAUD_RATES.get(termios.tcgetattr(self._slave)[5])
        return self.motors.powered and (
            speed is not None and dxl.BAUD_CODES[speed] == self.motors.get(dxl.BAUD_RATE)[0]
        )

    def _send(self, answer: bytes) -> None:
        faults = self.faults
        if faults.lose:
            faults.lose -= faults.lose > 0
            return
        if faults.damage:
            faults.damage -= faults.damage > 0
            answer = answer[:-3] + bytes([answer[-3] ^ 0xFF]) + answer[-2:]
        os.write(self._master, answer)

    def _next_packet(self) -> tuple[int, int, bytes] | None:
        """(id, instruction, parameters) of the next whole packet; None while there is none."""
        while True:
            start = self._buffer.find(HEADER)
            if start < 0 or len(self._buffer) < start + 7:
                return None
            length = int.from_bytes(self._buffer[start + 5 : start + 7], "little")
            end = start + 7 + length
            if len(self._buffer) < end:
                return None
            packet, self._buffer = self._buffer[start:end], self._buffer[end:]
            if length >= 3 and crc16(packet[:-2]) == int.from_bytes(packet[-2:], "little"):
                body = packet[7:-2].replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")
                return packet[4], body[0], body[1:]

    def _answer(self, target: int, instruction: int, parameters: bytes) -> bytes:
        ids = self.motors.get(dxl.ID).tolist()
        if instruction == SYNC_WRITE:
            return self._sync_write(ids, parameters)
        if instruction in (SYNC_READ, FAST_SYNC_READ):
            return self._sync_read(ids, parameters, instruction == FAST_SYNC_READ)
        rows = [row for row, motor in enumerate(ids) if target in (motor, BROADCAST)]
        return b"".join(self._single(row, instruction, parameters) for row in rows)

    def _single(self, row: int, instruction: int, parameters: bytes) -> bytes:
        motors = self.motors
        if instruction == PING:
            return self._status(row, bytes(motors.table[row, [0, 1, 6]]))
        if instruction == READ:
            address, length = np.frombuffer(parameters[:4], "<u2").tolist()
            return self._status(row, bytes(motors.table[row, address : address + length]))
        if instruction == WRITE:
            address = int.from_bytes(parameters[:2], "little")
            return self._status(row, b"", motors.write(row, address, parameters[2:]))
        if instruction == REBOOT:
            answer = self._status(row, b"")
            motors.reboot(row)
            motors.set(dxl.HARDWARE_ERROR, 0, row)
            return answer
        return self._status(row, b"", ERROR_INSTRUCTION)

    def _error_byte(self, row: int, error: int = 0) -> int:
        alert = ALERT if self.motors.table[row, dxl.HARDWARE_ERROR.address] else 0
        return error | alert

    def _status(self, row: int, data: bytes, error: int = 0) -> bytes:
        body = bytes([STATUS, self._error_byte(row, error)]) + data
        return _packet(
            int(self.motors.get(dxl.ID)[row]), body.replace(HEADER[:3], b"\xff\xff\xfd\xfd")
        )

    def _sync_write(self, ids: list[int], parameters: bytes) -> bytes:
        address, length = np.frombuffer(parameters[:4], "<u2").tolist()
        for start in range(4, len(parameters), 1 + length):
            if parameters[start] in ids:
                data = parameters[start + 1 : start + 1 + length]
                self.motors.write(ids.index(parameters[start]), address, data)
        return b""

    def _sync_read(self, ids: list[int], parameters: bytes, fast: bool) -> bytes:
        address, length = np.frombuffer(parameters[:4], "<u2").tolist()
        asked = parameters[4:]
        if not fast:
            present = [ids.index(motor) for motor in asked if motor in ids]
            table = self.motors.table
            return b"".join(
                self._status(row, bytes(table[row, address : address + length])) for row in present
            )
        # One packet of all motors, each writing its part: one that is missing leaves a hole.
        total = len(asked) * (length + 4) + 1
        answer = HEADER + bytes([BROADCAST]) + total.to_bytes(2, "little") + bytes([STATUS])
        crc, done = crc16(answer), len(answer)
        for motor in asked:
            if motor not in ids:
                return answer
            row = ids.index(motor)
            answer += bytes([self._error_byte(row), motor])
            answer += bytes(self.motors.table[row, address : address + length])
            crc, done = crc16(answer[done:], crc), len(answer)
            answer += crc.to_bytes(2, "little")
            crc, done = crc16(answer[done:], crc), len(answer)
        return answer


def _packet(motor: int, body: bytes) -> bytes:
    packet = HEADER + bytes([motor]) + (len(body) + 2).to_bytes(2, "little") + body
    return packet + crc16(packet).to_bytes(2, "little")
