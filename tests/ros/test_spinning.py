"""Nodes spun beside each other, by events and by wait sets: nobody waits for what is slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

import rclpy
from action_msgs.msg import GoalStatus
from dexgrasp_interfaces.action import Withdraw
from dexgrasp_nodes import spinning
from dexgrasp_nodes.remote_action import GoalClient
from dexgrasp_nodes.spinning import GoalServer, PolledNode, Spinner
from dexgrasp_nodes.streams import Stream
from rclpy.context import Context
from std_msgs.msg import Int32
from std_srvs.srv import Trigger

pytestmark = pytest.mark.ros
DOMAIN_ID = 149
PATIENCE = 20.0  # [s]


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(params=["events", "wait sets"])
def nodes(request, monkeypatch) -> Iterator[SimpleNamespace]:
    """Two nodes and a client, with what their callbacks raised; Jazzy has wait sets alone."""
    if request.param == "wait sets":
        monkeypatch.setattr(spinning, "EventsExecutor", None)
    context = Context()
    rclpy.init(context=context, domain_id=DOMAIN_ID)
    made = {name: PolledNode(name, context=context) for name in ("first", "second", "client")}
    raised: list[Exception] = []
    spinners: list[Spinner] = []

    def spin() -> None:
        spinners.append(Spinner(list(made.values()), lambda _, error: raised.append(error)))

    yield SimpleNamespace(**made, raised=raised, spin=spin)
    for spinner in spinners:
        spinner.stop(PATIENCE)
    for node in made.values():
        node.destroy_node()
    rclpy.shutdown(context=context)


def test_a_slow_callback_keeps_no_other_node_waiting(nodes) -> None:
    released = threading.Event()

    def slow(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = released.wait(PATIENCE)
        return response

    nodes.first.create_service(Trigger, "slow", slow)
    nodes.second.create_service(Trigger, "quick", lambda _, response: response)
    clients = [nodes.client.create_client(Trigger, name) for name in ("slow", "quick")]
    nodes.spin()
    until(lambda: all(client.service_is_ready() for client in clients))
    answers = [client.call_async(Trigger.Request()) for client in clients]
    until(answers[1].done)
    assert not answers[0].done()
    released.set()
    until(answers[0].done)
    assert answers[0].result().success


def test_a_callback_that_raises_ends_nothing(nodes) -> None:
    def fails(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        raise ValueError("planted")

    nodes.first.create_service(Trigger, "fails", fails)
    nodes.first.create_service(Trigger, "works", lambda _, response: response)
    fails_client, works = (nodes.client.create_client(Trigger, n) for n in ("fails", "works"))
    nodes.spin()
    until(lambda: fails_client.service_is_ready() and works.service_is_ready())
    fails_client.call_async(Trigger.Request())
    until(lambda: nodes.raised)
    assert str(nodes.raised[0]) == "planted"
    answer = works.call_async(Trigger.Request())
    until(answer.done)


def test_goals_run_beside_each_other_and_one_that_raises_is_aborted(nodes) -> None:
    together = threading.Barrier(2, timeout=PATIENCE)

    def execute(goal) -> Withdraw.Result:
        if goal.request.preempt:
            raise ValueError("planted")
        together.wait()
        goal.succeed()
        return Withdraw.Result(error_msg="both")

    GoalServer(nodes.first, Withdraw, "withdraw", execute)
    client = GoalClient(nodes.client, Withdraw, "withdraw")
    nodes.spin()
    until(client.server_is_ready)
    sent = [client.send_goal_async(Withdraw.Goal(preempt=p)) for p in (False, False, True)]
    until(lambda: all(future.done() for future in sent))
    answers = [future.result().get_result_async() for future in sent]
    until(lambda: all(future.done() for future in answers))
    states = [future.result().status for future in answers]
    assert states == [GoalStatus.STATUS_SUCCEEDED] * 2 + [GoalStatus.STATUS_ABORTED]
    assert answers[0].result().result.error_msg == "both"


def test_what_is_polled_is_left_to_who_polls(nodes) -> None:
    stream: Stream[Int32] = Stream(nodes.first, Int32, "numbers", 10)
    publisher = nodes.client.create_publisher(Int32, "numbers", 10)
    nodes.spin()
    until(publisher.get_subscription_count)
    for number in range(3):
        publisher.publish(Int32(data=number))
    found: list[int] = []

    def all_came() -> bool:
        found.extend(message.data for message in stream.take_all())
        return len(found) == 3

    until(all_came)
    assert found == [0, 1, 2]
    assert not nodes.raised
