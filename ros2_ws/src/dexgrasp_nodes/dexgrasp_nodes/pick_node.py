"""A whole pick: wait for a fresh view, ask for grasps, execute the first good one or the best.

Every stage has a time limit and an error code of its own, so a node that dies in the
middle ends the goal with words and the next goal works when the node is back.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dexgrasp_interfaces.action import ExecuteGrasp, PickObject, SynthesizeGrasps
from dexgrasp_interfaces.msg import (
    DetectedObject,
    DetectedObjectArray,
    ErrorCode,
    ExecutorState,
    Grasp,
)
from rclpy.action.server import ActionServer, CancelResponse, ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState

from dexgrasp.errors import DexgraspError
from dexgrasp_nodes.conversions import header, seconds_from_stamp
from dexgrasp_nodes.node_base import NotActiveError, StackNode, error_code, run, send_feedback
from dexgrasp_nodes.remote_action import CANCEL_WAIT, POLL, RemoteAction, RemoteError
from dexgrasp_nodes.streams import Stream

LOOKS = 5  # images without the wanted object before it is declared absent
SILENCE = 5.0  # [s] of wall clock without joint states


@dataclass
class Pick:
    """One goal under way."""

    goal: ServerGoalHandle
    preempted: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    result: PickObject.Result = field(default_factory=PickObject.Result)


class PickNode(StackNode):
    """Action `pick_object` over the topics and actions of the other nodes."""

    def __init__(self) -> None:
        super().__init__("pick")
        self.declare_parameter("perception_timeout", 10.0)
        self.declare_parameter("synthesis_timeout", 60.0)
        self.declare_parameter("good_score", 0.8)
        group = ReentrantCallbackGroup()
        # Polled: a callback for every message would cost more than all the rest of this node.
        self._objects = Stream(self, DetectedObjectArray, "objects")
        self._joints = Stream(self, JointState, "joint_states", qos_profile_sensor_data)
        self._lock = threading.Lock()
        self._pick: Pick | None = None
        self._synthesis = RemoteAction(
            self, SynthesizeGrasps, "synthesize_grasps", group, ErrorCode.SYNTHESIS_TIMEOUT
        )
        self._execution = RemoteAction(
            self, ExecuteGrasp, "execute_grasp", group, ErrorCode.EXECUTION_TIMEOUT
        )
        self._group = group
        self._server: ActionServer | None = None

    def setup(self) -> None:
        """Offer the action: only from now on is there anything to talk to."""
        self._server = ActionServer(
            self,
            PickObject,
            "pick_object",
            self._execute,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            callback_group=self._group,
        )

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
        with self._stage(pick, "perception"):
            pick.result.object, stamp = self._perceive(pick)
        with self._stage(pick, "synthesis"):
            self._synthesize(pick, stamp)
        with self._stage(pick, "execution"):
            self._grasp(pick)

    @contextmanager
    def _stage(self, pick: Pick, name: str) -> Iterator[None]:
        """Announce a stage and take its time, however it ends."""
        pick.result.stage = name
        self._feedback(pick, ExecutorState())
        start = time.monotonic()
        try:
            yield
        finally:
            setattr(pick.result, f"{name}_seconds", time.monotonic() - start)

    def _feedback(self, pick: Pick, state: ExecutorState) -> None:
        send_feedback(pick.goal, PickObject.Feedback(stage=pick.result.stage, state=state))

    def _perceive(self, pick: Pick) -> tuple[DetectedObject, float]:
        """The wanted object in an image taken from now on, and the image's time [s]."""
        wanted = pick.goal.request.object_id
        begin = self._now()
        limit = self.get_parameter("perception_timeout").value
        looks = 0
        while (now := self._now()) < begin + limit:
            begin = min(begin, now)  # a new bridge begins at zero
            self._check(pick)
            seen = self._objects.poll()
            if seen is None or seconds_from_stamp(seen.header.stamp) < begin:
                time.sleep(POLL)
                continue
            found = [o for o in seen.objects if o.id == wanted]
            if found:
                return found[0], seconds_from_stamp(seen.header.stamp)
            looks += 1
            if looks == LOOKS:
                words = f"object {wanted} is not among the {len(seen.objects)} perceived"
                raise RemoteError(seen.error_code or ErrorCode.SCENE, seen.error_msg or words)
        raise RemoteError(
            ErrorCode.PERCEPTION_TIMEOUT, f"no objects were perceived within {limit} s"
        )

    def _now(self) -> float:
        """Time of the newest joint state [s], which is nearer than that of /clock."""
        self._joints.take_all()
        joints = self._joints.newest
        if joints is None or self._joints.age > SILENCE:
            raise RemoteError(ErrorCode.STATE_LOST, "no joint states: is the bridge running?")
        return seconds_from_stamp(joints.header.stamp)

    def _synthesize(self, pick: Pick, stamp: float) -> None:
        request = pick.goal.request
        goal = SynthesizeGrasps.Goal(
            header=header(stamp),
            object=pick.result.object,
            seed=request.seed,
            condition=request.condition,
        )
        good: list[Grasp] = []
        good_score = self.get_parameter("good_score").value

        def keep_good(message: Any) -> None:
            best = message.feedback.grasps.grasps[:1]
            good.extend(grasp for grasp in best if grasp.score >= good_score)

        answer = self._synthesis.call(
            goal,
            self.get_parameter("synthesis_timeout").value,
            lambda: self._check(pick),
            keep_good,
            lambda: bool(good),
        )
        pick.result.grasp = answer.grasps.grasps[0] if answer is not None else good[0]

    def _grasp(self, pick: Pick) -> None:
        request = pick.goal.request
        goal = ExecuteGrasp.Goal(
            grasp=pick.result.grasp, place_back=request.place_back, preempt=request.preempt
        )
        # No limit: each phase has its own in the executor.
        self._execution.call(
            goal,
            math.inf,
            lambda: self._check(pick),
            lambda message: self._feedback(pick, message.feedback.state),
        )

    def _check(self, pick: Pick) -> None:
        if pick.goal.is_cancel_requested:
            raise RemoteError(ErrorCode.CANCELLED, "cancelled on request")
        if pick.preempted.is_set():
            code = ErrorCode.PREEMPTED if self.active else ErrorCode.NOT_ACTIVE
            raise RemoteError(code, "a newer goal or a deactivation ended this one")


def main() -> None:
    """Run the node."""
    run(PickNode, threads=6)
