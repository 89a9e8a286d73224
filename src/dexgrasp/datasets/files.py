"""The value that a file of grasps holds, whatever its kind: read without running anything."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dexgrasp.datasets.npyfile import parse_npy, read_npz
from dexgrasp.datasets.torchfile import load_torch
from dexgrasp.datasets.unpickle import load_pickle
from dexgrasp.errors import GraspError


@dataclass(frozen=True)
class Document:
    """A file and the value read from it: dicts, lists, numbers, text and numpy arrays."""

    path: Path
    value: Any


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise GraspError(f"{path} is not whole JSON: {error}") from error


def _read_xml(path: Path) -> ElementTree.Element:
    content = path.read_text(errors="replace")
    if "<!DOCTYPE" in content or "<!ENTITY" in content:
        raise GraspError(f"{path} defines XML entities; these are not read")
    try:
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise GraspError(f"{path} is not whole XML: {error}") from error


READERS: dict[str, Callable[[Path], Any]] = {
    ".npy": lambda path: parse_npy(path.read_bytes(), str(path), objects=True),
    ".npz": lambda path: read_npz(path, objects=True),
    ".pkl": lambda path: load_pickle(path.read_bytes(), str(path)),
    ".pickle": lambda path: load_pickle(path.read_bytes(), str(path)),
    ".pt": lambda path: load_torch(path.read_bytes(), str(path)),
    ".pth": lambda path: load_torch(path.read_bytes(), str(path)),
    ".json": _read_json,
    ".xml": _read_xml,
}


def read_document(path: Path) -> Document:
    """Read a file by its suffix.

    Raises GraspError for one that is missing, damaged, of another kind, or that asks for
    anything but plain containers and numeric arrays.
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise GraspError(f"{path}: a {path.suffix or 'nameless'} file; read: {', '.join(READERS)}")
    try:
        return Document(path, read(path))
    except OSError as error:
        raise GraspError(f"{path} cannot be read: {error}") from error
