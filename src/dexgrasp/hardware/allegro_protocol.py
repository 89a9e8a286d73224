"""Frames of the Allegro hand's CAN bus, V4 and V5.

Sources: simlabrobotics/allegro_hand_ros_v4 (candrv), Wonikrobotics-git/allegro_hand_ros2 and
allegro_hand_ros2_v5. 1 Mbit/s, 11-bit identifiers, message number << 2, little-endian.

The answer to `INFORMATION` is, byte by byte, hardware (2), firmware (2), 0 for a right hand,
temperature in C, and a status: bit 0 servos on, bit 1 fault of high temperature, bit 2 fault of
internal communication (simlabrobotics/allegro_hand_ros_v4, AllegroHandDrv.cpp, which reads just
these). That is V4's. Of a V5 the vendor's own code reads versions and bit 0 alone
(Wonikrobotics-git/allegro_hand_ros2_v5, AllegroHandDrv.cpp; allegrohand.com, V5 CAN protocol); bits
1 and 2 count as faults there too, so that a hand which means the same by them is not overlooked.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import can
import numpy as np

from dexgrasp.types import Array

SERVO_ON, SERVO_OFF = 0x40, 0x41
POSITION, TORQUE = 0x20, 0x60  # plus the finger, 0 to 3
INFORMATION, SERIAL, PERIOD = 0x80, 0x88, 0x81
ERROR_V5 = 0xEE
BUS_OFF = 0x40  # of an error frame's identifier (linux/can/error.h)
FINGERS = range(4)


@dataclass(frozen=True)
class Version:
    """What differs between the hands.

    radians: of a unit of position.  scale: command units per Nm, in PWM (V4) or mA (V5), as the
    vendor's code has it.  limit: (16,) of commands, in those units.
    """

    number: int
    radians: float
    scale: float
    limit: Array


VERSIONS = {
    4: Version(
        4,
        np.radians(333.3 / 65536.0),
        1200.0,
        np.array([375, 675, 450, 285] * 3 + [525, 405, 270, 270]),
    ),
    5: Version(5, np.radians(0.088), 1430.0, np.full(16, 240)),
}


def version_of(number: int, effort: float | None = None) -> Version:
    """A hand's version; with motors of which the weakest gives `effort` [Nm], if that is named."""
    version = VERSIONS[number]
    if effort is None:
        return version
    return replace(version, scale=float(version.limit.min()) / effort)


@dataclass(frozen=True)
class Identity:
    """What a hand says of itself; gearing (`A` or `B`) is known of V5 only."""

    hardware: int
    firmware: int
    right: bool
    temperature: float
    serial: str
    gearing: str


def frame(message: int, data: bytes = b"") -> can.Message:
    """A frame that carries `data`."""
    return can.Message(arbitration_id=message << 2, data=data, is_extended_id=False)


def request(message: int) -> can.Message:
    """A frame that asks for one."""
    return can.Message(
        arbitration_id=message << 2, is_remote_frame=True, dlc=8, is_extended_id=False
    )


def torque_frames(units: Array) -> list[can.Message]:
    """The four frames of commands (16,) in the version's units."""
    return [
        frame(TORQUE + finger, struct.pack("<4h", *units[4 * finger : 4 * finger + 4].tolist()))
        for finger in FINGERS
    ]


def position_frames(units: Array) -> list[can.Message]:
    """The four frames of positions (16,) in the version's units."""
    return [
        frame(POSITION + finger, struct.pack("<4h", *units[4 * finger : 4 * finger + 4].tolist()))
        for finger in FINGERS
    ]


def four_units(message: can.Message) -> Array:
    """The four figures of a position or torque frame."""
    return np.array(struct.unpack("<4h", message.data))


def period_frame(milliseconds: int) -> can.Message:
    """Positions every so often, inertial unit and temperatures never."""
    return frame(PERIOD, struct.pack("<3h", milliseconds, 0, 0))


def information_frame(identity: Identity, status: int) -> can.Message:
    """The answer to `INFORMATION`; bits of `status`: see the module."""
    data = struct.pack(
        "<HHBBB", identity.hardware, identity.firmware, not identity.right,
        int(identity.temperature), status,
    )  # fmt: skip
    return frame(INFORMATION, data)
