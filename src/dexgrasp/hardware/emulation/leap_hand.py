"""A LEAP hand without hardware: motors on a serial port, and joints that they move."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.hardware import dynamixel as dxl
from dexgrasp.hardware.config import LeapConfig
from dexgrasp.hardware.emulation.dynamixel_port import DynamixelPort
from dexgrasp.hardware.emulation.joints import STEP, FreeJoints
from dexgrasp.hardware.emulation.xc330 import RADIANS, Motors, Servo
from dexgrasp.types import Array

ORDER = "dynamixel"
LONGEST_CATCH_UP = 0.5  # [s] of a hand that nobody spoke to


class EmulatedLeap:
    """A hand on the serial port `port`; the unmodified SDK talks to it.

    joints: move in the time of `clock`; None: something else moves them, by `drive`.
    torque: (J,) [Nm] that the motors gave last.
    motors, line.faults: for tests, to look at and to break. `lock` before touching them.
    """

    def __init__(
        self,
        hand: HandModel,
        config: LeapConfig,
        joints: FreeJoints | None = None,
        servo: Servo | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hand, self.joints = hand, joints
        self.lock = threading.RLock()
        self.motors = Motors(config.ids, config.baud, servo or Servo())
        self._clock, self._time = clock, clock()
        self.torque = np.zeros(hand.joint_count)
        self.place(hand.postures["open"] if joints is None else joints.position)
        self.line = DynamixelPort(self.motors, self.catch_up, self.lock)

    @property
    def port(self) -> str:
        """The serial port's name."""
        return self.line.name

    def place(self, position: Array) -> None:
        """Put the fingers to `position` (J,) [rad], by hand so to speak; they stay there."""
        with self.lock:
            self.motors.place(self.hand.to_order(position, ORDER))
            if self.joints is not None:
                self.joints.position = position.copy()

    def drive(self, position: Array, velocity: Array, dt: float) -> Array:
        """Torques (J,) [Nm] of the next `dt` [s], given where the joints are [rad], [rad/s]."""
        with self.lock:
            zero = self.hand.to_order(np.zeros_like(velocity), ORDER)
            turned = self.hand.to_order(velocity, ORDER) - zero
            torque = self.motors.torque(self.hand.to_order(position, ORDER), turned, dt)
            self.torque = self.hand.from_order(torque + zero, ORDER)
            return self.torque

    @property
    def goal(self) -> Array:
        """(J,) [rad] where the motors are to go."""
        with self.lock:
            return self.hand.from_order(self.motors.get(dxl.GOAL_POSITION) * RADIANS, ORDER)

    def catch_up(self) -> None:
        """Let the joints move until now. Called ahead of each packet, and by tests."""
        with self.lock:
            now = self._clock()
            self._time = max(self._time, now - LONGEST_CATCH_UP)
            while self.joints is not None and self._time + STEP <= now:
                torque = self.drive(self.joints.position, self.joints.velocity, STEP)
                self.joints.step(torque)
                self._time += STEP
            self.motors.show()

    def switch_power(self, on: bool) -> None:
        """Cut the power, or restore it: motors come up with torque off."""
        self.catch_up()
        with self.lock:
            self.motors.powered = on
            self.motors.reboot()  # makes `powered` count, too

    def close(self) -> None:
        """Remove the port."""
        self.line.close()
