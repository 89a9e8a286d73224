"""Wishes and partial results of `synthesize_grasps`, and the pick that makes use of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

from action_msgs.msg import GoalStatus, GoalStatusArray
from dexgrasp_interfaces.action import PickObject, SynthesizeGrasps
from dexgrasp_interfaces.msg import DetectedObjectArray, ErrorCode, GraspArray, GraspCondition
from dexgrasp_nodes.node_base import LATCHED
from geometry_msgs.msg import Point, Vector3
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_action_status_default
from std_srvs.srv import SetBool

pytestmark = pytest.mark.ros
DOMAIN_ID = 75
SOME = 12  # grasps: more than the first set of them has
MANY = 120  # more than the first two sets have
ACTIVE = (GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING)


@pytest.fixture(scope="module")
def seen(allegro) -> DetectedObjectArray:
    """A can on the table, as perceived; then time stands still, which synthesis does not need."""
    assert allegro.spawn("tomato_soup_can").error_code == ErrorCode.OK
    arrays: list[DetectedObjectArray] = []
    with allegro.listening(DetectedObjectArray, "/objects", arrays.append):
        array = allegro.until(lambda: [a for a in arrays if a.objects], "a perceived object")[-1]
    pause(allegro, True)
    return array


@pytest.fixture(scope="module")
def shaking(allegro) -> None:
    """Synthesis that streams, from now on."""
    set_parameters(allegro, "synthesis", synthesizer="search", check="shake", count=MANY)


def pause(stack, on: bool) -> None:
    assert stack.call(SetBool, "/simulation/set_paused", SetBool.Request(data=on)).success


def set_parameters(stack, node: str, **values: Any) -> None:
    parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
    request = SetParameters.Request(parameters=parameters)
    response = stack.call(SetParameters, f"/{node}/set_parameters", request)
    assert all(result.successful for result in response.results)


def goal(seen: DetectedObjectArray, **fields: Any) -> SynthesizeGrasps.Goal:
    return SynthesizeGrasps.Goal(header=seen.header, object=seen.objects[0], **fields)


def synthesize(stack, seen: DetectedObjectArray, **fields: Any) -> SynthesizeGrasps.Result:
    return stack.run(SynthesizeGrasps, "/synthesize_grasps", goal(seen, **fields))


def stream(
    stack, seen: DetectedObjectArray, count: int, then: Callable[[Any], None] = lambda _: None
) -> tuple[list[SynthesizeGrasps.Feedback], Any]:
    """Feedbacks with grasps and the answer. then: called with the handle after the first one."""
    partial: list[SynthesizeGrasps.Feedback] = []

    def keep(message: Any) -> None:
        if message.feedback.grasps.grasps:
            partial.append(message.feedback)

    handle = stack.send(SynthesizeGrasps, "/synthesize_grasps", goal(seen, count=count), keep)
    future = handle.get_result_async()
    stack.until(lambda: partial, "the first grasps")
    assert not future.done()
    then(handle)
    stack.until(future.done, "the result")
    return partial, future.result()


def palms(array: GraspArray) -> set[tuple[float, ...]]:
    positions = (grasp.palm_pose.position for grasp in array.grasps)
    return {(p.x, p.y, p.z) for p in positions}


def test_wishes_that_cannot_be_kept_are_refused(allegro, seen) -> None:
    inverted = GraspCondition(region_min=Point(z=0.2), region_max=Point(z=0.1))
    cases: dict[str, tuple[int, dict[str, Any]]] = {
        "tripod": (ErrorCode.UNKNOWN_NAME, {"condition": GraspCondition(types=["claw"])}),
        "template": (ErrorCode.UNKNOWN_NAME, {"method": "guess"}),
        "region_min": (ErrorCode.SCENE, {"condition": GraspCondition(region="handle")}),
        "is not below": (ErrorCode.SCENE, {"condition": inverted}),
    }
    for words, (code, fields) in cases.items():
        result = synthesize(allegro, seen, **fields)
        assert (result.error_code, words in result.error_msg) == (code, True), result.error_msg
        assert not result.grasps.grasps


def test_types_and_approach_are_kept(allegro, seen) -> None:
    down = Vector3(z=-2.0)  # of any length
    condition = GraspCondition(types=["tripod"], approach=down, cone=0.5)
    result = synthesize(allegro, seen, condition=condition)
    assert (result.error_code, result.error_msg) == (ErrorCode.OK, "")
    assert {grasp.kind for grasp in result.grasps.grasps} == {"tripod"}
    assert all(grasp.approach.z < -np.cos(0.5) for grasp in result.grasps.grasps)
    assert allegro.message(GraspArray, "/grasps", LATCHED) == result.grasps


def test_fingers_touch_the_box(allegro, seen) -> None:
    middle = seen.objects[0].pose.position.z
    condition = GraspCondition(
        region_min=Point(x=-1.0, y=-1.0, z=middle), region_max=Point(x=1.0, y=1.0, z=1.0)
    )
    result = synthesize(allegro, seen, condition=condition, method="search")
    assert (result.error_code, result.error_msg) == (ErrorCode.OK, "")
    for grasp in result.grasps.grasps:
        assert grasp.source.startswith("search")
        above = [contact.position.z > middle for contact in grasp.contacts]
        assert np.mean(above) >= 0.8


def test_partial_results_come_before_the_result(allegro, seen, shaking) -> None:
    partial, answer = stream(allegro, seen, SOME)
    result = answer.result
    assert (result.error_code, result.error_msg) == (ErrorCode.OK, "")
    assert len(partial) >= 2
    for feedback in partial:
        scores = [grasp.score for grasp in feedback.grasps.grasps]
        assert scores == sorted(scores, reverse=True)
    sets = [palms(feedback.grasps) for feedback in partial]
    assert [f.found for f in partial] == np.cumsum([len(s) for s in sets]).tolist()
    assert palms(result.grasps) <= set().union(*sets)
    assert len(result.grasps.grasps) == min(partial[-1].found, SOME)


def test_cancelled_synthesis_answers_with_what_it_found(allegro, seen, shaking) -> None:
    partial, answer = stream(allegro, seen, MANY, lambda handle: handle.cancel_goal_async())
    assert answer.status == GoalStatus.STATUS_CANCELED
    assert answer.result.error_code == ErrorCode.CANCELLED
    assert 0 < len(answer.result.grasps.grasps) < MANY
    assert palms(answer.result.grasps) == set().union(*(palms(f.grasps) for f in partial))


def test_a_pick_starts_with_the_first_good_grasp(allegro, seen, shaking) -> None:
    # Time still stands still: however slow synthesis is to end, the execution cannot be over.
    set_parameters(allegro, "pick", good_score=0.0)
    events: list[str] = []

    def watch(message: GoalStatusArray) -> None:
        active = any(status.status in ACTIVE for status in message.status_list)
        events.append("synthesizing" if active else "idle")

    topic = "/synthesize_grasps/_action/status"
    with allegro.listening(GoalStatusArray, topic, watch, qos_profile_action_status_default):
        handle = allegro.send(
            PickObject, "/pick_object", PickObject.Goal(), lambda m: events.append(m.feedback.stage)
        )
        ended = handle.get_result_async()
        allegro.until(lambda: "execution" in events or ended.done(), "the execution")
        assert "execution" in events, ended.result().result.error_msg
        allegro.until(lambda: "idle" in events[events.index("execution") :], "the end of synthesis")
    before = [e for e in events[: events.index("execution")] if e in ("synthesizing", "idle")]
    assert before[-1] == "synthesizing"
    handle.cancel_goal_async()
    allegro.until(ended.done, "the end of the pick")
    result = ended.result().result
    assert (result.stage, result.error_code) == ("execution", ErrorCode.CANCELLED)
    assert result.grasp.source.startswith("search")


def test_a_pick_passes_its_wishes_on(allegro, seen) -> None:
    result = allegro.pick(condition=GraspCondition(types=["claw"]))
    assert (result.stage, result.error_code) == ("synthesis", ErrorCode.UNKNOWN_NAME)
    assert "tripod" in result.error_msg
