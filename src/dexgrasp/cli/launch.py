"""`dexgrasp launch`: run a ROS 2 XML launch file where `ros2` is absent."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dexgrasp.config import resource_path
from dexgrasp.errors import UnknownNameError
from dexgrasp.launching import LaunchPlan, read_launch_file, supervise
from dexgrasp.launching.errors import LaunchError


def launch(
    file: Annotated[str, typer.Argument(help="A path, or the name of a shipped launch file.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="name:=value ...")] = None,
    show_args: Annotated[bool, typer.Option(help="List the file's arguments and stop.")] = False,
    logs: Annotated[Path, typer.Option(help="Logs go to LOGS/<time>.")] = Path("logs"),
) -> None:
    """Run a ROS 2 XML launch file: dexgrasp launch demo.launch.xml hand:=leap_right"""
    path = find_launch_file(file)
    given = dict(_split(argument) for argument in arguments or ())
    plan = read_launch_file(path, given, only_arguments=show_args)
    if show_args:
        print_arguments(plan, Console())
        return
    folder = logs.resolve() / time.strftime("%Y-%m-%d_%H-%M-%S")
    typer.echo(f"[launch] {len(plan.processes)} processes; logs: {folder}")
    raise typer.Exit(supervise(plan.processes, folder))


def find_launch_file(name: str) -> Path:
    """The file at path `name`, else the shipped one. Raises UnknownNameError."""
    if Path(name).is_file():
        return Path(name)
    shipped = {path.name: path for path in resource_path("launch").glob("*.launch.xml")}
    if name not in shipped:
        raise UnknownNameError("launch file", name, shipped)
    return shipped[name]


def print_arguments(plan: LaunchPlan, console: Console) -> None:
    """Print name, default, choices and description of each argument."""
    table = Table("argument", "default", "description", box=None)
    for argument in plan.arguments.values():
        choices = f" ({', '.join(argument.choices)})" if argument.choices else ""
        default = "required" if argument.default is None else argument.default
        table.add_row(argument.name, default, argument.description + choices)
    console.print(table)


def _split(argument: str) -> tuple[str, str]:
    name, separator, value = argument.partition(":=")
    if not separator or not name:
        raise LaunchError(f"'{argument}' is no argument of a launch file; write name:=value")
    return name, value
