"""The executor node judges a policy by its own clock, and tells when one has given way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

import rclpy
from dexgrasp_interfaces.action import ExecuteGrasp
from dexgrasp_interfaces.msg import Grasp
from dexgrasp_nodes.executor_node import ExecutorNode
from dexgrasp_nodes.trial import Trial
from diagnostic_msgs.msg import DiagnosticStatus
from policies import HAND, J, constant, written
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from dexgrasp.execution import Phase
from dexgrasp.execution.policy import Failure
from dexgrasp.types import Command, GraspSet, Observation

pytestmark = pytest.mark.ros
DOMAIN_ID = 83
SUCCESS = TransitionCallbackReturn.SUCCESS


@pytest.fixture
def node() -> Iterator[ExecutorNode]:
    rclpy.init(domain_id=DOMAIN_ID)
    made = ExecutorNode()
    yield made
    made.halt()
    made.close()
    rclpy.shutdown()


def configured(node: ExecutorNode, controller: str) -> TransitionCallbackReturn:
    node.set_parameters([Parameter("controller", value=controller)])
    return node.trigger_configure()


def holding(node: ExecutorNode, age: float) -> tuple[Trial, Command]:
    """A goal in its hold, and the command of an observation that is so old [s]."""
    q, points = HAND.postures["precision"][None], np.zeros((1, len(HAND.finger_names), 3))
    down, pose = np.array([[0.0, 0.0, -1.0]]), np.eye(4)[None]
    grasp = GraspSet(HAND.name, "world", pose, down, q, q, q, points, points, np.ones(1),
                     ("power",), "test")  # fmt: skip
    machine = node._place.grasping(ExecuteGrasp.Goal(), grasp)
    machine.phase[:] = Phase.HOLD
    now = node.get_clock().now().nanoseconds * 1e-9 - age
    force = np.full((1, len(HAND.finger_names)), np.nan)
    still = np.zeros((1, J))
    command = machine.step(Observation(np.array([now]), q, still, still, pose, force))
    return Trial(1, Grasp(), grasp, machine, None), command


def test_a_policy_that_gives_way_is_a_warning(node: ExecutorNode, tmp_path: Path) -> None:
    path = written(tmp_path, constant(0.3))
    assert configured(node, f"policy:{path}") == SUCCESS
    assert node.trigger_activate() == SUCCESS
    holding(node, 0.0)  # compiled code is loaded, which takes longer than a state is fresh
    for age, count in ((0.0, 0), (1.0, 1)):
        trial, command = holding(node, age)
        with node._lock:  # the loop has no joint states and leaves the goal alone
            node._trial = trial
            node._note(trial, command)
            node._note(trial, command)
            level, words, values = node.health()
        assert values["policy_fallbacks"] == count
        assert (Failure.STALE.value in words) == bool(count)
    assert level == DiagnosticStatus.WARN


def test_a_policy_that_cannot_be_loaded_ends_at_configuration(
    node: ExecutorNode, tmp_path: Path
) -> None:
    path = written(tmp_path, b"no model")
    assert configured(node, f"policy:{path}") != SUCCESS
