"""Nodes killed in mid-trial: the goal ends with a code, and the next one works."""

from __future__ import annotations

import signal

import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

from dexgrasp_interfaces.msg import ErrorCode

pytestmark = pytest.mark.ros
DOMAIN_ID = 73


# In this order: each pick shows that the node killed before works again.
CASES = (
    ("synthesis", "synthesis", ErrorCode.SYNTHESIS_TIMEOUT),
    ("executor", "COVER", ErrorCode.EXECUTION_TIMEOUT),
    ("bridge", "COVER", ErrorCode.STATE_LOST),
)


def wait_for_return(stack, node: str) -> None:
    stack.until(lambda: stack.process(node) is not None, f"the return of {node}", 30.0)
    stack.until(stack.is_active, f"the activation of {node}", 60.0)


def test_a_hung_perception_ends_the_goal_with_its_code(allegro) -> None:
    assert allegro.spawn("tomato_soup_can").error_code == ErrorCode.OK
    allegro.kill("perception", signal.SIGSTOP)
    result = allegro.pick()
    assert (result.error_code, bool(result.error_msg)) == (ErrorCode.PERCEPTION_TIMEOUT, True)


def test_a_killed_perception_comes_back_in_time_or_is_missed_in_words(allegro) -> None:
    allegro.kill("perception")  # the one that hangs
    result = allegro.pick()
    # Back before the pick loses patience, or a clear word that it is not.
    assert result.error_code in (ErrorCode.OK, ErrorCode.PERCEPTION_TIMEOUT), result.error_msg
    wait_for_return(allegro, "perception")


@pytest.mark.parametrize(("node", "stage", "code"), CASES)
def test_a_killed_node_ends_the_goal_with_its_code(
    allegro, node: str, stage: str, code: int
) -> None:
    assert allegro.spawn("tomato_soup_can").error_code == ErrorCode.OK
    pick = allegro.watch(seed=0).reach(stage)
    allegro.kill(node)
    result = pick.result()
    assert (result.error_code, bool(result.error_msg)) == (code, True), result.error_msg
    wait_for_return(allegro, node)


def test_the_next_pick_works(allegro) -> None:
    assert allegro.spawn("tomato_soup_can").error_code == ErrorCode.OK
    result = allegro.pick(seed=0)
    assert (result.error_code, result.error_msg) == (ErrorCode.OK, "")
