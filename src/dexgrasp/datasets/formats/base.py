"""What a reader of one layout is, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dexgrasp.datasets.files import Document
from dexgrasp.datasets.table import RawRows
from dexgrasp.hands import HandModel
from dexgrasp.types import Array


@dataclass(frozen=True)
class Format:
    """A layout of grasp files.

    describe: one line on what it holds and what is assumed.  suffixes: of its files.
    matches: whether a document of such a suffix is in this layout.
    read: its rows as grasps of the wanted hand; raises GraspError where none can be.
    """

    name: str
    describe: str
    suffixes: tuple[str, ...]
    matches: Callable[[Document], bool]
    read: Callable[[Document, HandModel], RawRows]


def has_keys(value: Any, *keys: str) -> bool:
    """Whether `value` is a dict with all of `keys`."""
    return isinstance(value, Mapping) and all(key in value for key in keys)


def entries(value: Any) -> list[Any]:
    """The items of a list, a tuple or a one-dimensional object array."""
    if isinstance(value, np.ndarray):
        return list(value.reshape(-1))
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []


def numbers(value: Any, count: int) -> Array:
    """(count,) floats of anything, NaN where it does not hold just so many."""
    try:
        flat = np.asarray(value, float).reshape(-1)
    except (TypeError, ValueError):
        return np.full(count, np.nan)
    return flat if len(flat) == count else np.full(count, np.nan)


def number(value: Any) -> float:
    """The float in a number or a one-item array; NaN where there is none."""
    return float(numbers(value, 1)[0])


def text(value: Any) -> str:
    """The string in a string, bytes or a one-item array."""
    item = np.asarray(value).reshape(-1)[0] if isinstance(value, np.ndarray) else value
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
