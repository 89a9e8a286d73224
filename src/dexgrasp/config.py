"""Where the project's files are, and strict reading of its YAML."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dexgrasp.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
# libyaml's, ten times as fast as Python's: a first grasp reads eight files.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PACKAGE = Path(__file__).resolve().parent


def resource_root() -> Path:
    """Folder that holds config/, urdf/ and launch/.

    `DEXGRASP_ROOT` if set, else the repository of an editable install, else the copies
    inside the wheel.
    """
    if "DEXGRASP_ROOT" in os.environ:
        return Path(os.environ["DEXGRASP_ROOT"])
    repository = PACKAGE.parent.parent
    return repository if (repository / "urdf").is_dir() else PACKAGE / "_resources"


def resource_path(*parts: str) -> Path:
    """Path of a shipped file or folder. Raises ConfigError when it does not exist."""
    path = resource_root().joinpath(*parts)
    if not path.exists():
        raise ConfigError(f"{'/'.join(parts)} is missing under {resource_root()}")
    return path


def load_config(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into a strict model. Raises ConfigError naming file, key and remedy."""
    try:
        values = yaml.load(Path(path).read_text(), LOADER)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(_describe(fault, model) for fault in error.errors())
        raise ConfigError(f"{path}: {faults}") from error


def _describe(fault: object, model: type[BaseModel]) -> str:
    place = ".".join(str(p) for p in fault["loc"])  # type: ignore[index]
    if fault["type"] == "extra_forbidden":  # type: ignore[index]
        return f"unknown key '{place}'; allowed at the top: {', '.join(model.model_fields)}"
    return f"{place or 'file'}: {fault['msg']}"  # type: ignore[index]
