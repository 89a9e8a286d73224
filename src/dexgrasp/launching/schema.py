"""Elements and attributes that launch files may use; all exist in ros2/launch since Jazzy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from dexgrasp.launching.errors import LaunchError

CONDITIONS = ("if", "unless")
PROCESS = ("output", "on_exit", "respawn", "respawn_delay", *CONDITIONS)


@dataclass(frozen=True)
class Rule:
    """What an element may hold: attributes it must and may have, and its children."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


ACTIONS = ("arg", "let", "set_env", "include", "group", "node", "executable")
RULES = {
    "launch": Rule(optional=("version",), children=ACTIONS),
    "group": Rule(optional=("scoped", *CONDITIONS), children=(*ACTIONS, "push_ros_namespace")),
    "push_ros_namespace": Rule(("namespace",), CONDITIONS),
    "arg": Rule(("name",), ("default", "description", *CONDITIONS), ("choice",)),
    "choice": Rule(("value",)),
    "let": Rule(("name", "value"), CONDITIONS),
    "set_env": Rule(("name", "value"), CONDITIONS),
    "include": Rule(("file",), CONDITIONS, ("arg",)),
    "include/arg": Rule(("name", "value")),
    "node": Rule(
        ("pkg", "exec"),
        ("name", "namespace", "args", "ros_args", *PROCESS),
        ("param", "remap", "env"),
    ),
    "executable": Rule(("cmd",), ("name", "cwd", *PROCESS), ("env",)),
    "param": Rule(optional=("name", "value", "type", "from")),
    "remap": Rule(("from", "to")),
    "env": Rule(("name", "value")),
}


def parse_strictly(file: Path) -> ElementTree.Element:
    """The root of a launch file in which every element and attribute is known.

    Raises LaunchError naming file, element and what is allowed.
    """
    try:
        root = ElementTree.parse(file).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise LaunchError(f"{file} cannot be read: {error}") from error
    if root.tag != "launch":
        raise LaunchError(f"{file}: the root is <{root.tag}>; it must be <launch>")
    _check(root, "launch", file)
    return root


def _check(element: ElementTree.Element, name: str, file: Path) -> None:
    rule = RULES[name]
    allowed = (*rule.required, *rule.optional)
    for attribute in element.attrib:
        if attribute not in allowed:
            raise LaunchError(
                f"{file}: unknown attribute '{attribute}' of <{element.tag}>; "
                f"allowed: {', '.join(allowed) or 'none'}"
            )
    for attribute in rule.required:
        if attribute not in element.attrib:
            raise LaunchError(f"{file}: <{element.tag}> lacks its attribute '{attribute}'")
    texts = [element.text, *(child.tail for child in element)]
    words = " ".join(text.strip() for text in texts if text).strip()
    if words:
        raise LaunchError(f"{file}: <{element.tag}> holds the text '{words}'")
    for child in element:
        if child.tag not in rule.children:
            raise LaunchError(
                f"{file}: unknown element <{child.tag}> in <{element.tag}>; "
                f"allowed: {', '.join(rule.children) or 'none'}"
            )
        _check(child, "include/arg" if (name, child.tag) == ("include", "arg") else child.tag, file)
