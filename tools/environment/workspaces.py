"""Building the interface underlay and ros2_ws with colcon."""

from __future__ import annotations

from pathlib import Path

from environment.layout import Layout
from environment.shell import activation
from environment.steps import run

CMAKE_ARGS = ("-DBUILD_TESTING=OFF", "-DCMAKE_BUILD_TYPE=Release", "--no-warn-unused-cli")


def is_built_in(path: Path) -> bool:
    """Whether a file's content matters to the build; Python modules are only linked to."""
    return path.suffix != ".py" or path.name == "setup.py"


def underlay_packages(layout: Layout) -> list[str]:
    """Interface packages that the sourced ROS 2, if any, does not bring."""
    names = sorted(p.parent.name for p in (layout.root / "ros2_ws/underlay").glob("*/package.xml"))
    return [n for n in names if not any(_holds(p, n) for p in layout.sourced_prefixes)]


def build(
    layout: Layout, name: str, source: Path, packages: list[str], below: tuple[Path, ...], log: Path
) -> None:
    """Build `packages` (all when empty) of the workspace in `source` on top of `below`."""
    folder = layout.workspace(name)
    colcon = [
        layout.python,
        *("-m", "colcon", "--log-base", folder / "log", "build", "--symlink-install"),
        *("--base-paths", source, "--build-base", folder / "build"),
        *("--install-base", folder / "install"),
        *(("--packages-select", *packages) if packages else ()),
        *("--cmake-args", *CMAKE_ARGS, f"-DPython3_EXECUTABLE={layout.python}"),
    ]
    script = activation(layout, below) + 'exec "$@"'
    run(["bash", "-c", script, "bash", *colcon], log)


def _holds(prefix: Path, package: str) -> bool:
    return (prefix / "share/ament_index/resource_index/packages" / package).is_file()
