"""How periodic the loops of executor and safety are while the stack picks: needs setup.bash."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import rclpy
import typer
from dexgrasp_interfaces.action import PickObject
from dexgrasp_interfaces.srv import SpawnObject
from dexgrasp_nodes.remote_action import GoalClient
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rich.console import Console
from rich.table import Table

LOOPS = {"executor": "executor", "bridge": "physics and safety"}
FIGURES = ("rate", "period_error_p99_ms", "work_p99_ms")


class Picker:
    """Picks one object again and again, and keeps what the loops say of themselves."""

    def __init__(self, node: Node, end: float) -> None:
        self._node, self._end = node, end
        self.said: dict[str, list[list[float]]] = defaultdict(list)
        self.picks: list[int] = []
        self.loads: list[float] = []
        self._spawn = node.create_client(SpawnObject, "simulation/spawn_object")
        self._pick = GoalClient(node, PickObject, "pick_object")
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 20)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            name = status.name.rpartition("/")[2]
            # Before the first pick the nodes still start.
            if self.picks and name in LOOPS and set(FIGURES) <= values.keys():
                self.said[name].append([float(values[figure]) for figure in FIGURES])
                self.loads.append(os.getloadavg()[0])

    def _until(self, condition: Callable[[], Any]) -> bool:
        while not condition():
            if time.monotonic() > self._end:
                return False
            rclpy.spin_once(self._node, timeout_sec=0.05)
        return True

    def run(self, item: str) -> None:
        """Until the end."""
        while self._until(lambda: self._spawn.service_is_ready() and self._pick.server_is_ready()):
            request = SpawnObject.Request(
                name=item, random_pose=True, seed=len(self.picks), replace=True
            )
            spawned = self._spawn.call_async(request)
            if not self._until(spawned.done):
                return
            goal = PickObject.Goal(seed=len(self.picks))
            sent = self._pick.send_goal_async(goal)
            if not self._until(sent.done):
                return
            handle: Any = sent.result()
            answer = handle.get_result_async()
            if not self._until(answer.done):
                return
            self.picks.append(answer.result().result.error_code)


def run(
    seconds: Annotated[float, typer.Option(help="of the whole run")] = 150.0,
    item: Annotated[str, typer.Option("--object", help="that is picked")] = "tomato_soup_can",
    hand: Annotated[str, typer.Option(help="that picks")] = "allegro_right",
) -> None:
    """Median and worst of the figures that the loops report each second over 2000 periods."""
    end = time.monotonic() + seconds
    logs = tempfile.mkdtemp()
    command = ["dexgrasp", "launch", "bringup.launch.xml", f"hand:={hand}", "--logs", logs]
    with (Path(logs) / "launch.log").open("w") as log:
        stack = subprocess.Popen(command, stdout=log, stderr=log)
        rclpy.init()
        picker = Picker(Node("benchmark"), end)
        try:
            picker.run(item)
        finally:
            stack.send_signal(signal.SIGINT)
            stack.wait()
    show(picker)


def show(picker: Picker) -> None:
    """Print the table, and the machine."""
    table = Table("loop", "rate [Hz]", "period error p99 [ms]", "worst", "work p99 [ms]")
    for name, words in LOOPS.items():
        figures = np.array(picker.said[name]).reshape(-1, len(FIGURES))
        if not len(figures):
            raise typer.Exit(1)
        rate, late, work = np.median(figures, axis=0)
        table.add_row(
            words, f"{rate:.1f}", f"{late:.2f}", f"{figures[:, 1].max():.2f}", f"{work:.2f}"
        )
    Console(width=100).print(table)
    good = picker.picks.count(0)
    load = f"load {np.median(picker.loads):.1f} (up to {max(picker.loads):.1f})"
    print(f"{good} of {len(picker.picks)} picks held; {load}; {machine()}")


def machine() -> str:
    """Processor, cores, kernel, and the niceness of this session among others."""
    model = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.machine(),
    )  # fmt: skip
    group = Path("/proc/self/autogroup")
    session = f", {group.read_text().strip()}" if group.exists() else ""
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}{session}"


if __name__ == "__main__":
    typer.run(run)
