"""The interface underlay is wire-compatible with the official packages."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.ros

# RIHS01 hashes of geometry2 and of control_msgs 6.8 (Kilted), as `ros2 topic info -v` shows them.
OFFICIAL = {
    "tf2_msgs/msg/TFMessage": "e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087",
    "control_msgs/action/FollowJointTrajectory": (
        "ff29901b2693f5deb847e96084a1c2cdb26e70b7c847be21859b70a55fb29cf0"
    ),
    "control_msgs/action/FollowJointTrajectory_Goal": (
        "8a9060704b269608f5a340934cc26e66869dd14bdac29e2e7fd9ec8b9882d205"
    ),
    "control_msgs/action/FollowJointTrajectory_Result": (
        "8002e99ed2c14c6faa522f2a93c26d744c5982f254f9e98ff9c6f19789bdb220"
    ),
    "control_msgs/action/FollowJointTrajectory_Feedback": (
        "0bb018d181bdc6384dd75365480967bd1d6eaee4ef3dd597c64cd0b8bdc10867"
    ),
    "control_msgs/msg/JointTolerance": (
        "c254f9cece0f3b733017b6990fd46d1326e25242d6b8844398c97d9a88e7d648"
    ),
    "control_msgs/msg/JointComponentTolerance": (
        "739ea7566931944d33830fa10f1bf5e7a7fbdc3172bce7a7eaac642bd6e3ffa4"
    ),
    "control_msgs/msg/JointTrajectoryControllerState": (
        "51d8dd89cc624cbe9daaeeb4d80d6de9b86168ffdc3be41fefc0953e3c26e480"
    ),
}


def built_hashes(package: str) -> dict[str, str]:
    """Hashes of all types of `package`, as its build has written them."""
    prefixes = os.environ["AMENT_PREFIX_PATH"].split(os.pathsep)
    share = next(p for p in map(Path, prefixes) if (p / "share" / package).is_dir()) / "share"
    hashes = {}
    for file in share.glob(f"{package}/*/*.json"):
        for entry in json.loads(file.read_text())["type_hashes"]:
            hashes[entry["type_name"]] = entry["hash_string"].removeprefix("RIHS01_")
    return hashes


@pytest.mark.parametrize(("name", "official"), OFFICIAL.items())
def test_type_hashes_are_the_official_ones(name: str, official: str) -> None:
    assert built_hashes(name.split("/")[0])[name] == official
