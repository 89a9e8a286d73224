"""Waits for the death of a driver, then makes its Allegro hand limp.

A V5 keeps its last current when its host dies. So the driver starts this program with a pipe as
standard input, which closes with the driver's process, however that ends.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

import can
import numpy as np

from dexgrasp.hardware import allegro_protocol as protocol


def guard(bus: can.BusABC, driver: BinaryIO) -> None:
    """Send zero torques, then servo off, when `driver` is at its end."""
    driver.read()
    for message in protocol.torque_frames(np.zeros(16, dtype=int)):
        bus.send(message)
    bus.send(protocol.frame(protocol.SERVO_OFF))


def main() -> None:
    """Guard the bus of the command line: interface, channel."""
    interface, channel = sys.argv[1:3]
    with can.Bus(interface=interface, channel=channel, bitrate=1_000_000) as bus:
        guard(bus, sys.stdin.buffer)


if __name__ == "__main__":
    main()
