"""Hands behind one protocol, whatever their bus."""

from dexgrasp.hardware.allegro import AllegroDriver
from dexgrasp.hardware.config import AllegroConfig, LeapConfig, load_hardware
from dexgrasp.hardware.driver import (
    BusError,
    HandDriver,
    HandError,
    HandFaultError,
    HandState,
    RestartNeededError,
)
from dexgrasp.hardware.leap import LeapDriver
from dexgrasp.hardware.link import HandLink

__all__ = [
    "AllegroConfig",
    "AllegroDriver",
    "BusError",
    "HandDriver",
    "HandError",
    "HandFaultError",
    "HandLink",
    "HandState",
    "LeapConfig",
    "LeapDriver",
    "RestartNeededError",
    "load_hardware",
]
