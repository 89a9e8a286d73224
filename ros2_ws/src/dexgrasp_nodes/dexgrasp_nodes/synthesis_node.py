"""Grasps for perceived objects, by `dexgrasp.synthesis`."""

from __future__ import annotations

import threading
import time

from dexgrasp_interfaces.action import SynthesizeGrasps
from dexgrasp_interfaces.msg import ErrorCode, GraspArray
from rclpy.action.server import ServerGoalHandle

from dexgrasp.errors import SceneError
from dexgrasp.hands import HandModel
from dexgrasp.synthesis import (
    GraspGeometry,
    GraspSynthesizer,
    SynthesisConfig,
    make_synthesizer,
)
from dexgrasp.synthesis.synthesizer import the_best
from dexgrasp.types import GraspSet
from dexgrasp_nodes.conversions import (
    WORLD_FRAME,
    detection_from_msg,
    grasps_to_msgs,
    seconds_from_stamp,
)
from dexgrasp_nodes.conversions.conditions import condition_from_msg
from dexgrasp_nodes.node_base import (
    LATCHED,
    WORKER,
    NotActiveError,
    StackNode,
    error_code,
    run,
    send_feedback,
)
from dexgrasp_nodes.spinning import GoalServer

Request = SynthesizeGrasps.Goal
Result = SynthesizeGrasps.Result
Feedback = SynthesizeGrasps.Feedback


class SynthesisNode(StackNode):
    """Action `synthesize_grasps`; the newest answer with grasps is latched on `grasps`."""

    def __init__(self) -> None:
        super().__init__("synthesis")
        self.declare_parameter("hand", "allegro_right")
        self.declare_parameter("synthesizer", "search")
        self.declare_parameter("check", "lift")
        self.declare_parameter("synthesis", "default")
        self.declare_parameter("count", 8)
        self._grasps = self.create_publisher(GraspArray, "grasps", LATCHED)
        self._one_at_a_time = threading.Lock()
        self._server = GoalServer(self, SynthesizeGrasps, "synthesize_grasps", self._execute)

    def setup(self) -> None:
        """Load hand and generator. Raises UnknownNameError, ConfigError."""
        value = self.get_parameter
        self._hand = HandModel.load(value("hand").value)
        self._config = SynthesisConfig.load(value("synthesis").value)
        self._synthesizer("")  # refuses unknown names now, not at the first goal

    def _synthesizer(self, method: str) -> GraspSynthesizer:
        """That of a goal; an empty method means the node's own. Raises UnknownNameError."""
        value = self.get_parameter
        name = method or value("synthesizer").value
        return make_synthesizer(name, self._config, value("check").value)

    def _execute(self, goal: ServerGoalHandle) -> Result:
        start = time.perf_counter()
        result = Result()
        try:
            with self._one_at_a_time:
                result.grasps = self._synthesize(goal)
        except Exception as error:
            self.report_fault(error)
            result.error_code, result.error_msg = error_code(error), str(error)
        result.seconds = time.perf_counter() - start
        if result.grasps.grasps:
            self._grasps.publish(result.grasps)
        if goal.is_cancel_requested:
            result.error_code, result.error_msg = ErrorCode.CANCELLED, "cancelled on request"
            goal.canceled()
        elif result.error_code:
            goal.abort()
        else:
            goal.succeed()
        return result

    def _synthesize(self, goal: ServerGoalHandle) -> GraspArray:
        """What was found by the end or the cancellation, best first. Raises DexgraspError."""
        request = goal.request
        if not self.active:
            raise NotActiveError("the synthesis node is not active")
        if request.header.frame_id != WORLD_FRAME:
            raise SceneError(
                f"the object is in frame {request.header.frame_id!r}; only {WORLD_FRAME!r} is known"
            )
        synthesizer = self._synthesizer(request.method)
        detected = detection_from_msg(request.object)
        send_feedback(goal, Feedback(stage="completion"))
        geometry = GraspGeometry.from_detection(detected)
        condition = condition_from_msg(request.condition, self._hand, geometry)
        send_feedback(goal, Feedback(stage="synthesis"))
        count = request.count or self.get_parameter("count").value
        sets = synthesizer.stream(self._hand, geometry, count, request.seed, condition)
        found: list[GraspSet] = []
        while not goal.is_cancel_requested and (grasps := next(sets, None)) is not None:
            found.append(grasps)
            partial, total = self._array(request, grasps), sum(len(each) for each in found)
            send_feedback(goal, Feedback(stage="synthesis", grasps=partial, found=total))
        return self._array(request, the_best(found, count)) if found else GraspArray()

    def _array(self, request: Request, grasps: GraspSet) -> GraspArray:
        stamp = seconds_from_stamp(request.header.stamp)
        messages = grasps_to_msgs(grasps, self._hand, stamp)
        return GraspArray(header=request.header, object_id=request.object.id, grasps=messages)


def main() -> None:
    """Run the node."""
    run(SynthesisNode, niceness=WORKER)
