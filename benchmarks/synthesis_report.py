"""Figures beside what they must reach, as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dexgrasp.evaluation.report import machine_line, package_versions, write_json


@dataclass(frozen=True)
class Figure:
    """A measured value; floor: what issue 4 asks for at least, or at most; None: nothing."""

    hand: str
    what: str
    value: float
    floor: float | None = None
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether it is good enough; None where nothing is asked for. NaN never is."""
        if self.floor is None:
            return None
        return bool(self.value <= self.floor if self.at_most else self.value >= self.floor)


@dataclass(frozen=True)
class Section:
    """What a part of the benchmark measured. columns: of the rows, those shown."""

    rows: list[dict[str, Any]]
    figures: list[Figure]
    columns: tuple[str, ...]
    notes: list[str] = field(default_factory=list)


def share(good: float, total: float) -> float:
    """good / total, NaN of nothing."""
    return good / total if total else float("nan")


def total(rows: Sequence[dict[str, Any]], key: str) -> float:
    """Sum of a figure over the rows; a failed row lacks it and adds nothing."""
    return float(sum(row.get(key, 0) for row in rows))


def quantile(rows: Sequence[dict[str, Any]], key: str, q: float) -> float:
    """Quantile of a figure over the rows, infinite where it fell on a failed row."""
    values = sorted(row.get(key, np.inf) for row in rows)
    return float(np.quantile(values, q, method="higher")) if values else float("nan")


def save(path: Path, name: str, options: dict[str, Any], section: Section) -> None:
    """Replace one section of the file; the others stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sections = json.loads(path.read_text()).get("sections", {}) if path.exists() else {}
    sections[name] = {
        "created": datetime.now().isoformat(timespec="seconds"),
        "machine": machine_line(),
        "versions": package_versions(),
        "options": options,
        "figures": [asdict(f) | {"reached": f.reached} for f in section.figures],
        "notes": section.notes,
        "rows": section.rows,
    }
    write_json(path, {"sections": sections})


def show(name: str, section: Section) -> None:
    """A table of the rows, one of the figures, and the machine."""
    console = Console(width=None if Console().is_terminal else 140)
    rows = Table(*(c.replace("_", " ") for c in section.columns), title=name)
    for row in section.rows:
        rows.add_row(*(_text(row.get(column, "")) for column in section.columns))
    console.print(rows)
    figures = Table("hand", "figure", "measured", "must reach", "reached", title=name)
    for figure in section.figures:
        sign = "≤" if figure.at_most else "≥"
        asked = "" if figure.floor is None else f"{sign} {figure.floor:g}"
        verdict = {None: "", True: "yes", False: "NO"}[figure.reached]
        figures.add_row(figure.hand, escape(figure.what), _text(figure.value), asked, verdict)
    if section.figures:
        console.print(figures)
    for note in section.notes:
        console.print(escape(note), highlight=False, soft_wrap=True)
    console.print(f"machine: {machine_line()}", highlight=False, soft_wrap=True)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))
