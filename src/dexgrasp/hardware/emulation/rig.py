"""A driver with an emulated hand on its bus, in a time that only its user moves.

For tests and benchmarks: how fast the machine is decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.hardware.allegro import AllegroDriver
from dexgrasp.hardware.config import load_allegro, load_leap
from dexgrasp.hardware.emulation.allegro_hand import EmulatedAllegro
from dexgrasp.hardware.emulation.joints import STEP, FreeJoints
from dexgrasp.hardware.emulation.leap_hand import EmulatedLeap
from dexgrasp.hardware.emulation.xc330 import Servo
from dexgrasp.hardware.leap import ORDER, LeapDriver
from dexgrasp.hardware.link import HandLink
from dexgrasp.hardware.sysid import Servos
from dexgrasp.types import Array

CYCLE = 0.004  # [s]
PATIENT = 0.3  # [s] for answers: on a busy machine the emulator's thread may wait for a core


@dataclass
class Clock:
    """Time that moves when told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class LeapRig:
    """A LEAP driver and its emulated hand. changes: to the configuration."""

    changes: dict = field(default_factory=dict)
    servo: Servo = field(default_factory=Servo)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.hand = HandModel.load("leap_right")
        config = load_leap("leap_right")
        self.moving = FreeJoints(self.hand)
        self.emulator = EmulatedLeap(self.hand, config, self.moving, self.servo, self.clock)
        changes = {"port": self.emulator.port, "answer_timeout": PATIENT, **self.changes}
        self.config = config.model_copy(update=changes)
        self.driver = LeapDriver(self.hand, self.config, self.clock)
        self.link = HandLink(self.driver, self.config.link, self.clock)

    @property
    def joints(self) -> FreeJoints:
        """The joints as they are now."""
        self.emulator.catch_up()
        return self.moving

    @property
    def strongest(self) -> float:
        """The torque that the configuration allows [Nm]."""
        return self.config.goal_current * self.config.torque_constant

    def hurry(self, patience: float) -> None:
        """Count an answer as lost after `patience` [s] of wall clock from now on."""
        self.driver.config = self.config.model_copy(update={"answer_timeout": patience})
        self.driver.bus.hurry(patience)

    def wait(self, duration: float) -> None:
        """Let time pass without a word on the bus, once all that was said is obeyed."""
        self.emulator.line.wait_for(self.driver.bus.written)
        self.clock.now += duration
        self.emulator.catch_up()

    def close(self) -> None:
        """Let go of the hand and remove it."""
        self.link.close()
        self.emulator.close()


@dataclass
class AllegroRig:
    """An Allegro driver and its emulated hand on a bus of this process; `changes` likewise.

    real_time: the hand moves by itself, and `wait` is not needed.
    """

    version: int = 4
    changes: dict = field(default_factory=dict)
    real_time: bool = False

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.hand = HandModel.load("allegro_right")
        changes = {
            "version": self.version,
            "interface": "virtual",
            "channel": f"rig_{id(self)}",
            "grace": 0.02,
            **self.changes,
        }
        self.config = load_allegro("allegro_right").model_copy(update=changes)
        self.moving = FreeJoints(self.hand)
        self.emulator = EmulatedAllegro(self.hand, self.config, self.moving, self.real_time)
        self.driver = AllegroDriver(self.hand, self.config, self.clock)
        self.link = HandLink(self.driver, self.config.link, self.clock)

    @property
    def joints(self) -> FreeJoints:
        """The joints as they are now."""
        return self.moving

    @property
    def strongest(self) -> float:
        """The torque that the configuration allows [Nm]."""
        return self.config.torque_limit

    def hurry(self, patience: float) -> None:
        """Count positions as lost after `patience` [s] of wall clock from now on."""
        self.driver.config = self.config.model_copy(update={"grace": patience})

    def wait(self, duration: float) -> None:
        """Let time pass without a word of the driver's."""
        for _ in range(round(duration / STEP)):
            self.clock.now += STEP
            self.emulator.advance(STEP)

    def close(self) -> None:
        """Let go of the hand and remove it."""
        self.link.close()
        self.emulator.close()


def hidden_leap(servo: Servo, rng: np.random.Generator) -> LeapRig:
    """A connected LEAP in a middle posture, with a servo, friction and inertia that none knows."""
    rig = LeapRig({"soft_start_speed": 3.0}, servo)
    rig.joints.friction[:] = rng.uniform(0.01, 0.03, 16)
    rig.joints.inertia[:] = rng.uniform(0.0012, 0.0025, 16)
    rig.link.open()
    run(rig, rig.hand.postures["precision"], 0.6)
    return rig


def true_servos(rig: LeapRig) -> Servos:
    """What an identification of the rig's hand should find."""
    config, servo, joints = rig.config, rig.emulator.motors.servo, rig.joints
    order = rig.hand.config.orders[ORDER].joints
    side = {name for name, motor in zip(order, config.ids, strict=True) if motor in config.side_ids}
    share = np.where(np.isin(rig.hand.joint_names, list(side)), config.side_share, 1.0)
    return Servos(
        stiffness=servo.stiffness * config.p_gain * share,
        damping=servo.damping * config.d_gain * share,
        friction=joints.friction,
        inertia=joints.inertia,
        delay=np.full(len(share), servo.delay),
    )


def run(rig: LeapRig | AllegroRig, target: Array, duration: float) -> None:
    """Cycles of the rig's link for so long [s], `CYCLE` each."""
    for _ in range(round(duration / CYCLE)):
        rig.link.write(target)
        rig.wait(CYCLE)
        rig.link.read()
