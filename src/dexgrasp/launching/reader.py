"""From a launch file and its arguments to the processes that it asks for."""

from __future__ import annotations

import os
import shlex
from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

from dexgrasp.launching.errors import LaunchError
from dexgrasp.launching.packages import package_executable
from dexgrasp.launching.parameters import typed_value
from dexgrasp.launching.schema import parse_strictly
from dexgrasp.launching.substitutions import Scope, substitute, truth

OUTPUTS = ("screen", "log", "both")


@dataclass(frozen=True)
class LaunchArgument:
    """An argument that a launch file declares; `default` is None where it must be given."""

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProcessSpec:
    """A process to run.

    ros_parameters: parameter files and sets in the order in which they apply; None for a
        process that is no node.
    on_screen: whether its standard output is shown; its standard error always is.
    ends_launch: whether its end ends the launch (`on_exit="shutdown"`).
    respawn_delay: pause before it is started again [s]; None when it is not.
    """

    name: str
    command: tuple[str, ...]
    ros_arguments: tuple[str, ...] = ()
    ros_parameters: tuple[Path | dict[str, object], ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    on_screen: bool = False
    ends_launch: bool = False
    respawn_delay: float | None = None


@dataclass
class LaunchPlan:
    """What a launch file comes to: its arguments and its processes in order."""

    arguments: dict[str, LaunchArgument] = field(default_factory=dict)
    processes: list[ProcessSpec] = field(default_factory=list)


@dataclass(frozen=True)
class _Context:
    """Where the reader stands: variables are shared by a file and copied for a group."""

    file: Path
    variables: MutableMapping[str, str]
    environment: MutableMapping[str, str]
    namespace: list[str]

    def text(self, element: ElementTree.Element, attribute: str, default: str = "") -> str:
        scope = Scope(self.variables, ChainMap(dict(self.environment), dict(os.environ)), self.file)
        return substitute(element.get(attribute, default), scope)


def read_launch_file(
    file: Path, given: Mapping[str, str], *, only_arguments: bool = False
) -> LaunchPlan:
    """Read `file` with the arguments `given`.

    only_arguments: collect the declared arguments and resolve nothing else.
    Raises LaunchError for whatever is unknown or missing, with what is allowed.
    """
    reader = _Reader(only_arguments)
    reader.read(_Context(file.resolve(), dict(given), {}, []))
    unknown = sorted(set(given) - set(reader.plan.arguments))
    if unknown:
        known = ", ".join(reader.plan.arguments) or "none"
        raise LaunchError(f"{file} has no argument '{unknown[0]}'; it has: {known}")
    return reader.plan


class _Reader:
    def __init__(self, only_arguments: bool) -> None:
        self.plan = LaunchPlan()
        self._only_arguments = only_arguments
        self._actions: dict[str, Callable[[ElementTree.Element, _Context], None]] = {
            "arg": self._arg,
            "let": self._let,
            "set_env": self._set_env,
            "push_ros_namespace": self._push_namespace,
            "include": self._include,
            "group": self._group,
            "node": self._node,
            "executable": self._executable,
        }

    def read(self, context: _Context) -> None:
        self._children(parse_strictly(context.file), context)

    def _children(self, parent: ElementTree.Element, context: _Context) -> None:
        for element in parent:
            try:
                if _applies(element, context):
                    self._actions[element.tag](element, context)
            except LaunchError as error:
                if str(context.file) in str(error):
                    raise
                label = element.get("name") or element.get("exec") or element.get("file") or ""
                place = f"<{element.tag} {label}>".replace(" >", ">")
                raise LaunchError(f"{context.file}: {place}: {error}") from error

    def _arg(self, element: ElementTree.Element, context: _Context) -> None:
        name = context.text(element, "name")
        has_default = "default" in element.attrib
        argument = LaunchArgument(
            name,
            context.text(element, "default") if has_default else None,
            context.text(element, "description"),
            tuple(context.text(choice, "value") for choice in element),
        )
        self.plan.arguments.setdefault(name, argument)
        value = context.variables.get(name, argument.default)
        if value is None:
            if self._only_arguments:
                value = ""
            else:
                raise LaunchError(f"argument '{name}' has no default: give {name}:=...")
        elif argument.choices and value not in argument.choices:
            raise LaunchError(f"'{value}' is none of the choices: {', '.join(argument.choices)}")
        context.variables[name] = value

    def _let(self, element: ElementTree.Element, context: _Context) -> None:
        context.variables[context.text(element, "name")] = context.text(element, "value")

    def _set_env(self, element: ElementTree.Element, context: _Context) -> None:
        context.environment[context.text(element, "name")] = context.text(element, "value")

    def _push_namespace(self, element: ElementTree.Element, context: _Context) -> None:
        context.namespace.append(context.text(element, "namespace"))

    def _include(self, element: ElementTree.Element, context: _Context) -> None:
        given = {context.text(a, "name"): context.text(a, "value") for a in element}
        file = Path(context.text(element, "file"))
        inner = LaunchPlan()
        outer, self.plan = self.plan, inner
        variables = {**context.variables, **given}
        self.read(replace(context, file=file, variables=variables))
        self.plan = outer
        unknown = sorted(set(given) - set(inner.arguments))
        if unknown:
            raise LaunchError(
                f"{file} has no argument '{unknown[0]}'; it has: {', '.join(inner.arguments)}"
            )
        for name, argument in inner.arguments.items():
            # What the including file sets is not for the user to give.
            if name not in given:
                outer.arguments.setdefault(name, argument)
        outer.processes.extend(inner.processes)

    def _group(self, element: ElementTree.Element, context: _Context) -> None:
        scoped = replace(
            context,
            variables=dict(context.variables),
            environment=dict(context.environment),
            namespace=list(context.namespace),
        )
        self._children(element, scoped if truth(element.get("scoped", "true")) else context)

    def _node(self, element: ElementTree.Element, context: _Context) -> None:
        if self._only_arguments:
            return
        executable = context.text(element, "exec")
        name = context.text(element, "name")
        arguments = [] if not name else ["-r", f"__node:={name}"]
        namespace = _join([*context.namespace, context.text(element, "namespace")])
        if namespace:
            arguments += ["-r", f"__ns:={namespace}"]
        for remap in element.iter("remap"):
            arguments += ["-r", f"{context.text(remap, 'from')}:={context.text(remap, 'to')}"]
        path = package_executable(context.text(element, "pkg"), executable)
        process = ProcessSpec(
            name or executable,
            (str(path), *shlex.split(context.text(element, "args"))),
            (*arguments, *shlex.split(context.text(element, "ros_args"))),
            tuple(_parameter(p, context) for p in element.iter("param")),
        )
        self._add(process, element, context)

    def _executable(self, element: ElementTree.Element, context: _Context) -> None:
        if self._only_arguments:
            return
        command = tuple(shlex.split(context.text(element, "cmd")))
        if not command:
            raise LaunchError("its attribute 'cmd' is empty")
        name = context.text(element, "name") or Path(command[0]).name
        folder = Path(context.text(element, "cwd")) if "cwd" in element.attrib else None
        self._add(ProcessSpec(name, command, folder=folder), element, context)

    def _add(self, process: ProcessSpec, element: ElementTree.Element, context: _Context) -> None:
        output = context.text(element, "output", "log")
        if output not in OUTPUTS:
            raise LaunchError(f"unknown output '{output}'; known: {', '.join(OUTPUTS)}")
        if element.get("on_exit", "shutdown") != "shutdown":
            raise LaunchError(f"unknown on_exit '{element.get('on_exit')}'; known: shutdown")
        added = {context.text(e, "name"): context.text(e, "value") for e in element.iter("env")}
        respawn = truth(context.text(element, "respawn", "false"))
        delay = _seconds(context.text(element, "respawn_delay", "0"))
        self.plan.processes.append(
            replace(
                process,
                environment={**context.environment, **added},
                on_screen=output != "log",
                ends_launch="on_exit" in element.attrib,
                respawn_delay=delay if respawn else None,
            )
        )


def _applies(element: ElementTree.Element, context: _Context) -> bool:
    if "if" in element.attrib and "unless" in element.attrib:
        raise LaunchError("'if' and 'unless' exclude each other")
    if "if" in element.attrib:
        return truth(context.text(element, "if"))
    return "unless" not in element.attrib or not truth(context.text(element, "unless"))


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LaunchError(f"respawn_delay '{text}' is no number of seconds") from None


def _parameter(element: ElementTree.Element, context: _Context) -> Path | dict[str, object]:
    if ("from" in element.attrib) == ("name" in element.attrib):
        raise LaunchError("<param> needs either 'name' with 'value', or 'from'")
    if "from" in element.attrib:
        file = Path(context.text(element, "from"))
        if not file.is_file():
            raise LaunchError(f"parameter file {file} does not exist")
        return file
    if "value" not in element.attrib:
        raise LaunchError(f"<param {element.get('name')}> lacks its attribute 'value'")
    value = typed_value(context.text(element, "value"), element.get("type"))
    return {context.text(element, "name"): value}


def _join(names: list[str]) -> str:
    """One namespace from nested ones; an absolute one starts anew."""
    joined = ""
    for name in filter(None, names):
        joined = name if name.startswith("/") else f"{joined.rstrip('/')}/{name}"
    return joined
