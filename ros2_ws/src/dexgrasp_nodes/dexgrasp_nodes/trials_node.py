"""The trials of a plan on one hardware, with the operator at the terminal.

Where the world is simulated it places objects itself and its truth is the verdict; elsewhere the
operator places and judges, with the stack's own opinion as the suggestion. Exit code: 0 when the
plan is finished, 2 when the stack does not answer, 130 after Ctrl-C.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from dexgrasp_interfaces.action import PickObject
from dexgrasp_interfaces.msg import ErrorCode, TrialReport
from rich.console import Console

from dexgrasp.evaluation.configuration import resolved_configuration
from dexgrasp.evaluation.report import new_results_folder
from dexgrasp.evaluation.report_table import TrialBoard
from dexgrasp.evaluation.session import TrialSession
from dexgrasp.evaluation.trials import (
    OPERATOR,
    PLAN_FILE,
    TRUTH,
    Entry,
    Planned,
    TrialLog,
    TrialsPlan,
)
from dexgrasp.hardware.robots import SIMULATED
from dexgrasp_nodes.conversions import trial_result
from dexgrasp_nodes.demo_node import DemoError, DemoNode, run_client
from dexgrasp_nodes.node_parameters import read_parameters

ANSWERS = {"y": True, "n": False, "a": None}


class TrialsNode(DemoNode):
    """The demo's client with a plan. Parameters `folder`, which holds it, and `hardware`."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(self.declare_parameter("folder", "").value)
        self.hardware: str = self.declare_parameter("hardware", "mujoco").value


def run_trials(node: TrialsNode, ask: Callable[[str], str] = input) -> bool:
    """Do what is left of the plan on the node's hardware. Raises DemoError."""
    log = TrialLog(node.folder, TrialsPlan.load(node.folder / PLAN_FILE))
    planned = log.remaining(node.hardware)
    sitting = new_results_folder(node.folder / node.hardware)
    node.announce(sitting)
    node.wait_for_stack()
    plan, title = log.plan, f"{log.plan.hand} on {node.hardware}"
    configuration = resolved_configuration([plan.hand], plan.objects, [p.seed for p in planned])
    configuration |= {"plan": plan.model_dump(), "node_parameters": read_parameters(node)}
    rerun = f"dexgrasp trials {node.folder / PLAN_FILE} --out {node.folder}"
    session = TrialSession(sitting, title, len(planned), configuration, rerun)
    # Lines, not a table that is drawn again and again: the operator types among them.
    with TrialBoard(title, Console(force_terminal=False)) as board:
        for trial in planned:
            entry = _again_until_valid(node, trial, board, ask)
            result = session.finish(entry.trial, node.film, node.health.summary())
            log.add(dataclasses.replace(entry, trial=result))
            board.finished(result)
    return True


def _again_until_valid(
    node: TrialsNode, planned: Planned, board: TrialBoard, ask: Callable[[str], str]
) -> Entry:
    while (entry := _try(node, planned, board, ask)) is None:
        print("  it does not count: once more", flush=True)
    return entry


def _try(
    node: TrialsNode, planned: Planned, board: TrialBoard, ask: Callable[[str], str]
) -> Entry | None:
    """One trial; None where the operator does not want it to count."""
    node.seed, simulated = planned.seed, planned.hardware in SIMULATED
    if simulated:
        node.spawn(planned.object)
    else:
        _answer(ask, f"place {planned.object} alone on the table, stand back, then Enter: ")
    result, report = node.pick(lambda phase: board.running(planned.object, phase))
    trial = trial_result(planned.object, node.hand, planned.seed, result, report)
    if simulated:
        return Entry(planned.hardware, TRUTH, trial.success, trial)
    suggested = suggestion(result, report)
    verdict = ask_verdict(planned.object, suggested, ask)
    if verdict is None:
        return None
    judged = dataclasses.replace(trial, success=verdict)
    return Entry(planned.hardware, OPERATOR, suggested, judged)


def suggestion(result: PickObject.Result, report: TrialReport | None) -> bool:
    """What the stack thinks: the evaluator where it saw the object, else the executor's touch."""
    if report is not None and report.object:
        return report.success
    return result.error_code == ErrorCode.OK


def ask_verdict(name: str, suggested: bool, ask: Callable[[str], str]) -> bool | None:
    """The operator's verdict; None: it does not count. Enter takes the suggestion."""
    default = "y" if suggested else "n"
    question = f"did the hand hold {name} to the end? y, n, or a for again [{default}]: "
    while (answer := _answer(ask, question).strip().lower() or default) not in ANSWERS:
        print(f"  {answer!r} is no answer", flush=True)
    return ANSWERS[answer]


def _answer(ask: Callable[[str], str], question: str) -> str:
    try:
        return ask(question)
    except EOFError:
        raise DemoError("nobody answers: run it in a terminal, with an operator") from None


def main(args: list[str] | None = None) -> None:
    """Run the trials and exit with their code."""
    run_client("trials", TrialsNode, run_trials, args)
