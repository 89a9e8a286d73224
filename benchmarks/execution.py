"""Every figure of execution that issue 5 asks for: `python benchmarks/execution.py --help`.

Every finished trial is a line of OUTPUT, and a run goes on where the last one with the same
configuration stopped. Give another file, or remove it, after a change of the code.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from execution_report import Line, show
from synthesis import SHARED, listed, picked, positive, things
from synthesis_judge import tell

from dexgrasp.evaluation.benchmark import ObjectChoice, PickJob, run_record
from dexgrasp.evaluation.configuration import resolved_configuration
from dexgrasp.evaluation.pick_record import PickRecord
from dexgrasp.evaluation.pool import in_processes
from dexgrasp.evaluation.report import plain
from dexgrasp.execution import ExecutionConfig
from dexgrasp.execution.control import CONTROLLERS, POLICY, make_controller
from dexgrasp.execution.policy.manifest import manifest_path
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.synthesis import CHECKS, GENERATORS

MOST_PROCESSES = 2  # a machine of two cores is what the figures are for
CONDITIONS = ("nominal", "disturbed", "untouched")
SETS = ("ycb", "catalogue")


def run(
    hands: Annotated[str, typer.Option(help="names, with commas")] = ",".join(hand_names()),
    objects: Annotated[str, typer.Option(help="of ycb, catalogue")] = ",".join(SETS),
    meshes: Annotated[Path, typer.Option(help="folder of meshes with index.json")] = SHARED
    / "ycb_meshes",
    half: Annotated[str, typer.Option(help="of ycb: develop, report (odd ones) or all")] = "all",
    only: Annotated[str, typer.Option(help="of these objects, names with commas")] = "",
    seeds: Annotated[int, typer.Option(help="trials of each object and hand")] = 5,
    first_seed: Annotated[int, typer.Option(help="of these; later ones are held out")] = 0,
    attempts: Annotated[int, typer.Option(help="of each trial, at most")] = 3,
    conditions: Annotated[
        str, typer.Option(help=f"of {', '.join(CONDITIONS)}")
    ] = "nominal,disturbed",
    synthesizer: Annotated[str, typer.Option(help=f"of {', '.join(GENERATORS)}")] = "search",
    check: Annotated[str, typer.Option(help=f"of {', '.join(CHECKS)}")] = "lift",
    controllers: Annotated[
        str, typer.Option(help=f"of {', '.join(CONTROLLERS)}, or {POLICY}<name>")
    ] = "reactive",
    processes: Annotated[int, typer.Option(min=1, max=MOST_PROCESSES)] = MOST_PROCESSES,
    output: Annotated[Path, typer.Option(help="one line for each trial")] = Path(
        "results/execution.jsonl"
    ),
) -> None:
    """First attempt, up to three, slips, hard classes and disturbances, with 95 % intervals.

    `untouched` hides the finger forces from the executor. Several controllers are tried on the
    same trials, and compared.
    """
    os.environ.setdefault("MUJOCO_GL", "egl")
    chosen = choices(listed(objects, list(SETS), "--objects"), meshes, half, only)
    named = listed(hands, hand_names(), "--hands")
    jobs = [
        PickJob(hand, choice, seed, positive("--attempts", attempts), synthesizer, check,
                condition == "disturbed", controller, condition != "untouched")
        for seed in range(first_seed, first_seed + positive("--seeds", seeds))
        for controller in asked_controllers(controllers, named)
        for condition in listed(conditions, list(CONDITIONS), "--conditions")
        for hand in named
        for choice in chosen
    ]  # fmt: skip
    lines = measure(jobs, processes, output)
    show([lines[key(job)] for job in jobs])
    tell(f"written: {output}")


def asked_controllers(text: str, hands: Sequence[str]) -> list[str]:
    """Controllers with commas, policies loaded once to see that they can be. Raises ConfigError."""
    policies = [name.strip() for name in text.split(",") if name.strip().startswith(POLICY)]
    names = listed(text, [*CONTROLLERS, *policies], "--controllers")
    for name in policies:
        for hand in hands:
            make_controller(name, HandModel.load(hand), ExecutionConfig.load(), 1)
    return names


def choices(sets: Sequence[str], meshes: Path, half: str, only: str) -> list[ObjectChoice]:
    """The objects to pick; the catalogue is never halved. Raises ConfigError."""
    known = {name: things(name, meshes) for name in sets}
    if only:
        everything = picked([thing for each in known.values() for thing in each], half, only)
    else:
        everything = [
            thing
            for name, each in known.items()
            for thing in picked(each, half if name == "ycb" else "all", "")
        ]
    return [ObjectChoice(thing.source, thing.mass) for thing in everything]


def measure(jobs: Sequence[PickJob], processes: int, output: Path) -> dict[str, Line]:
    """The lines of all jobs by their keys; those that `output` lacks are run and added to it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    lines = {} if not output.exists() else dict(map(parsed, output.read_text().splitlines()))
    missing = [job for job in jobs if key(job) not in lines]
    tell(f"{len(jobs)} trials, {len(jobs) - len(missing)} of them in {output}")
    if not missing:
        return lines
    with output.open("a") as stream:
        for done, (index, record) in enumerate(
            in_processes(run_record, missing, processes, warm_up=(missing[0],)), 1
        ):
            job = missing[index]
            values: dict[str, Any] = plain(record.as_dict())  # type: ignore[assignment]
            stream.write(json.dumps({"key": key(job), "job": asdict(job), **values}) + "\n")
            stream.flush()
            lines[key(job)] = Line(asdict(job), values)
            tell(f"{done}/{len(missing)} {told(job, record)}")
    return lines


def told(job: PickJob, record: PickRecord) -> str:
    """A trial in words."""
    words = "; ".join(a.error_msg or "not held" for a in record.attempts if not a.success)
    trial = f"{job.hand} {record.object} seed {job.seed}{' disturbed' if job.disturbed else ''}"
    trial += f"{'' if job.tactile else ' untouched'} {job.controller}"
    return f"{trial}: {'picked' if record.success else 'FAILED'}{f' ({words})' if words else ''}"


def parsed(text: str) -> tuple[str, Line]:
    """Key and content of one line of the file."""
    values = json.loads(text)
    return values.pop("key"), Line(values.pop("job"), values)


def key(job: PickJob) -> str:
    """What tells a trial from all others: the job and the configuration that it ran with."""
    text = json.dumps(asdict(job), sort_keys=True) + configuration()
    if job.controller.startswith(POLICY):
        text += manifest_path(job.controller.removeprefix(POLICY), job.hand).read_text()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def configuration() -> str:
    """The figures of simulation, synthesis and execution."""
    values = resolved_configuration([], [], [])
    values["execution"] = ExecutionConfig.load().model_dump()
    return json.dumps(plain(values), sort_keys=True)


if __name__ == "__main__":
    typer.run(run)
