"""Drivers with an emulated hand on their bus, in a time that only the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.hardware import AllegroDriver, HandLink, LeapDriver, load_hardware
from dexgrasp.hardware.emulation import EmulatedAllegro, EmulatedLeap, FreeJoints, Servo

PATIENT = 0.3  # [s] for answers: on a busy machine the emulator's thread may wait for a core


@dataclass
class Clock:
    """Time that moves when told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class LeapRig:
    """A LEAP driver and its emulated hand."""

    changes: dict = field(default_factory=dict)
    servo: Servo = field(default_factory=Servo)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.hand = HandModel.load("leap_right")
        config = load_hardware("leap_right")
        self.emulator = EmulatedLeap(
            self.hand, config, FreeJoints(self.hand), self.servo, self.clock
        )
        changes = {"port": self.emulator.port, "answer_timeout": PATIENT, **self.changes}
        self.config = config.model_copy(update=changes)
        self.driver = LeapDriver(self.hand, self.config, self.clock)
        self.link = HandLink(self.driver, self.config.link, self.clock)

    @property
    def joints(self) -> FreeJoints:
        self.emulator.catch_up()
        return self.emulator.joints

    def wait(self, duration: float) -> None:
        """Let time pass without a word on the bus."""
        self.clock.now += duration

    def close(self) -> None:
        self.link.close()
        self.emulator.close()


@dataclass
class AllegroRig:
    """An Allegro driver and its emulated hand on a bus of this process."""

    version: int = 4
    changes: dict = field(default_factory=dict)

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
        self.config = load_hardware("allegro_right").model_copy(update=changes)
        self.emulator = EmulatedAllegro(self.hand, self.config, FreeJoints(self.hand))
        self.driver = AllegroDriver(self.hand, self.config, self.clock)
        self.link = HandLink(self.driver, self.config.link, self.clock)

    @property
    def joints(self) -> FreeJoints:
        return self.emulator.joints

    def wait(self, duration: float) -> None:
        """Let time pass without a word of the driver's."""
        for _ in range(round(duration / 0.002)):
            self.clock.now += 0.002
            self.emulator.advance(0.002)

    def close(self) -> None:
        self.link.close()
        self.emulator.close()


def run(rig: LeapRig | AllegroRig, target: np.ndarray, duration: float) -> None:
    """Cycles of the rig's link for so long [s]."""
    for _ in range(round(duration / 0.004)):
        rig.link.write(target)
        rig.wait(0.004)
        rig.link.read()
