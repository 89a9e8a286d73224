"""A stack that answers as the real one does, for clients that are under test."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import rclpy
from dexgrasp_interfaces.action import PickObject
from dexgrasp_interfaces.msg import ErrorCode, PickAttempt, TrialReport
from dexgrasp_interfaces.srv import SpawnObject
from dexgrasp_nodes.conversions import header, picture_to_msg
from dexgrasp_nodes.node_base import LATCHED
from rclpy.action.server import ActionServer, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

EXECUTED_PHASES = ("COVER", "FULL_GRASP", "LIFT", "HOLD")


class FakeStack(Node):
    """Answers as the stack does; its flags make it fail in the ways of a stack."""

    def __init__(self, context: Context) -> None:
        super().__init__("fake_stack", context=context)
        self.failing: set[str] = set()
        self.unseen: set[str] = set()
        self.silent = False
        self.stopping = threading.Event()
        self.rejecting = False
        self.refusing = False
        self.reporting = True
        self.knows_truth = True
        self.encoding = "rgb8"
        self.object = ""
        self.seeds: list[int] = []
        self.trial = 0
        group = ReentrantCallbackGroup()
        self.inactive = ""
        self.folders: list[str] = []
        self.broken = ErrorCode.OK
        self.create_subscription(
            String, "results_folder", lambda m: self.folders.append(m.data), LATCHED
        )
        self.create_service(Trigger, "/lifecycle_manager/is_active", self._on_is_active)
        self.create_service(SpawnObject, "/simulation/spawn_object", self._spawn)
        self._reports = self.create_publisher(TrialReport, "/trial_reports", 10)
        self._images = self.create_publisher(Image, "/overview/image", 10)
        self._server = ActionServer(
            self,
            PickObject,
            "/pick_object",
            self._pick,
            goal_callback=self._on_goal,  # type: ignore[arg-type]  # rclpy's hint is wrong
            callback_group=group,
        )

    def destroy_node(self) -> None:
        """The action server holds the node: without this it lingers in the graph."""
        self._server.destroy()
        super().destroy_node()

    def _on_goal(self, _goal: PickObject.Goal) -> GoalResponse:
        return GoalResponse.REJECT if self.rejecting else GoalResponse.ACCEPT

    def _on_is_active(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success, response.message = not self.inactive, f"not active: {self.inactive}"
        return response

    def _spawn(
        self, request: SpawnObject.Request, response: SpawnObject.Response
    ) -> SpawnObject.Response:
        if self.refusing:
            response.error_code, response.error_msg = ErrorCode.BACKEND, "out of memory"
        self.object = request.name
        return response

    def _pick(self, handle) -> PickObject.Result:
        self.seeds.append(handle.request.seed)
        if self.silent:
            self.stopping.wait()
            handle.abort()
            return PickObject.Result()
        if self.broken:
            handle.abort()
            return PickObject.Result(
                error_code=self.broken, error_msg="no sign of life", stage="synthesis"
            )
        if self.object in self.unseen:
            handle.succeed()
            return PickObject.Result(
                error_code=ErrorCode.SCENE, error_msg="nothing above the table", stage="perception"
            )
        self.trial += 1
        self._execute(handle)
        good = self.object not in self.failing
        if self.reporting:
            self._reports.publish(self._report(good))
        handle.succeed()
        code = ErrorCode.OK if good else ErrorCode.OBJECT_LOST
        return PickObject.Result(
            error_code=code,
            error_msg="" if good else "the fingers lost the object",
            stage="execution",
            perception_seconds=0.04,
            synthesis_seconds=1.5,
            execution_seconds=6.0,
            attempts=[PickAttempt(number=1, trial=self.trial)],
        )

    def _execute(self, handle) -> None:
        feedback = PickObject.Feedback(stage="execution")
        feedback.state.trial = self.trial
        for index, phase in enumerate(EXECUTED_PHASES):
            feedback.state.phase_name = phase
            handle.publish_feedback(feedback)
            for step in range(3):
                picture = np.full((36, 48, 3), 20 + 50 * index + step, np.uint8)
                message = picture_to_msg(picture, header(index + 0.1 * step))
                message.encoding = self.encoding
                self._images.publish(message)
                time.sleep(0.02)

    def _report(self, good: bool) -> TrialReport:
        return TrialReport(
            trial=self.trial,
            object=self.object if self.knows_truth else "",
            finished=True,
            success=good and self.knows_truth,
            phase="DONE" if good else "LIFT",
            grasp_kind="power",
            grasp_score=0.8,
            max_height=0.31 if good else 0.05,
            plausibility_judged=True,
            plausible=True,
            penetration_volume=2e-7,
            contacts=3,
        )


@contextmanager
def fake_stack(domain_id: int) -> Iterator[FakeStack]:
    """A running one."""
    context = Context()
    rclpy.init(context=context, domain_id=domain_id)
    node = FakeStack(context)
    executor = MultiThreadedExecutor(4, context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield node
    node.stopping.set()
    executor.shutdown(timeout_sec=5.0)
    thread.join(timeout=5.0)
    node.destroy_node()
    context.try_shutdown()
