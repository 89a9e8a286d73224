"""The topics and the action of a joint controller, in the manner of ros2_control.

`~/commands` (streamed targets), `~/joint_trajectory`, `~/follow_joint_trajectory` and
`~/controller_state` under `hand_controller`. Whoever commands last wins. Trajectories are
tolerant of stalls: a hand in contact never reaches its targets, so a tolerance of 0 (the
default) or less means none; only an explicit positive tolerance can abort a goal.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import numpy as np
from control_msgs.action import FollowJointTrajectory
from control_msgs.msg import JointTolerance, JointTrajectoryControllerState
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from dexgrasp.errors import ExecutionError
from dexgrasp.hands import HandModel
from dexgrasp_nodes.conversions import doubles, header
from dexgrasp_nodes.spinning import GoalServer
from dexgrasp_nodes.streams import Stream
from dexgrasp_nodes.trajectory import HandTrajectory, UnknownJointsError, read_trajectory

RESULT_POLL = 0.01  # [s]
Result = FollowJointTrajectory.Result


@dataclass
class Run:
    """A trajectory under way."""

    trajectory: HandTrajectory
    path_tolerance: np.ndarray
    goal_tolerance: np.ndarray
    patience: float = 0.0
    start: float | None = None
    code: int = Result.SUCCESSFUL
    words: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def end(self, code: int = Result.SUCCESSFUL, words: str = "") -> None:
        """Report how it ended, once."""
        if not self.ended.is_set():
            self.code, self.words = code, words
            self.ended.set()


class HandController:
    """Joint targets from whoever commanded last. `update` belongs to one control loop.

    target: (J,) what was asked for [rad].  output: (J,) what was sent, as the loop tells.
    """

    def __init__(self, node: Node, hand: HandModel, position: np.ndarray) -> None:
        self._node = node
        self._hand = hand
        self._lock = threading.Lock()
        self._run: Run | None = None
        self.target = position.copy()
        self.output = position.copy()
        self.position = position.copy()
        self.refused = 0
        self._commands = Stream(node, Float64MultiArray, "hand_controller/commands", 1)
        self._trajectories = Stream(node, JointTrajectory, "hand_controller/joint_trajectory", 1)
        self._state = node.create_publisher(
            JointTrajectoryControllerState, "hand_controller/controller_state", 10
        )
        self._server = GoalServer(
            node, FollowJointTrajectory, "hand_controller/follow_joint_trajectory", self._execute
        )

    def hold(self, target: np.ndarray, words: str) -> None:
        """Forget every command and hold `target` (J,) [rad]; `words` say why."""
        with self._lock:
            self._stop(words)
            self._commands.take_all()
            self._trajectories.take_all()
            self.target = self.output = target.copy()

    def update(self, now: float, position: np.ndarray) -> tuple[np.ndarray, bool]:
        """The joint targets (J,) [rad] at time `now` [s], given where the joints are.

        Also whether they come from a command that is new, or a trajectory that runs.
        """
        with self._lock:
            self.position = position
            command = self._commands.poll()
            fresh = command is not None and self._stream(command)
            trajectory = self._trajectories.poll()
            if trajectory is not None:
                self._follow(trajectory)
            if self._run is not None:
                self._advance(self._run, now)
                fresh = True
            return self.target, fresh

    def _stream(self, message: Float64MultiArray) -> bool:
        """Take a streamed command, if it is usable."""
        values = np.asarray(message.data)
        if len(values) != self._hand.joint_count or not np.isfinite(values).all():
            self._refuse(
                f"a command of {len(values)} values was refused: {self._hand.joint_count} finite "
                "joint positions are needed"
            )
            return False
        self._stop("a streamed command took over")
        self.target = self._hand.clip(values)
        return True

    def _follow(self, message: JointTrajectory) -> None:
        try:
            trajectory = read_trajectory(message, self.target, self._hand)
        except ExecutionError as error:
            self._refuse(str(error))
            return
        self._stop("a newer trajectory took over")
        none = np.zeros(self._hand.joint_count)
        self._run = Run(trajectory, none, none)

    def _refuse(self, words: str) -> None:
        self.refused += 1
        self._node.get_logger().warning(words, throttle_duration_sec=1.0)

    def _stop(self, words: str) -> None:
        if self._run is not None:
            self._run.end(Result.INVALID_GOAL, words)
            self._run = None

    def _advance(self, run: Run, now: float) -> None:
        run.start = now if run.start is None else run.start
        elapsed = now - run.start
        self.target = run.trajectory.sample(elapsed)
        error = np.abs(self.target - self.position)
        over = self._beyond(error, run.path_tolerance)
        if over:
            run.end(Result.PATH_TOLERANCE_VIOLATED, f"off the path: {over}")
        elif elapsed >= run.trajectory.duration:
            over = self._beyond(error, run.goal_tolerance)
            if not over:
                run.end()
            elif elapsed >= run.trajectory.duration + run.patience:
                run.end(Result.GOAL_TOLERANCE_VIOLATED, f"not at the goal: {over}")
        if run.ended.is_set():
            self._run = None

    def _beyond(self, error: np.ndarray, tolerance: np.ndarray) -> str:
        over = (tolerance > 0.0) & (error > tolerance)
        return ", ".join(
            f"{self._hand.joint_names[j]} by {error[j]:.3f} rad" for j in np.flatnonzero(over)
        )

    def _execute(self, goal: ServerGoalHandle) -> Result:
        request = goal.request
        try:
            if request.multi_dof_trajectory.points:
                raise ExecutionError("the hand has no multi-DoF joints")
            with self._lock:
                trajectory = read_trajectory(request.trajectory, self.target, self._hand)
                patience = request.goal_time_tolerance
                run = Run(
                    trajectory,
                    self._tolerance(request.path_tolerance),
                    self._tolerance(request.goal_tolerance),
                    patience.sec + 1e-9 * patience.nanosec,
                )
                self._stop("a newer goal took over")
                self._run = run
        except ExecutionError as error:
            goal.abort()
            unknown = isinstance(error, UnknownJointsError)
            code = Result.INVALID_JOINTS if unknown else Result.INVALID_GOAL
            return Result(error_code=code, error_string=str(error))
        return self._await(goal, run)

    def _await(self, goal: ServerGoalHandle, run: Run) -> Result:
        while not run.ended.wait(RESULT_POLL):
            if goal.is_cancel_requested:
                with self._lock:
                    self._stop("cancelled")
        if goal.is_cancel_requested:
            goal.canceled()
        elif run.code == Result.SUCCESSFUL:
            goal.succeed()
        else:
            goal.abort()
        return Result(error_code=run.code, error_string=run.words)

    def _tolerance(self, tolerances: list[JointTolerance]) -> np.ndarray:
        """(J,) position tolerances [rad]; 0 where there is none. Raises ExecutionError."""
        limits = np.zeros(self._hand.joint_count)
        for tolerance in tolerances:
            if tolerance.name not in self._hand.joint_names:
                raise UnknownJointsError(f"a tolerance names unknown joint {tolerance.name!r}")
            limits[self._hand.joint_names.index(tolerance.name)] = tolerance.position
        return limits

    def publish_state(self, now: float, velocity: np.ndarray) -> None:
        """Publish reference, feedback and error at time `now` [s]."""
        feedback = JointTrajectoryPoint(
            positions=doubles(self.position), velocities=doubles(velocity)
        )
        self._state.publish(
            JointTrajectoryControllerState(
                header=header(now, ""),
                joint_names=list(self._hand.joint_names),
                reference=JointTrajectoryPoint(positions=doubles(self.target)),
                feedback=feedback,
                error=JointTrajectoryPoint(positions=doubles(self.target - self.position)),
                output=JointTrajectoryPoint(positions=doubles(self.output)),
            )
        )

    def close(self) -> None:
        """End what runs and withdraw the action."""
        with self._lock:
            self._stop("the controller is shutting down")
        time.sleep(2 * RESULT_POLL)
        self._server.destroy()
