"""Trials as a table: it grows in place on a terminal, line by line in a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dexgrasp.evaluation.report_parts import (
    ABSENT,
    SURVEY_PICK_RATE,
    SURVEY_PLAUSIBLE_RATE,
    number,
    percent,
    yes_or_no,
)
from dexgrasp.evaluation.results import (
    Share,
    StackFigures,
    Summary,
    TrialResult,
    group_by,
    summarise,
)

COLUMNS = (
    "object",
    "tries",
    "phase",
    "grasp",
    "score",
    "height",
    "slip",
    "plausible",
    "intended",
    "verdict",
)
LINE_WIDTHS = (24, 6, 17, 10, 6, 8, 5, 10, 9, 0)


class TrialBoard:
    """The live table of a run. Use as a context manager.

    On a terminal the running trial is the last row and its phase changes in place;
    elsewhere (a pipe, a launch log) each new phase and each finished trial is one line.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        self.title = title
        self.console = console or Console()
        self._results: list[TrialResult] = []
        self._running: tuple[str, str] | None = None
        self._live = Live(console=self.console, auto_refresh=False, transient=False)

    def __enter__(self) -> TrialBoard:
        if self.console.is_terminal:
            self._live.start()
        else:
            self._print_line(self.title)
            self._print_line(fixed_line(COLUMNS))
        return self

    def __exit__(self, *fault: object) -> None:
        self._running = None
        if self.console.is_terminal:
            self._refresh()
            self._live.stop()

    def running(self, object_name: str, phase: str) -> None:
        """Show that the trial of `object_name` is in `phase`."""
        if not phase or (object_name, phase) == self._running:
            return
        self._running = (object_name, phase)
        if self.console.is_terminal:
            self._refresh()
        else:
            self._print_line(f"{object_name.ljust(LINE_WIDTHS[0])}{phase.lower()}")

    def finished(self, result: TrialResult) -> None:
        """Add a row for a finished trial."""
        self._results.append(result)
        self._running = None
        if self.console.is_terminal:
            self._refresh()
        else:
            self._print_line(fixed_line(trial_cells(result)))

    def _refresh(self) -> None:
        self._live.update(trial_table(self._results, self.title, self._running), refresh=True)

    def _print_line(self, line: str) -> None:
        """Unstyled and unwrapped, whatever width a log pretends to have."""
        self.console.print(Text(line), soft_wrap=True)
        self.console.file.flush()


def trial_table(
    results: Sequence[TrialResult], title: str, running: tuple[str, str] | None = None
) -> Table:
    """One row per trial, and one for the `running` (object, phase)."""
    table = Table(title=title, title_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in ("tries", "score", "height") else "left")
    for result in results:
        style = "green" if result.success else "red"
        cells = [Text(cell) for cell in trial_cells(result)]
        cells[-1].stylize(style)
        table.add_row(*cells)
    if running is not None:
        object_name, phase = running
        table.add_row(Text(object_name), Text(phase.lower(), style="cyan"), style="dim")
    return table


def trial_cells(result: TrialResult) -> tuple[str, ...]:
    """The texts of one row, in the order of COLUMNS."""
    return (
        result.object,
        str(result.attempts),
        result.phase.lower(),
        result.grasp_kind or ABSENT,
        number(result.grasp_score, 2),
        number(result.max_height, 2, " m"),
        yes_or_no(result.slip),
        ABSENT if result.plausible is None else yes_or_no(result.plausible),
        ABSENT if result.intended is None else yes_or_no(result.intended),
        result.verdict,
    )


def fixed_line(cells: Sequence[str]) -> str:
    """The cells in columns of LINE_WIDTHS characters."""
    return "".join(cell.ljust(width) for cell, width in zip(cells, LINE_WIDTHS, strict=True))


def summary_lines(summary: Summary) -> list[str]:
    """Shares with their intervals beside the survey's, and the stages' latencies."""
    lines = [_share_line("picks", summary.picks, SURVEY_PICK_RATE)]
    if summary.plausible.total:
        lines.append(_share_line("plausible", summary.plausible, SURVEY_PLAUSIBLE_RATE))
    stages = [
        f"{stage} {median:.2f} s (p95 {p95:.2f})"
        for stage, (median, p95) in summary.seconds.items()
    ]
    return [*lines, f"median {', '.join(stages)}"] if stages else lines


def stack_lines(stack: StackFigures) -> list[str]:
    """How well the nodes kept their time: the figures that the real-time promises are about."""
    lines = []
    control, bridge = stack.get("executor", {}), stack.get("bridge", {})
    if {"rate", "period_error_p99_ms"} <= control.keys():
        rate, late = control["rate"], control["period_error_p99_ms"]
        lines.append(
            f"control loop: {rate['median']:.1f} Hz, p99 period error {late['median']:.2f} ms "
            f"(worst window {late['max']:.2f})"
        )
    if {"real_time_factor", "rate", "camera_rate"} <= bridge.keys():
        factor = bridge["real_time_factor"]
        lines.append(
            f"simulation: real-time factor {factor['median']:.3f} (lowest {factor['min']:.3f}), "
            f"joint states {bridge['rate']['median']:.0f} Hz, "
            f"depth {bridge['camera_rate']['median']:.1f} Hz"
        )
    return lines


def _share_line(label: str, share: Share, survey: float) -> str:
    low, high = share.interval
    return (
        f"{label}: {share.passed} of {share.total} = {percent(share.rate)} "
        f"(95% interval {percent(low)} to {percent(high)}; survey {survey:.1%})"
    )


def success_table(trials: Sequence[TrialResult]) -> Table:
    """Picks of each object (rows) by each hand (columns), and all objects at the end."""
    hands = group_by(trials, "hand")
    table = Table(title="Picks", title_justify="left", show_footer=True)
    table.add_column("object", footer="all")
    for hand, group in hands.items():
        table.add_column(hand, footer=_share_cell(summarise(group).picks), justify="right")
    for name, group in group_by(trials, "object").items():
        by_hand = group_by(group, "hand")
        shares = (summarise(by_hand.get(hand, [])).picks for hand in hands)
        table.add_row(name, *(_share_cell(share) for share in shares))
    return table


def latency_table(trials: Sequence[TrialResult]) -> Table:
    """Median and 95th percentile of each stage's wall clock by each hand."""
    summaries = {hand: summarise(group) for hand, group in group_by(trials, "hand").items()}
    stages = dict.fromkeys(stage for summary in summaries.values() for stage in summary.seconds)
    table = Table("stage", title="Seconds, median and p95", title_justify="left")
    for hand in summaries:
        table.add_column(hand, justify="right")
    for stage in stages:
        pairs = (summary.seconds.get(stage) for summary in summaries.values())
        table.add_row(stage, *(f"{p[0]:.3f}  {p[1]:.3f}" if p else ABSENT for p in pairs))
    return table


def failure_table(trials: Sequence[TrialResult]) -> Table:
    """How often trials failed for each reason, the most frequent first; details are left out."""
    reasons = Counter(
        (t.phase.lower(), t.verdict.partition(";")[0]) for t in trials if not t.success
    )
    table = Table("count", "last phase", "reason", title="Failures", title_justify="left")
    for (phase, verdict), count in reasons.most_common():
        table.add_row(str(count), phase, Text(verdict))
    return table


def _share_cell(share: Share) -> str:
    if not share.total:
        return ABSENT
    low, high = share.interval
    return f"{share.passed}/{share.total} {percent(share.rate):>4} [{low:.0%}, {high:.0%}]"
