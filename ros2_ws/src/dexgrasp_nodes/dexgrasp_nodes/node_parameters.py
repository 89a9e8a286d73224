"""The parameters of all running nodes, as they are now."""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.task import Future

POLL = 0.01  # [s]
ANSWER_TIMEOUT = 2.0  # [s]


def read_parameters(node: Node) -> dict[str, Any]:
    """Parameter values by the full name of each other node that `node` sees.

    Another thread must spin `node`. A node that does not answer has the text `no answer`.
    """
    own = node.get_fully_qualified_name()
    found = [(space, name) for name, space in node.get_node_names_and_namespaces()]
    names = sorted({f"{space.rstrip('/')}/{name}" for space, name in found})
    return {name: _read(node, name) for name in names if name != own and "/_" not in name}


def _read(node: Node, name: str) -> dict[str, Any] | str:
    client = AsyncParameterClient(node, name)
    deadline = time.monotonic() + ANSWER_TIMEOUT
    while not client.services_are_ready():
        if time.monotonic() > deadline:
            return "no answer"
        time.sleep(POLL)
    listed = _wait(client.list_parameters(), deadline)
    if listed is None:
        return "no answer"
    keys = sorted(listed.result.names)
    values = _wait(client.get_parameters(keys), deadline)
    if values is None:
        return "no answer"
    python_values = (parameter_value_to_python(value) for value in values.values)
    return dict(zip(keys, python_values, strict=True))


def _wait(future: Future, deadline: float) -> Any:
    """The future's result, or None at the deadline."""
    while not future.done():
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL)
    return future.result()
