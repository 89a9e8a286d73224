"""Every figure of grasp synthesis that issue 4 asks for: `python benchmarks/synthesis.py --help`.

All parts with the defaults are meant for 35 minutes on two quiet cores. What the nodes use is
measured by `--parts views --method optimize --check lift`; sections of other methods and objects
stay side by side in the file.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from synthesis_diversity import diversity
from synthesis_judge import Setup, Thing, tell
from synthesis_regions import regions
from synthesis_report import save, show
from synthesis_sheets import sheets
from synthesis_views import views
from synthesis_whole import first, whole

from dexgrasp.errors import ConfigError
from dexgrasp.hands import hand_names
from dexgrasp.objects import object_names

SHARED = Path(os.environ.get("DEXGRASP_SHARED", Path(__file__).parents[2] / "shared")) / "data"
PARTS = {
    "first": first,
    "whole": whole,
    "views": views,
    "regions": regions,
    "diversity": diversity,
    "sheets": sheets,
}
HALVES = {"develop": slice(0, None, 2), "report": slice(1, None, 2), "all": slice(None)}


def run(
    parts: Annotated[str, typer.Option(help=f"of {', '.join(PARTS)}")] = ",".join(PARTS),
    hands: Annotated[str, typer.Option(help="names, with commas")] = ",".join(hand_names()),
    objects: Annotated[str, typer.Option(help="ycb (the meshes) or catalogue")] = "ycb",
    meshes: Annotated[Path, typer.Option(help="folder of meshes with index.json")] = SHARED
    / "ycb_meshes",
    half: Annotated[str, typer.Option(help="develop, report (odd ones) or all")] = "report",
    only: Annotated[str, typer.Option(help="of these objects, names with commas")] = "",
    count: Annotated[int, typer.Option(help="whole: grasps asked for on each object")] = 40,
    judged: Annotated[int, typer.Option(help="whole: of which so many are judged")] = 20,
    angles: Annotated[int, typer.Option(help="views: of each object")] = 2,
    method: Annotated[str, typer.Option(help="generator")] = "search",
    check: Annotated[str, typer.Option(help="shake, or lift as the nodes have it")] = "shake",
    seed: Annotated[int, typer.Option()] = 1,
    output: Annotated[Path, typer.Option(help="file for the figures")] = Path(
        "results/synthesis.json"
    ),
) -> None:
    """Cost, validity, first grasp, single views, regions, diversity and pictures."""
    os.environ.setdefault("MUJOCO_GL", "egl")
    chosen = listed(parts, list(PARTS), "--parts")
    everything = things(objects, meshes)
    measured = picked(everything, half, only)
    setup = Setup(tuple(listed(hands, hand_names(), "--hands")), tuple(measured), method, check,
                  positive("--count", count), positive("--judged", judged),
                  positive("--angles", angles), seed)  # fmt: skip
    for part in chosen:
        if part == "sheets":
            output.parent.mkdir(parents=True, exist_ok=True)
            # People look at all objects: nothing is tuned by that.
            shown = measured if only else everything
            section = sheets(replace(setup, things=tuple(shown)), output.parent)
        else:
            section = PARTS[part](setup)
        name = " ".join([part, method, check, objects, only or half])
        save(output, name, options(setup), section)
        show(name, section)
    tell(f"written: {output}")


def options(setup: Setup) -> dict[str, Any]:
    """What a section was measured with, for the file."""
    return asdict(setup) | {"things": [thing.name for thing in setup.things]}


def things(objects: str, meshes: Path) -> list[Thing]:
    """The objects of a choice, sorted by name. Raises ConfigError."""
    if objects == "catalogue":
        return [Thing(name, name) for name in object_names()]
    if objects != "ycb":
        raise ConfigError(f"--objects is {objects!r}; known: ycb, catalogue")
    index = meshes / "index.json"
    if not index.exists():
        raise ConfigError(f"no {index}; give --meshes, or DEXGRASP_SHARED")
    facts = json.loads(index.read_text())
    return [
        Thing(name, str(meshes / f"{name}.obj"), facts[name]["published_mass_kg"])
        for name in sorted(facts)
    ]


def picked(everything: list[Thing], half: str, only: str) -> list[Thing]:
    """Every other object, or those that are named. Raises ConfigError."""
    if half not in HALVES:
        raise ConfigError(f"--half is {half!r}; known: {', '.join(HALVES)}")
    if not only:
        return everything[HALVES[half]]
    names = listed(only, [thing.name for thing in everything], "--only")
    return [thing for thing in everything if thing.name in names]


def listed(text: str, known: list[str], option: str) -> list[str]:
    """Names with commas. Raises ConfigError for one that is not known."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ConfigError(f"{option} is {text!r}; known: {', '.join(known)}")
    return names


def positive(option: str, value: int) -> int:
    """The value. Raises ConfigError below 1."""
    if value < 1:
        raise ConfigError(f"{option} is {value}; it must be at least 1")
    return value


if __name__ == "__main__":
    typer.run(run)
