"""Where an environment lives, and which ROS 2 it is built on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DISTRIBUTIONS = ("kilted", "jazzy")
DEFAULT_DISTRIBUTION = "kilted"


class SetupError(Exception):
    """Set-up cannot go on; the message is one line that says what the user can do."""


@dataclass(frozen=True)
class Layout:
    """One environment of the repository at `root`.

    distribution: the ROS 2 it holds, one of DISTRIBUTIONS.
    sourced_prefixes: the prefixes of a ROS 2 that the shell has sourced; empty where ROS 2
        comes from PyPI.
    """

    root: Path
    distribution: str
    sourced_prefixes: tuple[Path, ...] = ()

    @property
    def sourced(self) -> bool:
        """Whether ROS 2 is the machine's own."""
        return bool(self.sourced_prefixes)

    @property
    def _is_default(self) -> bool:
        return self.sourced or self.distribution == DEFAULT_DISTRIBUTION

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / (".venv" if self._is_default else f".venv-{self.distribution}")

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / "bin" / "python"

    @property
    def setup_file(self) -> Path:
        """The file that a shell sources to use it."""
        return self.root / ("setup.bash" if self._is_default else f"setup.{self.distribution}.bash")

    @property
    def logs(self) -> Path:
        """Folder of the output of the set-up's commands."""
        return self.root / "logs" / "setup" / self.venv.name

    def workspace(self, name: str) -> Path:
        """Build, install and log folders of a colcon workspace."""
        return self.venv / "workspaces" / name

    @property
    def overlays(self) -> tuple[Path, ...]:
        """Install folders of the workspaces, in the order in which they are sourced."""
        return tuple(self.workspace(name) / "install" for name in ("underlay", "ros2_ws"))


def choose_layout(root: Path, wheels: str | None, environment: Mapping[str, str]) -> Layout:
    """The ROS 2 that is sourced, unless `wheels` asks for a distribution from PyPI.

    Raises SetupError for a distribution that dexgrasp does not support.
    """
    if wheels is not None:
        return Layout(root, _supported(wheels, "ROS_WHEELS"))
    prefixes = environment.get("AMENT_PREFIX_PATH", "")
    # The environment's own setup.bash also sets AMENT_PREFIX_PATH, but not ROS_DISTRO.
    if not prefixes or "ROS_DISTRO" not in environment:
        return Layout(root, DEFAULT_DISTRIBUTION)
    distribution = _supported(environment["ROS_DISTRO"], "the sourced ROS_DISTRO")
    own = str(root / ".venv")
    found = [Path(p) for p in prefixes.split(os.pathsep) if p and not p.startswith(own)]
    return Layout(root, distribution, tuple(found))


def _supported(distribution: str, origin: str) -> str:
    if distribution not in DISTRIBUTIONS:
        raise SetupError(
            f"{origin} is '{distribution}'; supported: {', '.join(DISTRIBUTIONS)} "
            "(open a shell that sources none to get ROS 2 from PyPI)"
        )
    return distribution
