"""An Allegro hand without hardware, V4 or V5, on any bus of python-can."""

from __future__ import annotations

import struct
import threading
import time

import can
import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.hardware import allegro_protocol as protocol
from dexgrasp.hardware.allegro_protocol import Identity, Version, version_of
from dexgrasp.hardware.config import AllegroConfig
from dexgrasp.hardware.emulation.joints import STEP, FreeJoints
from dexgrasp.types import Array

ORDER = "can"
SERIALS = {4: "SAH040R1", 5: "SAAR0001"}
TOO_HOT = 2
LONGEST_LAG = 0.05  # [s] that a late thread makes up for


class EmulatedAllegro:
    """A hand that obeys the last torques it got, as a real one does, even of a host that died.

    joints: what `advance` moves; in `real_time` that happens by itself.  version: None for a
    real hand's.
    identity: what it says of itself.
    powered, bus_off, stale: for tests. bus_off: no frame passes for so long [s].  stale: no
    positions come.  torque: (J,) [Nm] that the motors gave last.
    """

    def __init__(
        self,
        hand: HandModel,
        config: AllegroConfig,
        joints: FreeJoints | None = None,
        real_time: bool = False,
        version: Version | None = None,
    ) -> None:
        self.hand, self.joints = hand, joints
        self.version = version or version_of(config.version)
        serial = SERIALS[config.version]
        self.identity = Identity(0x0401, 0x0301, True, 35.0, serial, serial[2])
        self.powered, self.stale, self.bus_off = True, False, 0.0
        self.torque = np.zeros(hand.joint_count)
        self.faults = 0  # bits of the status
        self.servos = False
        self.log: list[int] = []  # message numbers that came, for tests
        self._units = np.zeros(16)
        self._lock = threading.RLock()
        self._position = hand.postures["open"] if joints is None else joints.position
        self._stream, self._since = 0.0, 0.0
        self._bus = can.Bus(interface=config.interface, channel=config.channel, bitrate=1_000_000)
        self._ended = threading.Event()
        self._real_time = real_time
        self._thread = threading.Thread(target=self._run, name="allegro", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        """Answer, and let the joints move if they are to do so in real time."""
        then = time.monotonic()
        while not self._ended.is_set():
            then = max(then + STEP, time.monotonic() - LONGEST_LAG)
            self.obey()
            if self._real_time:
                self.advance(STEP)
            time.sleep(max(0.0, then - time.monotonic()))

    def advance(self, duration: float) -> None:
        """Let the joints move for a multiple of `STEP` [s]."""
        joints = self.joints
        if joints is None:
            raise ValueError("joints of a simulator move by `drive`")
        for _ in range(round(duration / STEP)):
            joints.step(self.drive(joints.position, joints.velocity, STEP))

    def drive(self, position: Array, velocity: Array, dt: float) -> Array:
        """Torques (J,) [Nm] of the next `dt` [s], given where the joints are [rad], [rad/s].

        Takes the frames that came, and sends positions when they are due.
        """
        with self._lock:
            self.obey()
            self.bus_off = max(0.0, self.bus_off - dt)
            self._position = position
            self._since += dt
            if self._stream and self._since >= self._stream - 1e-9:
                self._since = 0.0
                self._send_positions()
        drives = float(self.powered and self.servos)
        self.torque = drives * self.hand.from_order(self._units / self.version.scale, ORDER)
        return self.torque

    def place(self, position: Array) -> None:
        """Put the fingers to `position` (J,) [rad], by hand so to speak."""
        with self._lock:
            self._position = position
            if self.joints is not None:
                self.joints.position = position.copy()

    def _send_positions(self) -> None:
        silent = self.version.number == 5 and not self.servos  # a V4 may go on: facts are of V5
        if not self.powered or silent or self.bus_off or self.stale:
            return
        units = np.rint(self.hand.to_order(self._position, ORDER) / self.version.radians)
        for message in protocol.position_frames(units.astype(int)):
            self._bus.send(message)

    def obey(self) -> None:
        """Take the frames that came."""
        with self._lock:
            while (message := self._bus.recv(0.0)) is not None:
                if self.powered and not self.bus_off and not message.is_error_frame:
                    self._take(message)

    def _take(self, message: can.Message) -> None:
        number = message.arbitration_id >> 2
        self.log.append(number)
        finger = number - protocol.TORQUE
        if message.is_remote_frame:
            self._tell(number)
        elif number == protocol.SERVO_ON:
            self.servos = True
            self._send_positions()
        elif number == protocol.SERVO_OFF:
            self.servos = False
        elif number == protocol.PERIOD:
            self._stream = 1e-3 * struct.unpack("<3h", message.data)[0]
        elif 0 <= finger < 4:
            self._units[4 * finger : 4 * finger + 4] = protocol.four_units(message)

    def _tell(self, number: int) -> None:
        if number == protocol.INFORMATION:
            status = self.faults | self.servos
            self._bus.send(protocol.information_frame(self.identity, status))
        elif number == protocol.SERIAL:
            self._bus.send(protocol.frame(number, self.identity.serial.encode()))

    def go_bus_off(self, duration: float = np.inf) -> None:
        """Break the bus: adapters report it by an error frame, then no frame passes.

        duration: until the adapter takes part again, as with `restart-ms` of SocketCAN [s].
        """
        self.bus_off = duration
        self._bus.send(can.Message(arbitration_id=protocol.BUS_OFF, is_error_frame=True))

    def switch_power(self, on: bool) -> None:
        """Cut the power, or restore it: servos are off then."""
        self.powered, self.servos, self._stream = on, False, 0.0
        self._units[:] = 0.0

    def close(self) -> None:
        """Leave the bus."""
        self._ended.set()
        self._thread.join()
        self._bus.shutdown()
