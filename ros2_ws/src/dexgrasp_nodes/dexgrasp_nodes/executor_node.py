"""Runs grasps on the hand: `dexgrasp.execution.GraspExecutor` in a loop of its own.

One goal at a time: a second one is answered BUSY unless it asks to preempt. Whatever ends
a goal, the last targets stay in force, so a held object stays held and a moving hand stops; a
heartbeat tells the safety node that this is meant, for as long as this process lives.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from dexgrasp_interfaces.action import DeliverObject, ExecuteGrasp, Withdraw
from dexgrasp_interfaces.msg import ErrorCode
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.action.server import ServerGoalHandle
from std_srvs.srv import Trigger

from dexgrasp.errors import DexgraspError, EmergencyStopError, GraspError, SafetyError
from dexgrasp.execution import ExecutionConfig, GraspExecutor, Phase
from dexgrasp.execution.delivery import Held, PhasedMotion
from dexgrasp.execution.safety_config import SafetyLimits
from dexgrasp.hands import HandModel
from dexgrasp.hands.calibration import Calibration
from dexgrasp.hardware.config import load_calibration, load_hardware
from dexgrasp.types import Command, GraspSet
from dexgrasp_nodes.conversions import WORLD_FRAME, grasps_from_msgs
from dexgrasp_nodes.executor_report import ExecutorReport
from dexgrasp_nodes.hand_link import HandLink
from dexgrasp_nodes.loop import Loop, claim_urgency, leave_shared_memory
from dexgrasp_nodes.node_base import NotActiveError, StackNode, error_code, run, send_feedback
from dexgrasp_nodes.spinning import GoalServer
from dexgrasp_nodes.trial import BusyError, Goal, Machine, NothingHeldError, Trial, Workplace

STATE_LOST_AFTER = 0.5  # [s] of wall clock without joint states or palm pose
# The same where time is simulated: a world that stalls on a busy machine moves nothing meanwhile.
SIMULATION_LOST_AFTER = 2.0
# Between goals one turn of the loop in so many does anything: a heartbeat in 25 ms is enough,
# and synthesis gets the time. The first turn of a goal is never skipped.
IDLE_TURNS = 5
RESULT_POLL = 0.04  # [s]; each look takes Python's lock from the control loop


class ExecutorNode(StackNode):
    """Actions `execute_grasp`, `deliver_object`, `withdraw`; service `executor/release`.

    `executor/state`: see ExecutorState.msg. Parameters: `execution` and `safety`, files of
    `config/execution`; `controller`; `control_rate` [Hz]; `table_half_size` [m], within which
    objects may be placed; `ros2_control_hardware_type`: a `physical_device` is felt with the
    calibration of `config/hardware`.
    """

    def __init__(self) -> None:
        super().__init__("executor")
        self.declare_parameter("hand", "allegro_right")
        self.declare_parameter("ros2_control_hardware_type", "mujoco")
        self.declare_parameter("execution", "default")
        self.declare_parameter("safety", "safety")
        self.declare_parameter("controller", "reactive")
        self.declare_parameter("control_rate", 200.0)
        self.declare_parameter("table_half_size", [0.6, 0.6])
        self._link = HandLink(self)
        self._report = ExecutorReport(self, self._link)
        self._lock = threading.Lock()
        self._loop: Loop | None = None
        self._trial: Trial | None = None
        self._held: Held | None = None
        self._trials = 0
        self._turns = 0
        self._fallbacks = 0
        served: tuple[tuple[Any, str, Callable], ...] = (
            (ExecuteGrasp, "execute_grasp", self._grasping),
            (DeliverObject, "deliver_object", self._delivering),
            (Withdraw, "withdraw", self._withdrawing),
        )
        self._servers = [self._serving(*action) for action in served]
        self.create_service(Trigger, "executor/release", self._on_release)

    def _serving(self, kind: Any, name: str, begin: Callable) -> GoalServer:
        return GoalServer(self, kind, name, lambda goal: self._serve(goal, kind, begin))

    def setup(self) -> None:
        """Load hand and configuration. Raises UnknownNameError, ConfigError."""
        value = self.get_parameter
        hand = self._hand = HandModel.load(value("hand").value)
        self._place = Workplace(
            hand,
            ExecutionConfig.load(value("execution").value),
            value("controller").value,
            SafetyLimits.load(value("safety").value),
            np.array(value("table_half_size").value),
            lambda: self.get_clock().now().nanoseconds * 1e-9,
            self._calibration(),
        )
        self._place.rehearse()
        self._link.attach(hand)
        simulated = value("use_sim_time").value
        self._lost_after = SIMULATION_LOST_AFTER if simulated else STATE_LOST_AFTER

    def _calibration(self) -> Calibration | None:
        if self.get_parameter("ros2_control_hardware_type").value != "physical_device":
            return None
        return load_calibration(load_hardware(self._hand.name).calibration, self._hand)

    def start(self) -> None:
        """Start the control loop."""
        period = 1.0 / self.get_parameter("control_rate").value
        self._loop = Loop("control", period, self._step, self._on_loop_error, real_time=True)
        self._loop.start()

    def stop(self) -> None:
        """Stop the control loop; a running goal ends and the hand holds its last targets."""
        if self._loop is not None:
            self._loop.stop()
        with self._lock:
            if self._trial is not None:
                self._trial.end(ErrorCode.NOT_ACTIVE, "the executor was deactivated")
            self._trial = self._held = None

    def _on_loop_error(self, error: Exception) -> None:
        self.report_fault(error)
        with self._lock:
            if self._trial is not None:
                self._drop(self._trial, error_code(error), str(error))

    def _step(self) -> None:
        self._turns += 1
        if (self._trial is None or self._trial.ended.is_set()) and self._turns % IDLE_TURNS:
            return
        self._link.poll()
        with self._lock:
            trial = self._trial
            if trial is not None and trial.runs:
                self._advance(trial)
            else:
                self._link.keep_alive()
            if trial is not None and not trial.runs and not trial.ended.is_set():
                self._settle(trial)
                trial.finish()
            self._report.publish(trial, self._hand, self._held is not None)

    def _advance(self, trial: Trial) -> None:
        link = self._link
        if link.silence > self._lost_after:
            # A goal right after a spawn, which holds up the world, may be before the first state.
            if time.monotonic() - trial.began > self._lost_after:
                words = f"no joint state or palm pose for {self._lost_after} s; the hand holds"
                self._drop(trial, ErrorCode.STATE_LOST, words)
            return
        if link.age > self._place.limits.input_age:
            return  # an old state is nothing to act on: no command, and the safety node holds
        observation = link.observe(forces_within=self._lost_after)
        try:
            trial.check_safety(link.safety, link.now)
        except SafetyError as error:
            self._drop(trial, error.code, str(error))
            return
        seen = link.held_object()
        if seen is not None and isinstance(trial.machine, GraspExecutor):
            trial.machine.track(observation.T_world_palm @ seen)
        command = trial.machine.step(observation)
        self._note(trial, command)
        link.send(command, link.now - link.age)

    def _note(self, trial: Trial, command: Command) -> None:
        """Keep what comes after needs, and tell once when a policy has given way."""
        before = trial.fallback
        trial.note(command)
        if trial.fallback and not before:
            self._fallbacks += 1
            self.get_logger().warning(f"the policy gave way: {trial.fallback}")

    def _drop(self, trial: Trial, code: int, words: str) -> None:
        trial.machine.phase[:] = Phase.FAILED
        self._settle(trial)
        trial.end(code, words)

    def _settle(self, trial: Trial) -> None:
        """Note what the hand holds after a goal."""
        self._held = None if self._link.sent is None else trial.leftover(self._link.sent)

    def _serve(self, goal: ServerGoalHandle, kind: Any, begin: Callable[[Any], Trial]) -> Any:
        """Run a goal of any action to its end and return its result."""
        try:
            trial = begin(goal.request)
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
            if trial.phase != shown:
                shown = trial.phase
                send_feedback(goal, kind.Feedback(state=self._message(trial)))
        if trial.code == ErrorCode.OK:
            goal.succeed()
        elif goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        result = kind.Result(error_code=trial.code, error_msg=trial.words)
        result.state = self._message(trial)
        if isinstance(result, DeliverObject.Result) and isinstance(trial.machine, PhasedMotion):
            result.pulled = bool(trial.machine.pulled[0])
        return result

    def _message(self, trial: Trial) -> Any:
        return self._report.message(trial, self._hand, self._held is not None)

    def _grasping(self, request: ExecuteGrasp.Goal) -> Trial:
        grasps = self._admit(request)

        def start() -> Machine:
            machine = self._place.grasping(request, grasps)
            self._trials += 1
            return machine

        return self._begin(request, grasps, start)

    def _withdrawing(self, request: Withdraw.Goal) -> Trial:
        grasps = self._admit(request)
        return self._begin(
            request, grasps, lambda: self._place.withdrawing(request, grasps, self._link)
        )

    def _admit(self, request: ExecuteGrasp.Goal | Withdraw.Goal) -> GraspSet:
        """The grasp of a goal. Raises DexgraspError with the code to answer."""
        self._check_ready()
        grasps = grasps_from_msgs([request.grasp], self._hand)
        if grasps.frame != WORLD_FRAME:
            raise GraspError(f"the grasp is in frame {grasps.frame!r}; known: {WORLD_FRAME!r}")
        return grasps

    def _check_ready(self) -> None:
        if not self.active:
            raise NotActiveError("the executor is not active")
        if self._link.safety is not None and self._link.safety.e_stopped:
            raise EmergencyStopError(self._link.safety.words)

    def _begin(self, request: Goal, grasps: GraspSet, make: Callable[[], Machine]) -> Trial:
        """Start what a goal asks for. Raises DexgraspError with the code to answer."""
        self._make_way(request.preempt)
        with self._lock:
            self._check_free()
            machine = make()
            self._held = None
            self._trial = Trial(self._trials, request.grasp, grasps, machine, self._link.safety)
            return self._trial

    def _delivering(self, request: DeliverObject.Goal) -> Trial:
        self._check_ready()
        self._make_way(request.preempt)
        with self._lock:
            self._check_free()
            held, before = self._held, self._trial
            if held is None or before is None or self._link.is_elsewhere():
                raise NothingHeldError("nothing is held: execute a grasp that ends well first")
            machine = self._place.delivering(request, held)
            self._trial = Trial(
                self._trials, before.grasp, held.grasps, machine, self._link.safety,
                held.T_world_grasp,
            )  # fmt: skip
            return self._trial

    def _check_free(self) -> None:
        if self._trial is not None and not self._trial.ended.is_set():
            raise BusyError("another goal was faster; try again")

    def _make_way(self, preempt: bool) -> None:
        """Wait until no goal runs. Raises BusyError unless this one may preempt."""
        with self._lock:
            running = self._trial
            if running is None or running.ended.is_set():
                return
            if not preempt:
                raise BusyError(
                    f"goal {running.number} runs ({running.phase.name}); cancel it, wait, or set "
                    "preempt"
                )
            running.preempted = True
            running.machine.cancel()
        running.ended.wait()

    def _on_release(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Put down what is held after a grasp, where it was."""
        with self._lock:
            trial = self._trial
            machine = trial.machine if trial is not None and trial.phase == Phase.DONE else None
            if not isinstance(machine, GraspExecutor) or self._link.is_elsewhere():
                response.message = "nothing is held after a grasp that ended well"
                return response
            self._held = None
            machine.release()
        response.success = True
        return response

    def health(self) -> tuple[bytes, str, Mapping[str, object]]:
        """See `StackNode.health`."""
        if not self.active or self._loop is None:
            return super().health()
        statistics = self._loop.statistics()
        lost = self._link.silence > self._lost_after
        late = statistics["period_error_p99_ms"] > 5.0
        trial = self._trial
        fallback = "" if trial is None else trial.fallback
        words = "no joint states" if lost else "late" if late else "in time"
        words += f"; the policy gave way: {fallback}" if fallback else ""
        level = DiagnosticStatus.WARN if lost or late or fallback else DiagnosticStatus.OK
        state = self._report.figures(trial, self._hand, self._held is not None)
        counts = {"trials": self._trials, "policy_fallbacks": self._fallbacks}
        return level, words, {**counts, **statistics, **state}


def main() -> None:
    """Run the node."""
    # The whole process: a thread that waits for Python's lock waits for whoever holds it.
    leave_shared_memory()
    claim_urgency()
    run(ExecutorNode)
