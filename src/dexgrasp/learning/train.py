"""Trains the policy `student` by DAgger: `python -m dexgrasp.learning.train --help`.

DAgger (Ross, Gordon and Bagnell 2011): the student acts more and more often, the teacher says at
every instant what it would have done, and the student learns all of it again.
"""

from __future__ import annotations

import csv
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
import yaml
from rich.progress import Progress

from dexgrasp.config import resource_path
from dexgrasp.errors import ConfigError
from dexgrasp.execution.policy.manifest import PolicyManifest
from dexgrasp.execution.policy.terms import TERMS
from dexgrasp.hands import HandModel, hand_names
from dexgrasp.learning.lessons import Lesson, lesson
from dexgrasp.learning.mlp import Mlp, fit, write_onnx
from dexgrasp.learning.rollout import Records, practise
from dexgrasp.types import Array

# Of the catalogue. None of them has its scan in the half of the YCB meshes that is reported
# (sugar box, mustard, gelatin box, strawberry, peach, pitcher, drill, scissors, baseball, brick).
OBJECTS = (
    "tomato_soup_can", "mug", "cracker_box", "apple", "bowl", "tuna_fish_can", "chips_can",
    "pudding_box", "potted_meat_can", "rubiks_cube", "banana", "bleach_cleanser",
    "master_chef_can", "wood_block", "hammer", "phillips_screwdriver", "c_cups", "lemon",
    "padlock", "tennis_ball", "windex_bottle", "pear",
)  # fmt: skip
NAME = "student"
SEEN = (
    "joint_position", "joint_velocity", "joint_effort", "joint_target", "pregrasp", "grasp",
    "squeeze", "gravity", "time_acting", "cloud_features",
)  # fmt: skip
PHASES = ("PREGRASP_CLOSURE", "FULL_GRASP", "LIFT", "HOLD")
RATE = 60.0  # [Hz]
HIDDEN = (256, 128)
CLIP = 5.0  # standard deviations
# Share of the worlds in which the teacher still acts, round by round.
TAUGHT = (1.0, 0.5, 0.3, 0.2, 0.2, 0.2)
BEYOND = 0.2  # [rad] past the joint limits: commands are clipped to them, a lost policy is farther
HEADER = "# Written by `make train-policy`; docs/policies.md explains the keys.\n"
LEAST_SCALE = {"rad": 0.02, "rad/s": 0.1, "Nm": 0.01, "m": 0.003, "s": 0.1, "1": 0.05}


@dataclass(frozen=True)
class Round:
    """One line of the log: what a round of practice showed, and the fit after it.

    teacher, student: share of the trials in which each acted that lifted the object; None where
    none did.  error: root of the mean squared error of the fit [rad]; None: there was none.
    """

    hand: str
    round: int
    teacher: float | None
    student: float | None
    samples: int
    error: float | None
    seconds: float


def run(
    hands: Annotated[str, typer.Option(help="names, with commas")] = ",".join(hand_names()),
    objects: Annotated[int, typer.Option(help="the first so many", min=1)] = len(OBJECTS),
    views: Annotated[int, typer.Option(help="of each object", min=1)] = 2,
    rounds: Annotated[int, typer.Option(min=2, max=len(TAUGHT))] = 5,
    steps: Annotated[int, typer.Option(help="of Adam in each round", min=1)] = 3000,
    seed: int = 0,
    work: Annotated[Path, typer.Option(help="for lessons and logs")] = Path("results/policy"),
    output: Annotated[Path | None, typer.Option(help="default: config/policies/student")] = None,
) -> None:
    """Plan grasps for seen objects, practise, learn, and write ONNX file and manifest."""
    folder = output or resource_path("config") / "policies" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    for name in hands.split(","):
        hand = HandModel.load(name.strip())
        lessons = planned(hand, OBJECTS[:objects], views, work / "lessons")

        def keep(
            student: Learner, log: Sequence[Round], hand: HandModel = hand,
            lessons: Sequence[Lesson] = tuple(lessons),
        ) -> None:  # fmt: skip
            write_log(log, work / f"{hand.name}.csv")
            write_policy(hand, student, folder, {"seed": seed, **facts(lessons, log, steps)})

        teach(hand, lessons, rounds, steps, seed, keep)


def planned(hand: HandModel, objects: Sequence[str], views: int, folder: Path) -> list[Lesson]:
    """Every view of every object for which grasps could be planned. Raises ConfigError: none."""
    wanted = [(name, view) for view in range(views) for name in objects]
    found = []
    with Progress() as progress:
        task = progress.add_task(f"{hand.name}: looking and planning", total=len(wanted))
        for name, view in wanted:
            found.append(lesson(hand, name, view, folder))
            progress.advance(task)
    lessons = [each for each in found if each is not None]
    if not lessons:
        raise ConfigError(f"no grasp of {hand.name} could be planned for any of {objects}")
    return lessons


@dataclass(frozen=True)
class Learner:
    """A network and the normalisation around it; call it as a `Student`."""

    network: Mlp
    mean: Array
    scale: Array
    offset: Array

    @classmethod
    def fresh(cls, hand: HandModel, records: Records, rng: np.random.Generator) -> Learner:
        """Untrained, it answers with the grasp's own joints."""
        floor = np.concatenate([np.full(s, LEAST_SCALE[unit]) for _, s, unit in layout(hand)])
        mean, scale = records.seen.mean(axis=0), np.maximum(records.seen.std(axis=0), floor)
        mean, scale = rounded(mean), rounded(scale)
        own = columns(hand)["grasp"]
        skip = np.zeros((len(mean), hand.joint_count))
        skip[own] = np.diag(scale[own])
        return cls(Mlp((len(mean), *HIDDEN, hand.joint_count), skip, rng), mean, scale, mean[own])

    def normalised(self, seen: Array) -> Array:
        """(n, D) float32 as the network gets them."""
        return np.clip((seen - self.mean) / self.scale, -CLIP, CLIP).astype(np.float32)

    def __call__(self, seen: Array) -> Array:
        """See `Student`."""
        return self.network(self.normalised(seen)) + self.offset


def teach(
    hand: HandModel,
    lessons: Sequence[Lesson],
    rounds: int,
    steps: int,
    seed: int,
    keep: Callable[[Learner, Sequence[Round]], None],
) -> None:
    """Practise and learn in turn; the last round is practice alone, of the student alone.

    keep: gets the student after every round, so that an interrupted training leaves its best.
    """
    raw, records, log = raw_manifest(hand), [], []
    learner: Learner | None = None
    with Progress() as progress:
        for index in range(rounds + 1):
            began = time.perf_counter()
            share = TAUGHT[index] if index < rounds else 0.0
            task = progress.add_task(f"{hand.name}: round {index}, practice", total=len(lessons))
            successes: dict[bool, list[bool]] = {True: [], False: []}
            for number, each in enumerate(lessons):
                rng = np.random.default_rng([seed, index, number])
                record, by_teacher, success = practise(hand, each, raw, learner, share, rng)
                records.append(record)
                for teaches in successes:
                    successes[teaches] += success[by_teacher == teaches].tolist()
                progress.advance(task)
            error = None
            if index < rounds:
                known = Records.joined(records)
                task = progress.add_task(f"{hand.name}: round {index}, learning", total=steps)
                learner, error = fitted(hand, learner, known, steps, [seed, index],
                                        lambda task=task: progress.advance(task))  # fmt: skip
            log.append(
                Round(hand.name, index, share_of(successes[True]), share_of(successes[False]),
                      sum(len(r.seen) for r in records), error, time.perf_counter() - began)
            )  # fmt: skip
            progress.console.print(told(log[-1]), highlight=False)
            assert learner is not None  # the first round ends with a fit
            keep(learner, log)


def fitted(
    hand: HandModel,
    learner: Learner | None,
    records: Records,
    steps: int,
    seed: list[int],
    advance: Callable[[], object],
) -> tuple[Learner, float]:
    """The learner trained on with all records, and its error [rad]."""
    rng = np.random.default_rng([*seed, 1])
    learner = learner or Learner.fresh(hand, records, rng)
    wanted = (records.wanted - learner.offset).astype(np.float32)
    inputs = learner.normalised(records.seen)
    loss = fit(learner.network, inputs, wanted, steps, rng, advance=advance)
    return learner, float(np.sqrt(loss))


def share_of(successes: Sequence[bool]) -> float | None:
    """None of none."""
    return float(np.mean(successes)) if successes else None


def told(line: Round) -> str:
    """A round in words."""
    words = [f"{line.hand} round {line.round}:"]
    for who in ("teacher", "student"):
        share = getattr(line, who)
        words += [] if share is None else [f"{who} lifts {100 * share:.0f} %,"]
    words += [] if line.error is None else [f"error {1e3 * line.error:.1f} mrad,"]
    return " ".join([*words, f"{line.samples} samples, {line.seconds:.0f} s"])


def layout(hand: HandModel) -> list[tuple[str, int, str]]:
    """Name, size and unit of what the student sees."""
    return [(name, TERMS[name].size(hand), TERMS[name].unit) for name in SEEN]


def columns(hand: HandModel) -> dict[str, slice]:
    """Where each term is in an observation."""
    edges = np.cumsum([0, *(size for _, size, _ in layout(hand))])
    return {name: slice(a, b) for name, a, b in zip(SEEN, edges, edges[1:], strict=False)}


def rounded(values: Array) -> Array:
    """With four digits, as the manifest has them."""
    return np.array([float(f"{value:.4g}") for value in values])


def raw_manifest(hand: HandModel) -> PolicyManifest:
    """What the student sees and does, without normalisation and without a model."""
    terms = [{"name": name, "size": size, "unit": unit} for name, size, unit in layout(hand)]
    return PolicyManifest.model_validate(
        {
            "model": f"{hand.name}.onnx",
            "sha256": "0" * 64,
            "hand": hand.name,
            "mode": "full",
            "phases": PHASES,
            "rate": RATE,
            "joints": hand.joint_names,
            "observation": {"terms": terms},
            "action": {
                "kind": "absolute",
                "unit": "rad",
                "lower": rounded(hand.joint_lower - BEYOND).tolist(),
                "upper": rounded(hand.joint_upper + BEYOND).tolist(),
            },
        }
    )


def write_policy(hand: HandModel, learner: Learner, folder: Path, training: dict) -> None:
    """ONNX file and manifest."""
    model = folder / f"{hand.name}.onnx"
    write_onnx(learner.network, model, f"{NAME}_{hand.name}")
    values = raw_manifest(hand).model_dump(mode="json")
    values["sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
    for term in values["observation"]["terms"]:
        own = columns(hand)[term["name"]]
        term |= {"mean": learner.mean[own].tolist(), "scale": learner.scale[own].tolist()}
        term["clip"] = CLIP
    values["action"]["offset"] = learner.offset.tolist()
    values["training"] = training
    PolicyManifest.model_validate(values)
    text = yaml.safe_dump(values, sort_keys=False, width=100, default_flow_style=None)
    (folder / f"{hand.name}.yaml").write_text(HEADER + text)


def write_log(log: Sequence[Round], path: Path) -> None:
    """One line for each round."""
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Round)])
        writer.writeheader()
        writer.writerows(asdict(line) for line in log)


def facts(lessons: Sequence[Lesson], log: Sequence[Round], steps: int) -> dict:
    """What the manifest tells of the training."""
    return {
        "objects": sorted({each.name for each in lessons}),
        "grasps": sum(len(each.grasps) for each in lessons),
        "fits": sum(line.error is not None for line in log),
        "steps": steps,
        "lifted_by_teacher": log[0].teacher,
        "lifted_by_student": [line.student for line in log[1:]],
    }


if __name__ == "__main__":
    typer.run(run)
