"""A whole pick: look, ask for grasps, execute the best, and again while another may do better.

Every stage has a time limit and an error code of its own, so a node that dies in the
middle ends the goal with words and the next goal works when the node is back. Which failures
are worth another attempt, and with which grasp, `dexgrasp.execution.attempts` decides.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dexgrasp_interfaces.action import ExecuteGrasp, PickObject, SynthesizeGrasps, Withdraw
from dexgrasp_interfaces.msg import (
    DetectedObjectArray,
    ErrorCode,
    ExecutorState,
    Grasp,
    PickAttempt,
    SafetyState,
)
from geometry_msgs.msg import PoseStamped
from rclpy.action.server import ServerGoalHandle

from dexgrasp.errors import DexgraspError, EmergencyStopError
from dexgrasp.execution.attempts import (
    NOT_LIFTED,
    GraspChoice,
    attempt_seed,
    mendable,
    standing,
)
from dexgrasp.hands import HandModel
from dexgrasp.types import GraspSet
from dexgrasp_nodes.conversions import (
    detection_to_msg,
    grasps_from_msgs,
    grasps_to_msgs,
    header,
)
from dexgrasp_nodes.node_base import (
    NotActiveError,
    StackNode,
    error_code,
    present,
    run,
    send_feedback,
)
from dexgrasp_nodes.remote_action import CANCEL_WAIT, RemoteAction, RemoteError
from dexgrasp_nodes.spinning import GoalServer
from dexgrasp_nodes.streams import Stream
from dexgrasp_nodes.views import Eyes, Found, View, first_view, next_view, seen_objects


@dataclass
class Pick:
    """One goal under way. home: where the palm was at its begin; view: the newest."""

    goal: ServerGoalHandle
    preempted: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    result: PickObject.Result = field(default_factory=PickObject.Result)
    attempts: list[PickAttempt] = field(default_factory=list)
    choice: GraspChoice = field(default_factory=GraspChoice)
    home: PoseStamped | None = None
    view: View | None = None

    @property
    def attempt(self) -> PickAttempt:
        """The newest attempt."""
        return self.attempts[-1]


class PickNode(StackNode):
    """Action `pick_object` over the topics and actions of the other nodes."""

    def __init__(self) -> None:
        super().__init__("pick")
        self.declare_parameter("hand", "allegro_right")
        self.declare_parameter("max_attempts", 3)
        self.declare_parameter("perception_timeout", 10.0)
        self.declare_parameter("synthesis_timeout", 60.0)
        self.declare_parameter("good_score", 0.8)
        self._eyes = Eyes(self)
        self._safety = Stream(self, SafetyState, "safety/state")
        self._lock = threading.Lock()
        self._pick: Pick | None = None
        self._synthesis = RemoteAction(
            self, SynthesizeGrasps, "synthesize_grasps", ErrorCode.SYNTHESIS_TIMEOUT
        )
        self._execution = RemoteAction(
            self, ExecuteGrasp, "execute_grasp", ErrorCode.EXECUTION_TIMEOUT
        )
        self._withdrawal = RemoteAction(self, Withdraw, "withdraw", ErrorCode.EXECUTION_TIMEOUT)
        self._server: GoalServer | None = None

    def setup(self) -> None:
        """Offer the action: only from now on is there anything to talk to.

        Raises UnknownNameError, ConfigError.
        """
        self._hand = HandModel.load(self.get_parameter("hand").value)
        self._server = GoalServer(self, PickObject, "pick_object", self._execute)

    def teardown(self) -> None:
        """Withdraw the action."""
        if self._server is not None:
            self._server.destroy()
        self._server = None

    def stop(self) -> None:
        """End the running goal."""
        with self._lock:
            running = self._pick
        if running is not None:
            running.preempted.set()

    def _execute(self, goal: ServerGoalHandle) -> PickObject.Result:
        pick = Pick(goal)
        try:
            self._begin(pick)
        except DexgraspError as error:
            goal.abort()
            return PickObject.Result(error_code=error_code(error), error_msg=str(error))
        try:
            self._run(pick)
        except Exception as error:
            if not isinstance(error, DexgraspError):
                self.report_fault(error)
            pick.result.error_code, pick.result.error_msg = error_code(error), str(error)
        finally:
            pick.result.attempts = pick.attempts
            pick.ended.set()
        if pick.result.error_code == ErrorCode.OK:
            goal.succeed()
        elif goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return pick.result

    def _begin(self, pick: Pick) -> None:
        if not self.active:
            raise NotActiveError("the pick node is not active")
        with self._lock:
            running = self._pick
            free = running is None or running.ended.is_set()
            if not free and not pick.goal.request.preempt:
                raise RemoteError(
                    ErrorCode.BUSY, "another pick runs; cancel it, wait, or set preempt"
                )
            self._pick = pick
        if running is not None:
            running.preempted.set()
            running.ended.wait(CANCEL_WAIT)

    def _run(self, pick: Pick) -> None:
        """Attempt after attempt, as long as there is hope and another one is allowed."""
        limit = pick.goal.request.max_attempts or self.get_parameter("max_attempts").value
        for number in range(1, limit + 1):
            attempt = PickAttempt(number=number)
            pick.attempts.append(attempt)
            try:
                self._try(pick)
                return
            except Exception as error:
                attempt.error_code, attempt.error_msg = error_code(error), str(error)
                if number == limit or not mendable(attempt.error_code):
                    raise
            finally:
                attempt.stage = pick.result.stage
            if attempt.trial:
                with self._stage(pick, "withdrawal"):
                    self._withdraw(pick)

    def _try(self, pick: Pick) -> None:
        """One attempt. Raises DexgraspError."""
        with self._stage(pick, "perception"):
            pick.home = pick.home or self._eyes.palm_pose()
            pick.view = self._see(pick)
            head = header(pick.view.stamp)
            pick.result.object = detection_to_msg(pick.view.wanted, head)
        with self._stage(pick, "synthesis"):
            grasp = self._choose(pick, pick.view)
            pick.attempt.grasp = grasps_to_msgs(grasp, self._hand, pick.view.stamp)[0]
            pick.result.grasp = pick.attempt.grasp
        with self._stage(pick, "execution"):
            self._grasp(pick)
            self._verify(pick, pick.view)

    @contextmanager
    def _stage(self, pick: Pick, name: str) -> Iterator[None]:
        """Announce a stage and take its time, however it ends."""
        pick.result.stage = name
        self._feedback(pick, ExecutorState())
        start = time.monotonic()
        try:
            yield
        finally:
            seconds = f"{name}_seconds"
            setattr(pick.attempt, seconds, time.monotonic() - start)
            total = sum(getattr(attempt, seconds) for attempt in pick.attempts)
            setattr(pick.result, seconds, total)

    def _feedback(self, pick: Pick, state: ExecutorState) -> None:
        feedback = PickObject.Feedback(stage=pick.result.stage, attempt=pick.attempt, state=state)
        send_feedback(pick.goal, feedback)

    def _see(self, pick: Pick) -> View:
        """The wanted object: by its number at first, then by where it was. Raises DexgraspError."""
        before, tries = pick.view, pick.attempt.number - 1
        if before is None:
            return self._look(pick, lambda seen: first_view(seen, pick.goal.request.object_id))
        return self._look(pick, lambda seen: next_view(seen, before, tries))

    def _look(self, pick: Pick, find: Callable[[DetectedObjectArray], Found]) -> Found:
        limit = self.get_parameter("perception_timeout").value
        return self._eyes.look(find, limit, lambda: self._check(pick))

    def _choose(self, pick: Pick, view: View) -> GraspSet:
        """The next grasp of the known set, else of a new one. Raises DexgraspError."""
        known = pick.choice.of_known(view.wanted)
        if known is not None:
            pick.attempt.known = True
            return known
        return pick.choice.of_new(view.wanted, self._synthesize(pick, view))

    def _synthesize(self, pick: Pick, view: View) -> GraspSet:
        """A new set, best first; cut short when a good grasp that was not tried is in it."""
        request = pick.goal.request
        goal = SynthesizeGrasps.Goal(
            header=header(view.stamp),
            object=pick.result.object,
            seed=attempt_seed(request.seed, pick.attempt.number - 1),
            condition=request.condition,
        )
        found: list[Grasp] = []
        good = threading.Event()

        def keep(message: Any) -> None:
            found.extend(message.feedback.grasps.grasps)
            if found and pick.choice.offers(view.wanted, self._grasps(found), good_score):
                good.set()

        good_score = self.get_parameter("good_score").value
        answer = self._synthesis.call(
            goal,
            self.get_parameter("synthesis_timeout").value,
            lambda: self._check(pick),
            keep,
            good.is_set,
        )
        return self._grasps(found if answer is None else answer.grasps.grasps)

    def _grasps(self, messages: Sequence[Grasp]) -> GraspSet:
        """Best first."""
        ordered = sorted(messages, key=lambda grasp: grasp.score, reverse=True)
        return grasps_from_msgs(ordered, self._hand)

    def _grasp(self, pick: Pick) -> None:
        request = pick.goal.request
        goal = ExecuteGrasp.Goal(
            grasp=pick.attempt.grasp, place_back=request.place_back, preempt=request.preempt
        )
        # No limit: each phase has its own in the executor.
        answer = self._execution.call(
            goal,
            math.inf,
            lambda: self._check(pick),
            lambda message: self._on_phase(pick, message.feedback.state),
        )
        pick.attempt.phase = answer.state.phase_name

    def _on_phase(self, pick: Pick, state: ExecutorState) -> None:
        pick.attempt.trial = state.trial
        if state.phase != ExecutorState.FAILED:
            pick.attempt.phase = state.phase_name
        self._feedback(pick, state)

    def _verify(self, pick: Pick, before: View) -> None:
        """Raise RemoteError when a new image shows that the object was not lifted."""
        if pick.goal.request.place_back:
            return
        still = self._look(pick, lambda seen: standing(seen_objects(seen)))
        if still >= before.standing:
            raise RemoteError(ErrorCode.OBJECT_LOST, NOT_LIFTED)

    def _withdraw(self, pick: Pick) -> None:
        goal = Withdraw.Goal(
            grasp=pick.attempt.grasp,
            palm=present(pick.home, "palm pose"),
            preempt=pick.goal.request.preempt,
        )
        self._withdrawal.call(goal, math.inf, lambda: self._check(pick))

    def _check(self, pick: Pick) -> None:
        self._safety.take_all()
        if self._safety.newest is not None and self._safety.newest.e_stopped:
            raise EmergencyStopError(self._safety.newest.words)
        if pick.goal.is_cancel_requested:
            raise RemoteError(ErrorCode.CANCELLED, "cancelled on request")
        if pick.preempted.is_set():
            code = ErrorCode.PREEMPTED if self.active else ErrorCode.NOT_ACTIVE
            raise RemoteError(code, "a newer goal or a deactivation ended this one")


def main() -> None:
    """Run the node."""
    run(PickNode)
