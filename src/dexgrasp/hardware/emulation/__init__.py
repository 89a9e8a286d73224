"""Hands emulated at their bus: the unmodified SDKs talk to them."""

from dexgrasp.hardware.emulation.allegro_hand import EmulatedAllegro
from dexgrasp.hardware.emulation.joints import FreeJoints
from dexgrasp.hardware.emulation.leap_hand import EmulatedLeap
from dexgrasp.hardware.emulation.xc330 import Servo

__all__ = ["EmulatedAllegro", "EmulatedLeap", "FreeJoints", "Servo"]
