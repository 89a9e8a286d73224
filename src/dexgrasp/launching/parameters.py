"""Parameters of a node: typed as `ros2 launch` types them, written for `--params-file`."""

from __future__ import annotations

from pathlib import Path

import yaml

from dexgrasp.launching.errors import LaunchError

TYPES = {"str": str, "int": int, "float": float, "bool": bool}


def typed_value(text: str, type_name: str | None = None) -> object:
    """The value of a <param>: as YAML reads it, or of the type that the file names.

    An empty text is the empty string. Raises LaunchError for a text of another type.
    """
    if type_name == "str":
        return text
    value = yaml.safe_load(text)
    if type_name is None:
        return text if value is None or isinstance(value, dict) else value
    if type_name not in TYPES:
        raise LaunchError(f"unknown type '{type_name}' of <param>; known: {', '.join(TYPES)}")
    if type_name == "float" and type(value) is int:
        value = float(value)
    if type(value) is not TYPES[type_name]:
        raise LaunchError(f"'{text}' is no {type_name}")
    return value


def write_parameters(file: Path, values: dict[str, object]) -> None:
    """Write `values` for any node: rcl matches `/**` whatever the node's name is."""
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
