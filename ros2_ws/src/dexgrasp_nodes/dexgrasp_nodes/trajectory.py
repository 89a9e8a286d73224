"""A joint trajectory in time, checked; no ROS in it but the message it is read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from trajectory_msgs.msg import JointTrajectory

from dexgrasp.errors import ExecutionError
from dexgrasp.hands import HandModel

SOONEST = 1e-3  # [s]; a waypoint "now" is reached this long after the start


class UnknownJointsError(ExecutionError):
    """A trajectory whose joints are not those of the hand."""


@dataclass(frozen=True)
class HandTrajectory:
    """k waypoints after the start: times (k + 1,) [s] from 0, positions (k + 1, J) [rad].

    velocities: (k + 1, J) [rad/s], or None for straight lines between the waypoints.
    """

    times: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray | None

    @property
    def duration(self) -> float:
        """Time from start to last waypoint [s]."""
        return float(self.times[-1])

    def sample(self, time: float) -> np.ndarray:
        """Joint positions (J,) [rad] at a time [s] since the start; the ends beyond."""
        time = min(max(time, 0.0), self.duration)
        if self.velocities is not None:
            return CubicHermiteSpline(self.times, self.positions, self.velocities)(time)
        after = int(np.clip(np.searchsorted(self.times, time), 1, len(self.times) - 1))
        begin, end = self.times[after - 1], self.times[after]
        share = (time - begin) / (end - begin)
        return self.positions[after - 1] * (1.0 - share) + self.positions[after] * share


def read_trajectory(message: JointTrajectory, start: np.ndarray, hand: HandModel) -> HandTrajectory:
    """A trajectory from `start` (J,) [rad]. Joints that it does not name stay where they are.

    Raises UnknownJointsError, or ExecutionError for wrong counts, NaN or times that do not
    increase.
    """
    names = list(message.joint_names)
    unknown = set(names) - set(hand.joint_names)
    if unknown or not names or len(set(names)) != len(names):
        raise UnknownJointsError(
            f"the trajectory names joints {names}; {hand.name} has {', '.join(hand.joint_names)}"
        )
    if not message.points:
        raise ExecutionError("the trajectory has no points")
    columns = [hand.joint_names.index(name) for name in names]
    times = [point.time_from_start.sec + 1e-9 * point.time_from_start.nanosec
             for point in message.points]  # fmt: skip
    if times[0] < 0.0 or np.any(np.diff(times) <= 0.0):
        raise ExecutionError(f"the trajectory's times {times} do not increase from zero")
    times[0] = max(times[0], SOONEST)
    positions = np.tile(start, (len(times) + 1, 1))
    positions[1:, columns] = _rows([p.positions for p in message.points], len(names), "positions")
    velocities = None
    if all(len(point.velocities) for point in message.points):
        velocities = np.zeros_like(positions)
        rows = _rows([p.velocities for p in message.points], len(names), "velocities")
        velocities[1:, columns] = rows
    return HandTrajectory(np.array([0.0, *times]), hand.clip(positions), velocities)


def _rows(rows: Sequence[Sequence[float]], count: int, what: str) -> np.ndarray:
    for row in rows:
        if len(row) != count:
            raise ExecutionError(f"a trajectory point has {len(row)} {what} for {count} joints")
    values = np.array(rows, dtype=float)
    if not np.isfinite(values).all():
        raise ExecutionError(f"the trajectory's {what} hold NaN or infinity")
    return values
