"""One goal of the executor from its start to its end, and the machines that run goals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from dexgrasp_interfaces.action import DeliverObject, ExecuteGrasp, Withdraw
from dexgrasp_interfaces.msg import ErrorCode, SafetyState
from dexgrasp_interfaces.msg import Grasp as GraspMsg

from dexgrasp.errors import DexgraspError, EmergencyStopError, ExecutionError, SafetyError
from dexgrasp.execution import ExecutionConfig, Fault, GraspExecutor, Phase, fault_words
from dexgrasp.execution.carry import withdrawal
from dexgrasp.execution.control import Learned, fallback_words
from dexgrasp.execution.delivery import (
    Held,
    PhasedMotion,
    Stage,
    carry_stages,
    check_on_table,
    check_reach,
    hand_over_stages,
    place_stages,
    staged,
)
from dexgrasp.execution.safety_config import REJECTIONS, SafetyLimits
from dexgrasp.hands import HandModel
from dexgrasp.hands.calibration import Calibration
from dexgrasp.types import Array, Command, GraspSet, Observation
from dexgrasp_nodes.conversions import WORLD_FRAME, pose_from_msg, seconds_from_stamp
from dexgrasp_nodes.hand_link import HandLink

# What ends a goal when it lasts: the hand follows no more, and what comes next is farther still.
REJECTED = frozenset(str(flag.name) for flag in REJECTIONS)
REJECTED_TIME = 0.1  # [s]


class BusyError(DexgraspError):
    """A goal while another runs."""

    code = ErrorCode.BUSY


class NothingHeldError(DexgraspError):
    """A delivery without a grasp before it that ended well."""

    code = ErrorCode.NOTHING_HELD


Goal = ExecuteGrasp.Goal | Withdraw.Goal | DeliverObject.Goal


class Machine(Protocol):
    """What runs a goal: `GraspExecutor` or `PhasedMotion`, in one world."""

    phase: Array
    fault: Array
    time_in_phase: Array

    @property
    def touching(self) -> Array: ...
    @property
    def finished(self) -> Array: ...
    def step(self, observation: Observation) -> Command: ...
    def cancel(self) -> None: ...


@dataclass
class Trial:
    """One goal from its start to its end.

    number: counts the grasps; what follows a grasp has its number.  grasps: the one it is about.
    before: what the safety node said last at its begin.  T_world_grasp: (1, 4, 4) the palm's
    targets when the lift began; None before.  refused_since: time from which on its commands are
    refused [s].  fallback: why a policy gave way to the phase machine, if it did.
    """

    number: int
    grasp: GraspMsg
    grasps: GraspSet
    machine: Machine
    before: SafetyState | None
    T_world_grasp: Array | None = None
    code: int = ErrorCode.OK
    words: str = ""
    preempted: bool = False
    refused_since: float | None = None
    fallback: str = ""
    began: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def runs(self) -> bool:
        """Whether the machine has work left."""
        return not bool(self.machine.finished.all())

    @property
    def phase(self) -> Phase:
        """Of the machine."""
        return Phase(int(self.machine.phase[0]))

    def end(self, code: int, words: str) -> None:
        """Set the result, once."""
        if not self.ended.is_set():
            self.code, self.words = code, words
            self.ended.set()

    def finish(self) -> None:
        """Set the result that the machine has come to."""
        fault = Fault(int(self.machine.fault[0]))
        if self.preempted:
            self.end(ErrorCode.PREEMPTED, "a newer goal preempted this one")
        else:
            self.end(int(fault), "" if fault == Fault.NONE else fault_words(fault))

    def note(self, command: Command) -> None:
        """Keep what a delivery will need of a grasp, and how it goes. command: sent now."""
        if isinstance(self.machine, GraspExecutor):
            self.fallback = fallback_words(self.machine.controller)
        if self.phase == Phase.FULL_GRASP:
            self.T_world_grasp = command.T_world_palm
        elif self.phase == Phase.PLACE and isinstance(self.machine, GraspExecutor):
            self.T_world_grasp = None

    def leftover(self, targets: Command) -> Held | None:
        """What the hand holds after it. targets: those in force."""
        if isinstance(self.machine, PhasedMotion):
            holds = bool(self.machine.holding[0])
        else:
            holds = self.phase == Phase.DONE
        if self.T_world_grasp is None or not holds:
            return None
        return Held(self.grasps, self.T_world_grasp, targets)

    def check_safety(self, state: SafetyState | None, now: float) -> None:
        """Raise SafetyError when the commands have no effect. now: [s]."""
        if state is None:
            return
        if state.e_stopped:
            raise EmergencyStopError(state.words)
        if state is self.before or not REJECTED.intersection(state.refused):
            self.refused_since = None
            return
        self.refused_since = self.refused_since or seconds_from_stamp(state.header.stamp)
        if now - self.refused_since > REJECTED_TIME:
            raise SafetyError(f"the safety limits refuse the commands: {state.words}")

    def interventions(self, state: SafetyState | None) -> list[int]:
        """Control steps of this goal in which each limit of SafetyState was met."""
        if state is None:
            return []
        before = np.zeros(len(state.counts)) if self.before is None else self.before.counts
        # A safety node that came back counts from zero.
        return np.maximum(np.asarray(state.counts) - np.asarray(before), 0).astype(int).tolist()


@dataclass(frozen=True)
class Workplace:
    """What machines are made for.

    table: (2,) half its size about the world's origin [m].  clock: ROS time [s], that of the
    stamps, in simulation and on a robot.  calibration: of a real hand, if it has one.
    """

    hand: HandModel
    config: ExecutionConfig
    controller: str
    limits: SafetyLimits
    table: Array
    clock: Callable[[], float]
    calibration: Calibration | None = None

    def rehearse(self) -> None:
        """Step through a grasp that is none: code that was compiled is loaded before it is needed.

        Raises ConfigError for a controller that there is not.
        """
        hand, pose = self.hand, np.eye(4)[None]
        joints, unit = hand.postures["open"][None], np.array([[0.0, 0.0, 1.0]])
        nowhere = np.full((1, len(hand.finger_names), 3), np.nan)
        grasp = GraspSet(hand.name, WORLD_FRAME, pose, unit, joints, joints, joints, nowhere,
                         nowhere, np.ones(1), ("",), "")  # fmt: skip
        machine = GraspExecutor(hand, self.config, 1, self.controller, self.calibration)
        machine.start(grasp)
        still = np.zeros(joints.shape)
        machine.step(Observation(np.zeros(1), joints, still, still, pose, nowhere[..., 0]))

    def grasping(self, request: ExecuteGrasp.Goal, grasps: GraspSet) -> GraspExecutor:
        """A grasp. Raises GraspError, ExecutionError."""
        machine = GraspExecutor(self.hand, self.config, 1, self.controller, self.calibration)
        if isinstance(machine.controller, Learned):
            machine.controller.clock = self.clock
        machine.start(grasps, place_back=request.place_back)
        return machine

    def withdrawing(self, request: Withdraw.Goal, grasps: GraspSet, link: HandLink) -> PhasedMotion:
        """A withdrawal. Raises ExecutionError."""
        _check_frame(request.palm.header.frame_id)
        there = pose_from_msg(request.palm.pose)[None]
        now = link.observe()
        joints = link.joint_targets(now)
        motion = withdrawal(joints, now, grasps, there, self.hand, self.config)
        phases = [Phase.RETREAT] * len(motion.legs)
        return PhasedMotion(motion, phases, self.hand, self.config)

    def delivering(self, request: DeliverObject.Goal, held: Held) -> PhasedMotion:
        """A delivery. Raises ExecutionError for one that cannot be."""
        _check_frame(request.header.frame_id)
        for name in ("hold_time", "timeout"):
            if not 0.0 <= getattr(request, name) < np.inf:
                raise ExecutionError(f"{name} is {getattr(request, name)} s; it must be 0 or more")
        waypoints = [pose_from_msg(pose)[None] for pose in request.waypoints]
        stages = carry_stages(waypoints, self.config, request.hold_time)
        stages += self._ending(request, held, waypoints)
        low, high = self.limits.workspace_low, self.limits.workspace_high
        check_reach(stages, np.array(low), np.array(high))
        return staged(held.targets, stages, self.hand, self.config)

    def _ending(
        self, request: DeliverObject.Goal, held: Held, waypoints: list[Array]
    ) -> list[Stage]:
        if request.kind == DeliverObject.Goal.CARRY:
            return []
        if request.kind == DeliverObject.Goal.HAND_OVER:
            return hand_over_stages(held, waypoints, self.config, request.timeout)
        if request.kind != DeliverObject.Goal.PLACE:
            raise ExecutionError(f"unknown kind {request.kind} of delivery; known: 0, 1, 2")
        pose = np.array([[request.x, request.y, request.yaw]])
        check_on_table(pose, self.table)
        center = np.array([[request.center.x, request.center.y]])
        return place_stages(held, waypoints, center, pose, self.config)


def _check_frame(frame: str) -> None:
    if frame != WORLD_FRAME:
        raise ExecutionError(f"a pose is in frame {frame!r}; known: {WORLD_FRAME!r}")
