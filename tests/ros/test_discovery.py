"""The DDS profile of config/ros: as many nodes as the stack has find each other at once."""

from __future__ import annotations

import time

import pytest

pytestmark = pytest.mark.ros

PARTICIPANTS = 14
DOMAIN = 60


def test_nodes_that_start_together_find_each_other() -> None:
    import rclpy
    from rclpy.context import Context
    from rclpy.node import Node

    contexts = [Context() for _ in range(PARTICIPANTS)]
    nodes: list[Node] = []
    try:
        for i, context in enumerate(contexts):
            rclpy.init(context=context, domain_id=DOMAIN)
            nodes.append(Node(f"participant_{i}", context=context))
        started = time.monotonic()
        while min(len(node.get_node_names()) for node in nodes) < PARTICIPANTS:
            assert time.monotonic() - started < 3.0
            time.sleep(0.02)
    finally:
        for node in nodes:
            node.destroy_node()
        for context in contexts:
            rclpy.try_shutdown(context=context)
