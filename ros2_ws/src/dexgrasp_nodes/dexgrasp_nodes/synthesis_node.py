"""Grasps for perceived objects, by `dexgrasp.synthesis`."""

from __future__ import annotations

import threading
import time

from dexgrasp_interfaces.action import SynthesizeGrasps
from dexgrasp_interfaces.msg import ErrorCode, GraspArray
from rclpy.action.server import ActionServer, CancelResponse, ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup

from dexgrasp.errors import SceneError
from dexgrasp.hands import HandModel
from dexgrasp.synthesis import GraspGeometry, SynthesisConfig, make_synthesizer
from dexgrasp_nodes.conversions import (
    WORLD_FRAME,
    detection_from_msg,
    grasps_to_msgs,
    seconds_from_stamp,
)
from dexgrasp_nodes.node_base import (
    LATCHED,
    WORKER,
    NotActiveError,
    StackNode,
    error_code,
    run,
    send_feedback,
)

Result = SynthesizeGrasps.Result
Feedback = SynthesizeGrasps.Feedback


class SynthesisNode(StackNode):
    """Action `synthesize_grasps`; the newest candidates are latched on `grasps`."""

    def __init__(self) -> None:
        super().__init__("synthesis")
        self.declare_parameter("hand", "allegro_right")
        self.declare_parameter("synthesizer", "optimize")
        self.declare_parameter("synthesis", "default")
        self.declare_parameter("count", 8)
        self._grasps = self.create_publisher(GraspArray, "grasps", LATCHED)
        self._one_at_a_time = threading.Lock()
        self._server = ActionServer(
            self,
            SynthesizeGrasps,
            "synthesize_grasps",
            self._execute,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            callback_group=ReentrantCallbackGroup(),
        )

    def setup(self) -> None:
        """Load hand and generator. Raises UnknownNameError, ConfigError."""
        value = self.get_parameter
        self._hand = HandModel.load(value("hand").value)
        config = SynthesisConfig.load(value("synthesis").value)
        self._synthesizer = make_synthesizer(value("synthesizer").value, config)

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
        if goal.is_cancel_requested:
            goal.canceled()
            result.error_code, result.error_msg = ErrorCode.CANCELLED, "cancelled on request"
        elif result.error_code:
            goal.abort()
        else:
            self._grasps.publish(result.grasps)
            goal.succeed()
        return result

    def _synthesize(self, goal: ServerGoalHandle) -> GraspArray:
        request = goal.request
        if not self.active:
            raise NotActiveError("the synthesis node is not active")
        if request.header.frame_id != WORLD_FRAME:
            raise SceneError(
                f"the object is in frame {request.header.frame_id!r}; only {WORLD_FRAME!r} is known"
            )
        detected = detection_from_msg(request.object)
        send_feedback(goal, Feedback(stage="completion"))
        geometry = GraspGeometry.from_detection(detected)
        answer = GraspArray(header=request.header, object_id=request.object.id)
        if goal.is_cancel_requested:
            return answer
        send_feedback(goal, Feedback(stage="optimisation"))
        count = request.count or self.get_parameter("count").value
        grasps = self._synthesizer.synthesize(self._hand, geometry, count, request.seed)
        stamp = seconds_from_stamp(request.header.stamp)
        answer.grasps = grasps_to_msgs(grasps, self._hand, stamp)
        return answer


def main() -> None:
    """Run the node."""
    run(SynthesisNode, threads=4, niceness=WORKER)
