"""Joints without a simulator: independent, with inertia, friction, stops, and things in the way."""

from __future__ import annotations

import numpy as np

from dexgrasp.hands import HandModel
from dexgrasp.types import Array

STEP = 0.001  # [s]; a hand on CAN sends positions every 3 of them
LINK_INERTIA = 0.0005  # [kg m2] of what a joint carries, besides its rotor


class FreeJoints:
    """J joints of `hand` in the canonical order.

    position [rad], velocity [rad/s], inertia [kg m2], friction [Nm]: (J,).
    load: (J,) [Nm] that pull at the joints besides the motors, such as a cable.
    blocked: (J,) bool; a blocked joint stays where it is, as with an object in the way.
    """

    def __init__(self, hand: HandModel) -> None:
        self.lower, self.upper = hand.joint_lower, hand.joint_upper
        self.inertia = hand.armature + LINK_INERTIA
        self.friction = hand.joint_friction.copy()
        self.position = hand.postures["open"].copy()
        self.velocity = np.zeros(hand.joint_count)
        self.load = np.zeros(hand.joint_count)
        self.blocked = np.zeros(hand.joint_count, dtype=bool)

    def step(self, torque: Array) -> None:
        """Advance by `STEP` under motor torques (J,) [Nm]."""
        free = self.velocity + STEP * (torque + self.load) / self.inertia
        stopping = STEP * self.friction / self.inertia
        velocity = np.sign(free) * np.maximum(np.abs(free) - stopping, 0.0)
        velocity[self.blocked] = 0.0
        wanted = self.position + STEP * velocity
        self.position = wanted.clip(self.lower, self.upper)
        self.velocity = np.where(self.position == wanted, velocity, 0.0)
