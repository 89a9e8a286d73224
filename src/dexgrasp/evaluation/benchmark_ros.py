"""The same picks through the ROS nodes: the demo's launch file, and the report that it writes."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dexgrasp.errors import BackendError, ConfigError
from dexgrasp.evaluation.results import StackFigures, TrialResult

ENOUGH_PICKS, TOO_FEW_PICKS = 0, 1  # exit codes of the demo that come with a whole report


def require_ros() -> None:
    """Raise ConfigError when this shell cannot run ROS nodes."""
    if importlib.util.find_spec("rclpy") is None or shutil.which("dexgrasp") is None:
        raise ConfigError(
            "picks through ROS need its environment: source setup.bash, or pass --ros ''"
        )


def run_through_ros(
    hand: str, objects: Sequence[str], seed: int, folder: Path
) -> tuple[list[TrialResult], StackFigures]:
    """Launch the demo with its results under `folder`; what the nodes print goes to stderr.

    Returns the trials and what the nodes said of themselves.

    Raises BackendError when the stack breaks before all objects were tried.
    """
    command = [
        "dexgrasp", "launch", "demo.launch.xml", f"hand:={hand}", f"objects:={','.join(objects)}",
        f"seed:={seed}", f"results:={folder.resolve()}",
    ]  # fmt: skip
    code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if code not in (ENOUGH_PICKS, TOO_FEW_PICKS):
        raise BackendError(f"'{' '.join(command)}' ended with code {code}; its log tells why")
    (report,) = folder.glob("*/report.json")
    content = json.loads(report.read_text())
    return [TrialResult.from_dict(trial) for trial in content["trials"]], content["stack"]
