"""The last word on every command: limits, clearances, heartbeat and emergency stop."""

from __future__ import annotations

import numpy as np

from dexgrasp.errors import ExecutionError
from dexgrasp.execution.clearance import Body
from dexgrasp.execution.safety_config import Intervention, SafetyLimits
from dexgrasp.execution.safety_kernel import Bounds, State, filter_worlds, usable
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, Observation

__all__ = ["Intervention", "SafetyFilter", "SafetyLimits"]


class SafetyFilter:
    """Lets commands through to N worlds as far as the limits permit; else the hand holds.

    A hold keeps the last targets sent, so that what is held stays held. Before a world's first
    good command its targets are where the hand is.
    """

    def __init__(self, hand: HandModel, limits: SafetyLimits, worlds: int = 1) -> None:
        self.hand, self.limits = hand, limits
        joints = hand.joint_count
        self._state = State(
            joints=np.zeros((worlds, joints)),
            palm=np.zeros((worlds, 4, 4)),
            asked=np.zeros((worlds, joints)),
            asked_palm=np.zeros((worlds, 4, 4)),
            started=np.zeros(worlds, dtype=bool),
            estopped=np.zeros(worlds, dtype=bool),
            frozen=np.zeros(worlds, dtype=bool),
            now=np.full(worlds, np.nan),
            heard=np.full(worlds, -np.inf),
            rest=np.zeros((worlds, joints)),
            resting=np.zeros(worlds, dtype=bool),
            load=np.zeros((worlds, joints)),
        )
        self._bounds = _bounds(hand, limits)
        self._body = Body.of(hand)

    @property
    def estopped(self) -> Array:
        """(N,) bool: the emergency stop is latched; nothing moves until `reset`."""
        return self._state.estopped.copy()

    @property
    def started(self) -> Array:
        """(N,) bool: a command was accepted, or an emergency stop holds the hand."""
        return self._state.started.copy()

    @property
    def last(self) -> Command:
        """The targets sent last."""
        return Command(self._state.joints.copy(), self._state.palm.copy())

    def e_stop(self, worlds: Array | None = None) -> None:
        """Freeze the targets of `worlds` (None: all) until `reset`."""
        self._state.estopped[slice(None) if worlds is None else worlds] = True

    def reset(self, worlds: Array | None = None) -> None:
        """Release the emergency stop of `worlds` (None: all)."""
        self._state.estopped[slice(None) if worlds is None else worlds] = False

    def forget(self, worlds: Array | None = None) -> None:
        """Targets of `worlds` (None: all) are no longer in force: the hand was put elsewhere.

        An emergency stop stays latched, and holds the hand where it is then.
        """
        rows = slice(None) if worlds is None else worlds
        for flag in (self._state.started, self._state.frozen, self._state.resting):
            flag[rows] = False
        self._state.heard[rows] = -np.inf

    def report_motors(self, temperature: Array, current: Array) -> None:
        """Take the state of the motors: (N, J) [C] and [A], NaN where it is unknown."""
        self._state.load[:] = 0.0
        motors = self.limits.motors
        for value, (low, high) in (
            (temperature, motors.temperature), (np.abs(current), motors.current)
        ):  # fmt: skip
            self._state.load[:] = np.fmax(self._state.load, (value - low) / (high - low))

    def filter(
        self,
        command: Command,
        observation: Observation,
        now: Array | float,
        command_time: Array | float | None = None,
    ) -> tuple[Command, Array]:
        """What may be sent instead of `command`, and the `Intervention` flags (N,) of each world.

        now, command_time (None: now), and the observation's time: (N,) [s] of one clock; the
        command's is when it came. Raises ExecutionError when the first observation of a world
        is unusable: without one there is nothing safe to send.
        """
        state, shape = self._state, self._state.now.shape
        q = np.ascontiguousarray(observation.joint_position, dtype=float)
        T = np.ascontiguousarray(observation.T_world_palm, dtype=float)
        if not all(usable(q[i], T[i]) for i in np.flatnonzero(~state.started)):
            raise ExecutionError(
                "the first observation holds NaN or no rotation: there is nothing to hold yet"
            )
        now = np.broadcast_to(np.asarray(now, dtype=float), shape)
        came = now if command_time is None else np.broadcast_to(command_time, shape)
        joints = np.array(command.joint_position, dtype=float)
        palm = np.array(command.T_world_palm, dtype=float)
        flags = np.empty(shape, dtype=np.int64)
        filter_worlds(
            state, self._bounds, self._body, joints, palm, q,
            np.ascontiguousarray(observation.joint_velocity, dtype=float), T,
            np.array(now), np.array(came, dtype=float), np.array(observation.time, dtype=float),
            flags,
        )  # fmt: skip
        return Command(joints, palm), flags


def _bounds(hand: HandModel, limits: SafetyLimits) -> Bounds:
    same = {name: getattr(limits, name) for name in Bounds._fields if hasattr(limits, name)}
    return Bounds(
        lower=hand.joint_lower,
        upper=hand.joint_upper,
        band=limits.effort_share * hand.effort_limit / hand.stiffness,
        speed=np.minimum(limits.joint_speed, hand.velocity_limit),
        low=np.array(limits.workspace_low),
        high=np.array(limits.workspace_high),
        floor=limits.table_height - limits.table_depth,
        least_effort=limits.motors.least_effort,
        **same,
    )
