"""The Allegro hand, V4 and V5: the host closes the position loop and sends torques."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import can
import numpy as np

from dexgrasp.geometry import transform_points
from dexgrasp.hands import HandModel
from dexgrasp.hardware import allegro_protocol as protocol
from dexgrasp.hardware.allegro_protocol import Identity, Version, version_of
from dexgrasp.hardware.config import AllegroConfig, load_zeros
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

ORDER = "can"  # of config/hands
ANSWER = 0.5  # [s] for the hand to say who it is
ASK_EVERY = 20  # cycles between two questions for faults and temperature: 60 ms
FRAMES = 4
SERVOS_ON = 1  # bit 0 of the status, see `allegro_protocol`
STATUS_WORDS = {1: "too hot", 2: "internal communication"}  # by bit
COUPLED = (1, 5, 9)  # joints that gearing B moves twice as strongly (allegro_hand_ros2_v5)


class AllegroDriver:
    """`HandDriver` of an Allegro hand. clock: of the states [s].  version: None for a real one's.

    Stiffness and damping are those of the hand's YAML, which the simulation has too.
    identity: what the hand said of itself. Raises ConfigError.
    """

    def __init__(
        self,
        hand: HandModel,
        config: AllegroConfig,
        clock: Callable[[], float] = time.monotonic,
        version: Version | None = None,
    ) -> None:
        self.hand, self.config = hand, config
        self.period = 1.0 / config.rate
        self.fault: HandError | None = None
        self.identity: Identity | None = None
        self._version = version or version_of(config.version)
        self._scale = np.full(hand.joint_count, self._version.scale)
        self._zero = load_zeros(config.calibration, hand)
        self._clock = clock
        self._bus: can.BusABC | None = None
        self._guard: subprocess.Popen | None = None
        self._forget()

    def _forget(self) -> None:
        joints = self.hand.joint_count
        self.fault, self._start, self._cycles, self._limp = None, None, 0, False
        self._units, self._fresh = np.zeros(joints), np.zeros(FRAMES, dtype=bool)
        self._position = self._velocity = np.full(joints, np.nan)
        self._effort, self._time = np.zeros(joints), np.nan
        self._temperature = np.nan

    def connect(self) -> None:
        """See `HandDriver.connect`. Torques are zero until the first `write`."""
        self._close()
        self._forget()
        config = self.config
        try:
            self._bus = can.Bus(
                interface=config.interface, channel=config.channel, bitrate=1_000_000
            )
        except (can.CanError, OSError) as error:
            raise BusError(
                f"CAN {config.interface}:{config.channel} cannot be opened ({error}): plug the "
                "adapter in, then: ip link set can0 up type can bitrate 1000000 restart-ms 20"
            ) from error
        try:
            self._identify()
            self._guard = _start_guard(config)
            self._send_torque(np.zeros(self.hand.joint_count))
            self._send(protocol.period_frame(round(1e3 * self.period)))
            self._send(protocol.frame(protocol.SERVO_ON))
        except HandError:
            self.disconnect()
            raise

    def _identify(self) -> None:
        self._send(protocol.frame(protocol.SERVO_OFF))
        information = self._ask(protocol.INFORMATION)
        serial = bytes(self._ask(protocol.SERIAL).data).decode("ascii", "replace")
        hardware, firmware, left, temperature, status = struct.unpack(
            "<HHBBB", information.data[:7]
        )
        v5 = self.config.version == 5
        right = serial[3:4] == "R" if v5 else not left
        self.identity = Identity(
            hardware, firmware, right, temperature, serial, serial[2:3] if v5 else ""
        )
        if right != self.hand.name.endswith("right"):
            found = "right" if right else "left"
            raise HandError(f"this is a {found} hand ({serial}), not {self.hand.name}")
        if self.identity.gearing == "B":
            self._scale[list(COUPLED)] = 0.5 * self._version.scale
        self._judge(status, temperature)
        if self.fault is not None:
            raise self.fault

    def _ask(self, message: int) -> can.Message:
        self._send(protocol.request(message))
        end = time.monotonic() + ANSWER
        while (left := end - time.monotonic()) > 0.0:
            answer = self._receive(left)
            if answer is not None and answer.arbitration_id == message << 2:
                return answer
        raise BusError(
            f"no Allegro hand answers on {self.config.interface}:{self.config.channel}: switch "
            "its power on, check the cable, the termination and the bit rate (1 Mbit/s)"
        )

    def read(self) -> HandState:
        """See `HandDriver.read`. Waits for positions of all fingers, two periods at most."""
        self._fresh[:] = False
        end = time.monotonic() + 2.0 * self.period + self.config.grace
        while not self._fresh.all():
            left = end - time.monotonic()
            message = self._receive(max(left, 0.0))
            if message is None:
                self._ask_why()
                raise BusError(
                    "the hand's positions stopped coming: check its power and the CAN cable"
                )
            self._take(message)
        while (message := self._receive(0.0)) is not None:
            self._take(message)
        self._cycles += 1
        if self._cycles % ASK_EVERY == 0:
            self._send(protocol.request(protocol.INFORMATION))
        if self.fault is not None:
            self._send_torque(np.zeros(self.hand.joint_count))
        return self._estimate()

    def _ask_why(self) -> None:
        """A V5 whose servos are off tells no positions, but answers what it is asked."""
        self._send(protocol.request(protocol.INFORMATION))
        end = time.monotonic() + self.period + self.config.grace
        while self.fault is None and (left := end - time.monotonic()) > 0.0:
            message = self._receive(left)
            if message is not None:
                self._take(message)

    def _take(self, message: can.Message) -> None:
        number = message.arbitration_id >> 2
        finger = number - protocol.POSITION
        if message.is_error_frame:
            if message.arbitration_id & protocol.BUS_OFF:
                self.fault = RestartNeededError(
                    "the CAN adapter went BUS-OFF: check cable, termination and bit rate; it is "
                    "opened anew"
                )
                raise BusError(str(self.fault))
        elif message.is_remote_frame:
            return
        elif 0 <= finger < FRAMES:
            self._units[4 * finger : 4 * finger + 4] = protocol.four_units(message)
            self._fresh[finger] = True
        elif number == protocol.INFORMATION:
            self._judge(message.data[6], message.data[5])
            if not message.data[6] & SERVOS_ON and self.fault is None:
                self.fault = RestartNeededError(
                    "the hand's servos are off, by itself or another program: it is started anew"
                )
        elif number == protocol.ERROR_V5:
            self._fail(f"error frame {bytes(message.data).hex()}")

    def _judge(self, status: int, temperature: int) -> None:
        self._temperature = float(temperature)
        words = [text for bit, text in STATUS_WORDS.items() if status >> bit & 1]
        if words:
            self._fail(" and ".join(words))

    def _fail(self, words: str) -> None:
        self.fault = HandFaultError(
            f"the hand reports a fault ({words}): let it cool, then call safety/reset"
        )

    def _estimate(self) -> HandState:
        """Positions as read; velocities by filtered differences."""
        now = self._clock()
        position = self.hand.from_order(self._units * self._version.radians, ORDER) - self._zero
        if not (self._limp or (self._start and self._start.begun)):
            step = self.config.soft_start_speed * self.period
            self._start = SoftStart(position, step)
        if np.isnan(self._time):
            self._velocity = np.zeros(len(position))
        elif now > self._time:
            share = min(1.0, (now - self._time) / self.config.velocity_filter)
            raw = (position - self._position) / (now - self._time)
            self._velocity = self._velocity + share * (raw - self._velocity)
        self._position, self._time = position, now
        joints = len(position)
        unknown = np.full(joints, np.nan)
        temperature = np.full(joints, self._temperature)
        return HandState(now, position, self._velocity, self._effort, unknown, temperature, unknown)

    def write(self, target: Array) -> Array:
        """See `HandDriver.write`. The effort in states is what is sent here: none is measured."""
        wanted = admitted(self.hand, target, self._start, self.fault)
        pull = self.hand.stiffness * (wanted - self._position)
        torque = pull - self.hand.damping * self._velocity + self._gravity()
        self._send_torque(torque.clip(-self.config.torque_limit, self.config.torque_limit))
        return wanted

    def _gravity(self) -> Array:
        """(J,) [Nm] that hold the fingers up against `config.gravity`, in the palm [m/s2]."""
        gravity = np.asarray(self.config.gravity)
        if not gravity.any():
            return np.zeros(self.hand.joint_count)
        links = self.hand.links
        poses = self.hand.forward(self._position[None])[0]
        com = transform_points(poses, np.array([link.com for link in links])[:, None])[:, 0]
        jacobian = self.hand.jacobian(self._position[None], np.arange(len(links)), com[None])[0]
        mass = np.array([link.mass for link in links])
        return -np.einsum("k,c,kcj->j", mass, gravity, jacobian)

    def _send_torque(self, torque: Array) -> None:
        limit = self._version.limit
        units = np.rint(self.hand.to_order(torque, ORDER) * self._scale).clip(-limit, limit)
        for message in protocol.torque_frames(units.astype(int)):
            self._send(message)
        self._effort = self.hand.from_order(units / self._scale, ORDER)

    def relax(self) -> None:
        """See `HandDriver.relax`. Servos stay on: a V5 tells positions only then."""
        self._limp, self._start = True, None
        self._send_torque(np.zeros(self.hand.joint_count))

    def clear_fault(self) -> None:
        """See `HandDriver.clear_fault`: the servos were switched off, which is all it takes."""

    def disconnect(self) -> None:
        """See `HandDriver.disconnect`."""
        self.abandon()
        self._close()

    def abandon(self) -> None:
        """See `HandDriver.abandon`: without positions there is no holding, so it goes limp.

        Zero torque first: a V5 keeps its last one for ever. The bus stays open, for the next try.
        """
        self._start = None
        with suppress(BusError):  # the guard tries once more
            self._send_torque(np.zeros(self.hand.joint_count))
            self._send(protocol.frame(protocol.SERVO_OFF))

    def _close(self) -> None:
        _end_guard(self._guard)
        if self._bus is not None:
            self._bus.shutdown()
        self._bus = self._guard = None

    def _send(self, message: can.Message) -> None:
        if self._bus is None:
            raise BusError("the CAN bus is not open")
        try:
            self._bus.send(message, timeout=self.period)
        except (can.CanError, OSError) as error:
            raise BusError(f"the CAN bus takes no frames ({error}): check the cable") from error

    def _receive(self, timeout: float) -> can.Message | None:
        if self._bus is None:
            raise BusError("the CAN bus is not open")
        try:
            return self._bus.recv(timeout)
        except (can.CanError, OSError) as error:
            raise BusError(f"the CAN bus is gone ({error}): check the cable") from error


def _start_guard(config: AllegroConfig) -> subprocess.Popen | None:
    """A process that makes the hand limp when this one is gone, however it ended."""
    if config.interface == "virtual":  # it would be in this very process
        return None
    return subprocess.Popen(
        [sys.executable, "-m", "dexgrasp.hardware.allegro_guard", config.interface, config.channel],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the driver
    )


def _end_guard(guard: subprocess.Popen | None) -> None:
    if guard is not None and guard.stdin is not None:
        guard.stdin.close()
        guard.wait()
