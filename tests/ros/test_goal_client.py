"""Goals whose answers come at once, while the threads take turns as often as they can."""

from __future__ import annotations

import sys
import threading

import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

import rclpy
from dexgrasp_interfaces.action import PickObject
from dexgrasp_nodes.remote_action import GoalClient
from rclpy.action.server import ActionServer
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

pytestmark = pytest.mark.ros
DOMAIN_ID = 77
GOALS = 300
ANSWER = 60.0  # [s]


def test_no_answer_gets_lost() -> None:
    context = Context()
    rclpy.init(context=context, domain_id=DOMAIN_ID)
    nodes = (Node("server", context=context), Node("client", context=context))
    ended = threading.Event()

    def execute(goal) -> PickObject.Result:
        goal.succeed()
        return PickObject.Result()

    def spin(node: Node) -> None:
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        while not ended.is_set():
            executor.spin_once(timeout_sec=0.1)

    server = ActionServer(nodes[0], PickObject, "pick_object", execute)
    client = GoalClient(nodes[1], PickObject, "pick_object")
    threads = [threading.Thread(target=spin, args=(node,), daemon=True) for node in nodes]
    interval = sys.getswitchinterval()
    try:
        for thread in threads:
            thread.start()
        assert client.wait_for_server(ANSWER)
        sys.setswitchinterval(1e-6)  # [s]
        for _ in range(GOALS):
            answered = threading.Event()
            sent = client.send_goal_async(PickObject.Goal())
            sent.add_done_callback(lambda _, answered=answered: answered.set())
            assert answered.wait(ANSWER)
    finally:
        sys.setswitchinterval(interval)
        ended.set()
        for thread in threads:
            thread.join()
        client.destroy()
        server.destroy()
        context.try_shutdown()
