"""A whole pick with the LEAP, and the end of a stack."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

from dexgrasp_interfaces.msg import ErrorCode

pytestmark = pytest.mark.ros
DOMAIN_ID = 72


def test_a_pick_lifts_the_object_and_the_stack_ends_without_complaint(
    launch_stack, tmp_path: Path
) -> None:
    with launch_stack(DOMAIN_ID, "leap_right", tmp_path) as leap:
        result, report = leap.pick_until_held("baseball")
        assert (result.error_code, result.error_msg) == (ErrorCode.OK, "")
        assert (report.hand, report.object) == ("leap_right", "baseball")
    log = (tmp_path / "launch.log").read_text()
    for complaint in ("[ERROR]", "Traceback", "never retrieved", "still running"):
        assert complaint not in log, log
