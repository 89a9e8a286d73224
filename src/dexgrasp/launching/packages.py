"""ROS packages as the ament index of AMENT_PREFIX_PATH has them."""

from __future__ import annotations

import os
from pathlib import Path

from dexgrasp.launching.errors import LaunchError

INDEX = Path("share") / "ament_index" / "resource_index" / "packages"


def package_prefix(package: str) -> Path:
    """The first prefix that holds `package`. Raises LaunchError."""
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for prefix in prefixes:
        if (prefix / INDEX / package).is_file():
            return prefix
    if not prefixes:
        raise LaunchError("AMENT_PREFIX_PATH is empty: run `source setup.bash` first")
    raise LaunchError(
        f"package '{package}' is in none of the {len(prefixes)} prefixes of AMENT_PREFIX_PATH; "
        "build it with `make setup` and source setup.bash"
    )


def package_share(package: str) -> Path:
    """Its share folder. Raises LaunchError."""
    return package_prefix(package) / "share" / package


def package_executable(package: str, name: str) -> Path:
    """Path of an installed node. Raises LaunchError naming those that are there."""
    folder = package_prefix(package) / "lib" / package
    path = folder / name
    if path.is_file() and os.access(path, os.X_OK):
        return path
    known = sorted(p.name for p in folder.glob("*") if os.access(p, os.X_OK))
    raise LaunchError(
        f"package '{package}' has no executable '{name}'; it has: {', '.join(known) or 'none'}"
    )
