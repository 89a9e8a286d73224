"""The work of `dexgrasp trials`: one launch of the stack per hardware, and a client in front."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import typer
from rich.console import Console

from dexgrasp.errors import BackendError
from dexgrasp.evaluation.benchmark_ros import require_ros
from dexgrasp.evaluation.trials import PLAN_FILE, TrialLog, TrialsPlan, side_by_side
from dexgrasp.launching.packages import package_executable

INTERRUPTED = 130
STARTUP = 300.0  # [s] for the stack: a laboratory's computer has other work, and Ctrl-C is at hand


def run_trials(file: Path, folder: Path) -> None:
    """Do what is left of the plan and print how all of it went.

    Raises ConfigError, UnknownNameError, BackendError for a stack that broke, and Exit with 130
    after Ctrl-C; what was finished is kept.
    """
    plan = TrialsPlan.load(file)
    require_ros()
    log = TrialLog(folder, plan)
    try:
        for kind in plan.hardware:
            if log.remaining(kind):
                _sit(plan, kind, folder)
    finally:
        Console().print(side_by_side(plan, TrialLog(folder, plan).entries))
        print(f"in {folder}")


def _sit(plan: TrialsPlan, kind: str, folder: Path) -> None:
    """All trials on one hardware that are left: the stack behind, the operator in front."""
    logs = folder / "logs" / kind
    logs.mkdir(parents=True, exist_ok=True)
    launch = [
        "dexgrasp", "launch", "trials.launch.xml", f"hand:={plan.hand}", f"seed:={plan.seed}",
        f"ros2_control_hardware_type:={kind}", "--logs", str(logs),
    ]  # fmt: skip
    client = [
        str(package_executable("dexgrasp_nodes", "trials_node")), "--ros-args",
        "-p", f"hand:={plan.hand}", "-p", f"folder:={folder.resolve()}", "-p", f"hardware:={kind}",
        "-p", f"photo_topic:={plan.photo_topic}", "-p", f"startup_timeout:={STARTUP}",
    ]  # fmt: skip
    with (logs / "launch.log").open("a") as words:
        # A process group of its own: Ctrl-C ends the client, and then the stack in order.
        stack = subprocess.Popen(launch, stdout=words, stderr=words, process_group=0)
    try:
        code = subprocess.run(client, check=False).returncode
    finally:
        os.kill(stack.pid, signal.SIGINT)
        stack.wait()
    if code == INTERRUPTED:
        raise typer.Exit(INTERRUPTED)
    if code:
        raise BackendError(
            f"the trials on {kind} ended with code {code}; {logs} tells why. The same command "
            f"goes on with the rest of {folder / PLAN_FILE}"
        )
