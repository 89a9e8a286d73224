"""`results/<time>/`: report.json, config.yaml and the page that shows them."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from dexgrasp.evaluation.report_page import PageContent, render_page
from dexgrasp.evaluation.results import StackFigures, Summary, TrialResult, group_by, summarise

RECORDED_PACKAGES = ("dexgrasp", "mujoco", "numpy", "open3d", "ros-rclpy")
RECORDING_PATTERN = "**/*.mcap"


@dataclass(frozen=True)
class Report:
    """A finished run.

    configuration: every resolved configuration, by name.  rerun: the shell command that
    repeats the run.  stack: figures of the ROS nodes.  created: local time, ISO 8601.
    """

    title: str
    trials: tuple[TrialResult, ...]
    configuration: Mapping[str, Any]
    rerun: str
    stack: StackFigures = field(default_factory=dict)
    created: str = field(default_factory=lambda: datetime.now().isoformat(timespec="seconds"))

    @property
    def summary(self) -> Summary:
        """Shares and latencies over all trials."""
        return summarise(self.trials)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with machine and versions."""
        return {
            "title": self.title,
            "created": self.created,
            "rerun": self.rerun,
            "summary": self.summary.as_dict(),
            "stack": self.stack,
            "by_hand": _grouped(self.trials, "hand"),
            "by_object": _grouped(self.trials, "object"),
            "trials": [trial.as_dict() for trial in self.trials],
            "machine": describe_machine(),
            "versions": package_versions(),
        }


def _grouped(trials: Sequence[TrialResult], key: str) -> dict[str, Any]:
    return {name: summarise(group).as_dict() for name, group in group_by(trials, key).items()}


def new_results_folder(root: Path, now: datetime | None = None) -> Path:
    """Create `root/<time>/`; runs of the same second get a suffix."""
    name = (now or datetime.now()).strftime("%Y-%m-%d_%H-%M-%S")
    suffixes = ("", *(f"_{count}" for count in range(2, 100)))
    for suffix in suffixes:
        folder = root / f"{name}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{root / name} and {len(suffixes) - 1} more of its second exist")


def write_report(folder: Path, report: Report) -> Path:
    """Write report.json, config.yaml and index.html into `folder`; returns the page's path.

    Pictures, animations and recordings that already lie in `folder` are linked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "report.json", report.as_dict())
    configuration = yaml.safe_dump(plain(report.configuration), sort_keys=False)
    (folder / "config.yaml").write_text(configuration)
    page = folder / "index.html"
    page.write_text(render_page(_content(folder, report, configuration)), encoding="utf-8")
    return page


def _content(folder: Path, report: Report, configuration: str) -> PageContent:
    recordings = sorted(str(p.relative_to(folder)) for p in folder.glob(RECORDING_PATTERN))
    return PageContent(
        title=report.title,
        created=report.created,
        rerun=report.rerun,
        trials=report.trials,
        summary=report.summary,
        configuration=configuration,
        recordings=tuple(recordings),
        stack=report.stack,
        environment={**describe_machine(), **package_versions()},
    )


def write_json(path: Path, value: Any) -> None:
    """Write standard JSON: NaN becomes null, and the file is replaced in one step."""
    text = json.dumps(plain(value), indent=2, allow_nan=False) + "\n"
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(text)
    temporary.replace(path)


def plain(value: Any) -> Any:
    """Builtin types only: NaN and infinity as None, arrays and tuples as lists, paths as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(item) for item in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if hasattr(value, "model_dump"):
        return plain(value.model_dump())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int) else str(value)


def describe_machine() -> dict[str, str]:
    """Processor, cores that this process may use, system and Python."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def machine_line() -> str:
    """The machine in one line, for tables."""
    machine = describe_machine()
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide a result, of those that are installed."""
    versions = {}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
