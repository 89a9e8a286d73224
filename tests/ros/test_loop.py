"""How the urgent loops talk to others: over a profile without shared memory."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree

import pytest

pytest.importorskip("rclpy", reason="needs the environment of setup.bash")

from dexgrasp_nodes.loop import PROFILE, REAL_TIME_PROFILE, leave_shared_memory

from dexgrasp.config import resource_path

pytestmark = pytest.mark.ros
VARIABLE = "FASTDDS_DEFAULT_PROFILES_FILE"


def test_our_profile_is_replaced_and_that_of_a_user_is_kept(monkeypatch) -> None:
    ours = resource_path("config", "ros", PROFILE)
    for given, expected in ((str(ours), REAL_TIME_PROFILE), ("/opt/mine.xml", "mine.xml")):
        monkeypatch.setenv(VARIABLE, given)
        leave_shared_memory()
        assert os.path.basename(os.environ[VARIABLE]) == expected


def test_the_two_profiles_differ_in_shared_memory_alone() -> None:
    def content(name: str) -> list[tuple[str, str]]:
        root = ElementTree.parse(resource_path("config", "ros", name)).getroot()
        return [(e.tag.rpartition("}")[2], (e.text or "").strip()) for e in root.iter()]

    usual, real_time = content(PROFILE), content(REAL_TIME_PROFILE)
    kept = iter(usual)
    assert all(entry in kept for entry in real_time)  # in the same order
    assert ("type", "SHM") in usual
    assert ("type", "SHM") not in real_time
    assert ("transport_id", "shared_memory") not in real_time
