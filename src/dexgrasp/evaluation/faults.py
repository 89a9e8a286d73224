"""Faults injected at every phase of a grasp: is the hand still in time, and works the next goal?

Every cell of phase x fault is a world of one batch: executor, safety filter and simulator are
those of a robot, and in each world one thing goes wrong. What lies between them in the stack,
processes and topics, is tried in `tests/ros`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dexgrasp.errors import EmergencyStopError, ExecutionError, SafetyError
from dexgrasp.execution import ExecutionConfig, Fault, GraspExecutor, Phase
from dexgrasp.execution.safety import Intervention, SafetyFilter, SafetyLimits
from dexgrasp.execution.safety_config import REJECTIONS
from dexgrasp.simulation import SimBackend
from dexgrasp.types import Array, Command, GraspSet, Observation, concatenated

PHASES = (
    Phase.APPROACH, Phase.COVER, Phase.PREGRASP_CLOSURE, Phase.FULL_GRASP, Phase.LIFT, Phase.HOLD,
)  # fmt: skip
FAULTS = (
    "e_stop", "controller_silent", "nan_state", "tracking_lost", "state_old", "clock_back",
    "clock_ahead", "backend_restarted", "joint_stuck",
)  # fmt: skip
PERIOD = 0.01  # [s]
ONSET = 0.15  # [s] into the phase
WITHIN = 0.15  # [s] from a fault to targets that stand still
WATCHED = 0.4  # [s] for which they are watched then
STILL_TURN = 0.02  # [rad]; a target follows a joint that gives way, within its effort limit
STILL_PATH = 0.02  # [m]
REJECTED_TIME = 0.1  # [s] of refusals that end a goal, as in the executor node
JUMP = 5.0  # [s] by which a clock jumps
LIFTED = 0.1  # [m] above where it was, an object that is held
LIMIT = 40.0  # [s] for a goal to end


@dataclass
class Cell:
    """What came of one fault. Times in seconds, angles in radians, lengths in metres.

    code: as the action would say, 0: the goal went on, or nobody was there to say anything.
    refused: what the safety filter did.  turn, path: by which the targets of joints and palm moved
    while they were watched.  effort: the largest share of its limit that a joint was asked for
    then.  next_held: the goal after it lifted the object.
    """

    phase: Phase
    fault: str
    reached: bool = False
    code: int = 0
    refused: Intervention = Intervention.NONE
    turn: float = np.nan
    path: float = np.nan
    effort: float = np.nan
    next_held: bool = False


class FaultRig:
    """Worlds of one grasp of object 0; world i has the fault of cell i, the last one none."""

    def __init__(
        self, backend: SimBackend, grasp: GraspSet, config: ExecutionConfig, limits: SafetyLimits
    ) -> None:
        """backend: of as many worlds as there are cells, and one; the object is on its table."""
        self.cells = [Cell(phase, fault) for phase in PHASES for fault in FAULTS]
        self.worlds = len(self.cells) + 1
        self._backend, self._config = backend, config
        self._grasps = concatenated([grasp] * self.worlds)
        self._executor = self._goal()
        self._filter = SafetyFilter(backend.hand, limits, self.worlds)
        self._faults = np.array([*(cell.fault for cell in self.cells), "none"])
        self._phases = np.array([*(cell.phase for cell in self.cells), -1])
        moved = np.abs(grasp.pregrasp[0] - backend.hand.postures["open"])
        self._joint = int(np.argmax(moved))
        none = np.full(self.worlds, np.nan)
        self._since, self._rejected, self._shift = none.copy(), none.copy(), np.zeros(self.worlds)
        self._came = np.zeros(self.worlds)
        self._codes = np.zeros(self.worlds, dtype=int)
        self._refused = np.zeros(self.worlds, dtype=int)
        self._command: Command | None = None
        self._kept: Observation | None = None
        self._watched: list[tuple[Array, Command, Array]] = []

    def run(self) -> list[Cell]:
        """Every cell. Raises ExecutionError unless the world without a fault holds its object."""
        low = self._heights()
        while not self._over():
            self._step()
        held = self._heights() - low > LIFTED
        if not held[-1]:
            raise ExecutionError("the grasp does not hold even when nothing goes wrong")
        self._judge()
        self._repair()
        self._executor = self._goal()
        for _ in range(round(LIMIT / PERIOD)):
            if self._executor.finished.all():
                break
            self._step()
        held = (self._heights() - low > LIFTED) & (self._executor.fault == Fault.NONE)
        for cell, good in zip(self.cells, held, strict=False):
            cell.next_held = bool(good)
        return self.cells

    def _goal(self) -> GraspExecutor:
        executor = GraspExecutor(self._backend.hand, self._config, self.worlds)
        executor.start(self._grasps)
        return executor

    def _heights(self) -> Array:
        return self._backend.truth().object_com[:, 0, 2]

    def _over(self) -> bool:
        """Whether every fault has been watched, and the world without one has ended."""
        now = self._backend.observe().time
        if now[-1] > LIMIT:
            raise ExecutionError(f"the goals have not ended within {LIMIT} s")
        watched = now - self._since > WITHIN + WATCHED + PERIOD
        return bool(watched[:-1].all() and self._executor.finished[-1])

    def _step(self) -> None:
        true = self._backend.observe()
        self._begin_faults(true)
        seen = self._seen(true)
        now = true.time + self._shift
        wanted = self._wanted(seen, now)
        allowed, flags = self._filter.filter(wanted, seen, now, self._came)
        self._note(flags, now)
        since = true.time - self._since
        self._watched.append((since, allowed, true.joint_position))
        self._backend.step(allowed, PERIOD)

    def _begin_faults(self, true: Observation) -> None:
        there = (self._executor.phase == self._phases) & (self._executor.time_in_phase >= ONSET)
        new = there & np.isnan(self._since)
        self._since[new] = true.time[new]
        self._filter.e_stop(np.flatnonzero(new & (self._faults == "e_stop")))
        self._shift[new & (self._faults == "clock_back")] = -JUMP
        self._shift[new & (self._faults == "clock_ahead")] = JUMP
        if (new & (self._faults == "joint_stuck")).any():
            stuck = np.zeros((self.worlds, self._backend.hand.joint_count), dtype=bool)
            stuck[self._has("joint_stuck"), self._joint] = True
            self._backend.vary(stuck=stuck)
        restarted = np.flatnonzero(new & (self._faults == "backend_restarted"))
        if len(restarted):
            self._backend.reset(restarted.tolist())
            self._filter.forget(restarted)
            fresh = self._backend.observe()
            for name in ("time", "joint_position", "joint_velocity", "T_world_palm"):
                getattr(true, name)[restarted] = getattr(fresh, name)[restarted]
            self._since[restarted] = true.time[restarted]

    def _has(self, fault: str) -> Array:
        """(N,) bool: worlds in which a fault is at work."""
        return (self._faults == fault) & ~np.isnan(self._since)

    def _seen(self, true: Observation) -> Observation:
        """What executor and filter are told."""
        seen = replace(true, time=true.time + self._shift)
        seen.joint_position = true.joint_position.copy()
        seen.T_world_palm = true.T_world_palm.copy()
        seen.joint_position[self._has("nan_state"), 0] = np.nan
        seen.T_world_palm[self._has("tracking_lost")] = np.nan
        if self._kept is not None:
            old = self._has("state_old")
            for name in ("time", "joint_position", "joint_velocity", "T_world_palm"):
                getattr(seen, name)[old] = getattr(self._kept, name)[old]
        self._kept = seen
        return seen

    def _wanted(self, seen: Observation, now: Array) -> Command:
        """What the executor wants; the last it said, where it has fallen silent."""
        silent = self._has("controller_silent")
        if self._command is not None and silent.any():
            # A process that stands still sees nothing, and its clock stands still.
            seen = replace(seen, time=np.where(silent, self._executor._last_time, seen.time))
        command = self._executor.step(seen)
        if self._command is not None:
            joints, palm = command.joint_position, command.T_world_palm
            joints[silent] = self._command.joint_position[silent]
            palm[silent] = self._command.T_world_palm[silent]
        # Whoever has ended sends no targets, but says that those in force are still meant.
        ended, last = self._executor.finished, self._filter.last
        command.joint_position[ended] = last.joint_position[ended]
        command.T_world_palm[ended] = last.T_world_palm[ended]
        self._came = np.where(silent, self._came, now)
        self._command = command
        return command

    def _note(self, flags: Array, now: Array) -> None:
        """The codes with which the executor node ends goals whose commands are refused."""
        faulty = ~np.isnan(self._since)
        self._refused |= np.where(faulty, flags, 0)
        refused = flags & int(REJECTIONS) > 0
        begun = np.where(np.isnan(self._rejected), now, self._rejected)
        self._rejected = np.where(refused, begun, np.nan)
        long = refused & (now - self._rejected > REJECTED_TIME)
        stopped = flags & int(Intervention.E_STOP) > 0
        running = ~self._executor.finished & (self._codes == 0)
        self._codes[running & stopped] = EmergencyStopError.code
        self._codes[running & long & ~stopped] = SafetyError.code
        ended = running & (stopped | long)
        self._executor.phase[ended] = Phase.FAILED
        failed = self._executor.finished & (self._codes == 0)
        self._codes[failed] = self._executor.fault[failed]

    def _judge(self) -> None:
        since = np.array([entry[0] for entry in self._watched])
        joints = np.array([entry[1].joint_position for entry in self._watched])
        palms = np.array([entry[1].T_world_palm[:, :3, 3] for entry in self._watched])
        seen = np.array([entry[2] for entry in self._watched])
        for i, cell in enumerate(self.cells):
            during = (since[:, i] >= WITHIN) & (since[:, i] <= WITHIN + WATCHED)
            cell.reached, cell.code = bool(during.any()), int(self._codes[i])
            cell.refused = Intervention(int(self._refused[i]))
            cell.turn = float(np.ptp(joints[during, i], axis=0).max())
            cell.path = float(np.ptp(palms[during, i], axis=0).max())
            cell.effort = float(self._torque(joints[during, i] - seen[during, i]))

    def _torque(self, lag: Array) -> float:
        """The largest share of its effort limit that a joint was asked for; lag: (T, J) [rad]."""
        hand = self._backend.hand
        return float((hand.stiffness * np.abs(lag) / hand.effort_limit).max())

    def _repair(self) -> None:
        """Everything works again, and the hand and the object are where they were."""
        self._faults[:] = "none"
        self._phases[:] = -1
        self._shift[:] = 0.0
        self._kept = self._command = None
        self._rejected[:] = np.nan
        self._backend.vary(stuck=np.zeros((self.worlds, self._backend.hand.joint_count), bool))
        self._backend.reset()
        self._filter.reset()
        self._filter.forget()


def safe(cell: Cell) -> bool:
    """Whether the targets stood still in time, or, of a hand that goes on, keep to the effort.

    A stuck joint is found in the air, once it is asked to move. Later a finger that stands still
    may as well touch something: then the limits of effort are what protects it.
    """
    goes_on = cell.fault == "joint_stuck" and cell.effort <= 1.0 + 1e-6
    return goes_on or (cell.turn < STILL_TURN and cell.path < STILL_PATH)


def rows(cells: Sequence[Cell]) -> list[list[str]]:
    """One row for each fault: its name, then for each phase the code and what moved."""
    table = []
    for fault in FAULTS:
        row = [fault.replace("_", " ")]
        for cell in (cell for cell in cells if cell.fault == fault):
            words = "safe" if safe(cell) else f"MOVED {cell.turn:.2f} rad, {cell.path:.2f} m"
            after = "" if cell.next_held else ", NEXT GOAL FAILED"
            row.append(f"{outcome(cell)}, {words}{after}")
        table.append(row)
    return table


def outcome(cell: Cell) -> str:
    """The error code, or why the hand holds where nobody is there to answer a goal."""
    silent = cell.code == 0 and Intervention.STALE_COMMAND in cell.refused
    return str(Intervention.STALE_COMMAND.name) if silent else code_name(cell.code)


def code_name(code: int) -> str:
    """What an action's error code is called."""
    others = {EmergencyStopError.code: "ESTOPPED", SafetyError.code: "SAFETY"}
    return others[code] if code in others else Fault(code).name
