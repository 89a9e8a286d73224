"""Runs grasps on the hand: `dexgrasp.execution.GraspExecutor` in a loop of its own.

One goal at a time: a second one is answered BUSY unless it asks to preempt. Whatever ends
a goal, the last targets stay in force, so a held object stays held and a moving hand stops; a
heartbeat tells the safety node that this is meant, for as long as this process lives.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from dexgrasp_interfaces.action import ExecuteGrasp, Withdraw
from dexgrasp_interfaces.msg import ErrorCode, ExecutorState, FingerForces, SafetyState
from dexgrasp_interfaces.msg import Grasp as GraspMsg
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.action.server import ActionServer, CancelResponse, ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import Empty, Float64MultiArray
from std_srvs.srv import Trigger

from dexgrasp.errors import (
    DexgraspError,
    EmergencyStopError,
    ExecutionError,
    GraspError,
    SafetyError,
)
from dexgrasp.execution import ExecutionConfig, Fault, GraspExecutor, Phase, fault_words
from dexgrasp.execution.carry import withdrawal
from dexgrasp.execution.control import Learned, fallback_words, make_controller
from dexgrasp.execution.safety_config import REJECTIONS
from dexgrasp.hands import HandModel
from dexgrasp.types import Array, Command, GraspSet, Observation
from dexgrasp_nodes.conversions import (
    WORLD_FRAME,
    doubles,
    grasps_from_msgs,
    header,
    observation_from_msgs,
    pose_from_msg,
    pose_to_msg,
    seconds_from_stamp,
)
from dexgrasp_nodes.loop import Loop, claim_urgency
from dexgrasp_nodes.node_base import (
    NotActiveError,
    StackNode,
    error_code,
    present,
    run,
    send_feedback,
)
from dexgrasp_nodes.streams import Stream
from dexgrasp_nodes.withdrawal import Withdrawal

STATE_LOST_AFTER = 0.5  # [s] of wall clock without joint states or palm pose
# The same where time is simulated: a world that stalls on a busy machine moves nothing meanwhile.
SIMULATION_LOST_AFTER = 2.0
STATE_PERIOD = 0.05  # [s] between published states within a phase
RESULT_POLL = 0.04  # [s]; each look takes Python's lock from the control loop
RESET_JUMP = 0.10  # [m] from the palm's target: somebody put the hand elsewhere
THREAD_SWITCH = 1e-4  # [s]; how long other threads may keep the control loop waiting
HEARTBEAT_PERIOD = 0.03  # [s]; the safety node waits for 0.1 s
# What ends a goal when it lasts: the hand follows no more, and what comes next is farther still.
REJECTED = frozenset(str(flag.name) for flag in REJECTIONS)
REJECTED_TIME = 0.1  # [s]

Machine = GraspExecutor | Withdrawal
Goal = ExecuteGrasp.Goal | Withdraw.Goal


class BusyError(DexgraspError):
    """A goal while another runs."""

    code = ErrorCode.BUSY


@dataclass
class Trial:
    """One goal from its start to its end.

    number: counts the grasps; a withdrawal has that of the grasp before it.
    before: what the safety node said last at its begin.  refused_since: time from which on its
    commands are refused [s].  fallback: why a policy gave way to the phase machine, if it did.
    """

    number: int
    grasp: GraspMsg
    machine: Machine
    before: SafetyState | None
    code: int = ErrorCode.OK
    words: str = ""
    preempted: bool = False
    refused_since: float | None = None
    fallback: str = ""
    began: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)

    def end(self, code: int, words: str) -> None:
        """Set the result, once."""
        if not self.ended.is_set():
            self.code, self.words = code, words
            self.ended.set()


class ExecutorNode(StackNode):
    """Actions `execute_grasp` and `withdraw`, service `executor/release`, `executor/state`."""

    def __init__(self) -> None:
        super().__init__("executor")
        self.declare_parameter("hand", "allegro_right")
        self.declare_parameter("execution", "default")
        self.declare_parameter("controller", "reactive")
        self.declare_parameter("control_rate", 125.0)
        self._joints = Stream(self, JointState, "joint_states", qos_profile_sensor_data)
        self._palm = Stream(
            self, PoseStamped, "wrist_controller/current_pose", qos_profile_sensor_data
        )
        self._forces = Stream(self, FingerForces, "finger_forces", qos_profile_sensor_data)
        self._safety = Stream(self, SafetyState, "safety/state")
        self._heartbeat = self.create_publisher(Empty, "safety/heartbeat", 1)
        self._beaten = -np.inf
        self._commands = self.create_publisher(Float64MultiArray, "hand_controller/commands", 1)
        self._palm_target = self.create_publisher(PoseStamped, "wrist_controller/target_pose", 1)
        self._state = self.create_publisher(ExecutorState, "executor/state", 20)
        self._lock = threading.Lock()
        self._loop: Loop | None = None
        self._trial: Trial | None = None
        self._trials = 0
        self._fallbacks = 0
        self._published = (-np.inf, -1, -1)
        self._sent: Command | None = None
        self._servers = [
            ActionServer(
                self,
                kind,
                name,
                serve,
                cancel_callback=lambda _: CancelResponse.ACCEPT,
                callback_group=ReentrantCallbackGroup(),
            )
            for kind, name, serve in (
                (ExecuteGrasp, "execute_grasp", self._on_execute),
                (Withdraw, "withdraw", self._on_withdraw),
            )
        ]
        self.create_service(Trigger, "executor/release", self._on_release)

    def setup(self) -> None:
        """Load hand and configuration. Raises UnknownNameError, ConfigError."""
        self._hand = HandModel.load(self.get_parameter("hand").value)
        self._config = ExecutionConfig.load(self.get_parameter("execution").value)
        self._controller = str(self.get_parameter("controller").value)
        make_controller(self._controller, self._hand, self._config, 1)  # a wrong name ends here
        simulated = self.get_parameter("use_sim_time").value
        self._lost_after = SIMULATION_LOST_AFTER if simulated else STATE_LOST_AFTER

    def start(self) -> None:
        """Start the control loop."""
        sys.setswitchinterval(THREAD_SWITCH)
        period = 1.0 / self.get_parameter("control_rate").value
        self._loop = Loop("control", period, self._step, self._on_loop_error, urgent=True)
        self._loop.start()

    def stop(self) -> None:
        """Stop the control loop; a running goal ends and the hand holds its last targets."""
        if self._loop is not None:
            self._loop.stop()
        with self._lock:
            if self._trial is not None:
                self._trial.end(ErrorCode.NOT_ACTIVE, "the executor was deactivated")
            self._trial = None

    def _on_loop_error(self, error: Exception) -> None:
        self.report_fault(error)
        with self._lock:
            if self._trial is not None:
                self._drop(error_code(error), str(error))

    def _step(self) -> None:
        for stream in (self._joints, self._palm, self._forces, self._safety):
            stream.take_all()
        with self._lock:
            trial = self._trial
            if trial is not None and self._runs(trial):
                self._advance(trial)
            else:
                self._keep_alive()
            if trial is not None and not self._runs(trial):
                self._finish(trial)
            self._publish_state(trial)

    def _runs(self, trial: Trial) -> bool:
        return not bool(trial.machine.finished.all())

    def _keep_alive(self) -> None:
        """Between goals: what was commanded last is still meant."""
        now = time.monotonic()
        if self._sent is not None and now - self._beaten > HEARTBEAT_PERIOD:
            self._beaten = now
            self._heartbeat.publish(Empty())

    def _drop(self, code: int, words: str) -> None:
        trial = present(self._trial, "trial")
        trial.machine.phase[:] = Phase.FAILED
        trial.end(code, words)

    def _observe(self) -> Observation:
        forces = self._forces.newest if self._forces.age < self._lost_after else None
        return observation_from_msgs(
            present(self._joints.newest, "joint state"),
            present(self._palm.newest, "palm pose"),
            forces,
            self._hand,
        )

    def _advance(self, trial: Trial) -> None:
        if max(self._joints.age, self._palm.age) > self._lost_after:
            # A goal right after a spawn, which holds up the world, may be before the first state.
            if time.monotonic() - trial.began > self._lost_after:
                words = f"no joint state or palm pose for {self._lost_after} s; the hand holds"
                self._drop(ErrorCode.STATE_LOST, words)
            return
        observation = self._observe()
        try:
            self._check_safety(trial, float(observation.time[0]))
        except SafetyError as error:
            self._drop(error.code, str(error))
            return
        command = self._sent = trial.machine.step(observation)
        self._note_fallback(trial)
        self._commands.publish(Float64MultiArray(data=doubles(command.joint_position[0])))
        now, pose = float(observation.time[0]), pose_to_msg(command.T_world_palm[0])
        self._palm_target.publish(PoseStamped(header=header(now, WORLD_FRAME), pose=pose))

    def _note_fallback(self, trial: Trial) -> None:
        """Count and tell that the policy has given way, once in a goal."""
        if isinstance(trial.machine, GraspExecutor) and not trial.fallback:
            trial.fallback = fallback_words(trial.machine.controller)
            if trial.fallback:
                self._fallbacks += 1
                self.get_logger().warning(f"the policy gave way: {trial.fallback}")

    def _check_safety(self, trial: Trial, now: float) -> None:
        """Raise SafetyError when the trial's commands have no effect. now: [s]."""
        state = self._safety.newest
        if state is None:
            return
        if state.e_stopped:
            raise EmergencyStopError(state.words)
        if state is trial.before or not REJECTED.intersection(state.refused):
            trial.refused_since = None
            return
        trial.refused_since = trial.refused_since or seconds_from_stamp(state.header.stamp)
        if now - trial.refused_since > REJECTED_TIME:
            raise SafetyError(f"the safety limits refuse the commands: {state.words}")

    def _finish(self, trial: Trial) -> None:
        fault = Fault(int(trial.machine.fault[0]))
        if trial.preempted:
            trial.end(ErrorCode.PREEMPTED, "a newer goal preempted this one")
        else:
            trial.end(int(fault), "" if fault == Fault.NONE else fault_words(fault))

    def _on_execute(self, goal: ServerGoalHandle) -> ExecuteGrasp.Result:
        return self._serve(goal, ExecuteGrasp, self._grasp_machine)

    def _on_withdraw(self, goal: ServerGoalHandle) -> Withdraw.Result:
        return self._serve(goal, Withdraw, self._withdrawal_machine)

    def _serve(
        self, goal: ServerGoalHandle, kind: Any, make: Callable[[Any, GraspSet], Machine]
    ) -> Any:
        """Run a goal of either action to its end and return its result."""
        try:
            trial = self._begin(goal.request, make)
        except Exception as error:
            if not isinstance(error, DexgraspError):
                self.report_fault(error)
            goal.abort()
            return kind.Result(error_code=error_code(error), error_msg=str(error))
        shown = -1
        while not trial.ended.wait(RESULT_POLL):
            if goal.is_cancel_requested:
                with self._lock:
                    trial.machine.cancel()
            if trial.machine.phase[0] != shown:
                shown = int(trial.machine.phase[0])
                send_feedback(goal, kind.Feedback(state=self._message(trial)))
        if trial.code == ErrorCode.OK:
            goal.succeed()
        elif goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return kind.Result(error_code=trial.code, error_msg=trial.words, state=self._message(trial))

    def _begin(self, request: Goal, make: Callable[[Any, GraspSet], Machine]) -> Trial:
        """Start what a goal asks for. Raises DexgraspError with the code to answer."""
        if not self.active:
            raise NotActiveError("the executor is not active")
        if self._safety.newest is not None and self._safety.newest.e_stopped:
            raise EmergencyStopError(self._safety.newest.words)
        grasps = grasps_from_msgs([request.grasp], self._hand)
        if grasps.frame != WORLD_FRAME:
            raise GraspError(f"the grasp is in frame {grasps.frame!r}; known: {WORLD_FRAME!r}")
        self._make_way(request.preempt)
        with self._lock:
            if self._trial is not None and not self._trial.ended.is_set():
                raise BusyError("another goal was faster; try again")
            machine = make(request, grasps)
            self._trials += isinstance(machine, GraspExecutor)
            self._trial = Trial(self._trials, request.grasp, machine, self._safety.newest)
            return self._trial

    def _grasp_machine(self, request: ExecuteGrasp.Goal, grasps: GraspSet) -> GraspExecutor:
        machine = GraspExecutor(self._hand, self._config, 1, self._controller)
        if isinstance(machine.controller, Learned):
            # ROS time is that of the stamps, in simulation and on a robot.
            machine.controller.clock = lambda: self.get_clock().now().nanoseconds * 1e-9
        machine.start(grasps, place_back=request.place_back)
        return machine

    def _withdrawal_machine(self, request: Withdraw.Goal, grasps: GraspSet) -> Withdrawal:
        if request.palm.header.frame_id != WORLD_FRAME:
            raise ExecutionError(
                f"the palm's pose is in frame {request.palm.header.frame_id!r}; known: "
                f"{WORLD_FRAME!r}"
            )
        there = pose_from_msg(request.palm.pose)[None]
        now = self._observe()
        joints = self._joint_targets(now)
        motion = withdrawal(joints, now, grasps, there, self._hand, self._config)
        return Withdrawal(motion, len(self._hand.finger_names))

    def _joint_targets(self, observation: Observation) -> Array:
        """(1, J) [rad] the targets in force, as far as they are this node's."""
        if self._sent is None or self._was_moved():
            return observation.joint_position
        return self._sent.joint_position

    def _make_way(self, preempt: bool) -> None:
        """Wait until no goal runs. Raises BusyError unless this one may preempt."""
        with self._lock:
            running = self._trial
            if running is None or running.ended.is_set():
                return
            if not preempt:
                raise BusyError(
                    f"goal {running.number} runs ({Phase(int(running.machine.phase[0])).name}); "
                    "cancel it, wait, or set preempt"
                )
            running.preempted = True
            running.machine.cancel()
        running.ended.wait()

    def _on_release(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Put down what is held after a goal."""
        with self._lock:
            machine = None if self._trial is None else self._trial.machine
            grasped = isinstance(machine, GraspExecutor)
            if not grasped or machine.phase[0] != Phase.DONE or self._was_moved():
                response.message = "nothing is held after a goal that ended well"
                return response
            machine.release()
        response.success = True
        return response

    def _was_moved(self) -> bool:
        """Whether the palm is far from its target: after a reset nothing is held any more."""
        palm = self._observe().T_world_palm[0, :3, 3]
        target = present(self._sent, "palm target").T_world_palm[0, :3, 3]
        return bool(np.linalg.norm(palm - target) > RESET_JUMP)

    def _message(self, trial: Trial | None) -> ExecutorState:
        message = ExecutorState()
        if self._joints.newest is not None:
            message.header.stamp = self._joints.newest.header.stamp
        message.finger_names = list(self._hand.finger_names)
        message.touching = [False] * len(self._hand.finger_names)
        message.phase_name = Phase.IDLE.name
        if trial is not None:
            phase = Phase(int(trial.machine.phase[0]))
            message.trial = trial.number
            message.phase = int(phase)
            message.phase_name = phase.name
            message.time_in_phase = float(trial.machine.time_in_phase[0])
            message.error_code, message.error_msg = trial.code, trial.words
            message.touching = trial.machine.touching[0].tolist()
            message.grasp_kind, message.grasp_score = trial.grasp.kind, trial.grasp.score
        return message

    def _publish_state(self, trial: Trial | None) -> None:
        now = time.monotonic()
        when, number, phase = self._published
        current = (0, Phase.IDLE) if trial is None else (trial.number, int(trial.machine.phase[0]))
        if (number, phase) == current and now - when < STATE_PERIOD:
            return
        self._published = (now, *current)
        self._state.publish(self._message(trial))

    def health(self) -> tuple[bytes, str, Mapping[str, object]]:
        """See `StackNode.health`."""
        if not self.active or self._loop is None:
            return super().health()
        statistics = self._loop.statistics()
        lost = self._joints.age > self._lost_after
        late = statistics["period_error_p99_ms"] > 5.0
        trial = self._trial
        fallback = "" if trial is None else trial.fallback
        words = "no joint states" if lost else "late" if late else "in time"
        words += f"; the policy gave way: {fallback}" if fallback else ""
        level = DiagnosticStatus.WARN if lost or late or fallback else DiagnosticStatus.OK
        counts = {"trials": self._trials, "policy_fallbacks": self._fallbacks}
        return level, words, {**counts, **statistics}


def main() -> None:
    """Run the node."""
    # The whole process: a thread that waits for Python's lock waits for whoever holds it.
    claim_urgency()
    run(ExecutorNode, threads=6)
