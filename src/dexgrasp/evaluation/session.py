"""A run of several trials and its results folder."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dexgrasp.evaluation.pictures import TrialFilm
from dexgrasp.evaluation.report import Report, write_report
from dexgrasp.evaluation.results import StackFigures, TrialResult

REQUIRED_RATE = 0.8  # 4 of 5


class TrialSession:
    """Keeps the results of a run and writes its report after every trial.

    planned: how many trials the run is meant to have; those that never ran count as failed.
    """

    def __init__(
        self, folder: Path, title: str, planned: int, configuration: Mapping[str, Any], rerun: str
    ) -> None:
        self.folder = folder
        self.planned = planned
        self.results: list[TrialResult] = []
        self.stack: StackFigures = {}
        self._title = title
        self._configuration = configuration
        self._rerun = rerun

    def finish(self, result: TrialResult, film: TrialFilm, stack: StackFigures) -> TrialResult:
        """Save the film, add the result with its media and write the report; returns it.

        A film without frames is left out: a trial that fails early may have none.
        stack: what the nodes have said of themselves so far.
        """
        self.stack = stack
        if film.frames:
            stem = f"{len(self.results) + 1:02d}_{re.sub(r'[^A-Za-z0-9_-]', '_', result.object)}"
            film.save_still(self.folder / f"{stem}.png")
            film.save_animation(self.folder / f"{stem}.gif")
            result = dataclasses.replace(result, picture=f"{stem}.png", animation=f"{stem}.gif")
        self.results.append(result)
        self.write()
        return result

    def write(self) -> Path:
        """Write the report with what there is; returns the path of its page."""
        report = Report(
            self._title, tuple(self.results), self._configuration, self._rerun, self.stack
        )
        return write_report(self.folder, report)

    @property
    def passed(self) -> bool:
        """Whether enough of the planned trials succeeded."""
        required = math.ceil(REQUIRED_RATE * self.planned - 1e-9)
        return sum(r.success for r in self.results) >= required
