"""What `dexgrasp synthesize` does: read, synthesise in batches, write, tell."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from dexgrasp.datasets import GraspTable, concatenate, read_grasps, write_grasps
from dexgrasp.datasets.stream import grasp_stream, grasp_table
from dexgrasp.errors import ConfigError, GraspError
from dexgrasp.evaluation.batch.pictures import save_contact_sheet
from dexgrasp.evaluation.report import machine_line
from dexgrasp.geometry import inverse, transform_points
from dexgrasp.hands import HandModel
from dexgrasp.synthesis import Condition, make_synthesizer
from dexgrasp.synthesis.batches import BATCH, IDLE, batches
from dexgrasp.synthesis.contact_maps import contact_map_of, write_contact_map
from dexgrasp.synthesis.mask import mask_region, named_region, placed_contact_map
from dexgrasp.synthesis.source import GraspTarget, floating, read_target
from dexgrasp.types import Array, GraspSet

COLLECTED = 10_000  # grasps that are kept in memory and sorted; more are streamed to Parquet
SHOWN = 8  # grasps on the picture


@dataclass(frozen=True)
class Request:
    """The options of `dexgrasp synthesize`."""

    source: str
    hand: str
    out: Path
    count: int = 20
    seed: int = 0
    method: str = "search"
    region: str = ""
    region_mask: Path | None = None
    region_radius: float = 0.01
    grasp_types: str = ""
    touch: str = ""
    contact_map: Path | None = None
    contacts: Path | None = None
    approach: str = ""
    scale: float = 1.0
    mass: float = 0.0
    view_point: str = ""
    table: float | None = None
    floating: bool = False
    pictures: Path | None = None


@dataclass
class Tally:
    """What has been found so far.

    inside: contacts within the asked region, of `contacts`.  seconds: wall clock of synthesis
    alone [s]; first: until the first batch [s].
    """

    kinds: Counter[str] = field(default_factory=Counter)
    low: float = np.inf
    high: float = -np.inf
    contacts: int = 0
    inside: int = 0
    seconds: float = 0.0
    first: float = np.nan
    interrupted: bool = False

    @property
    def count(self) -> int:
        """Grasps."""
        return sum(self.kinds.values())

    def take(self, grasps: GraspSet, points_inside: Array | None) -> None:
        """Count a batch. points_inside: (k,) bool of its contacts, if a region is asked for."""
        self.kinds.update(grasps.kind)
        self.low = min(self.low, float(grasps.score.min()))
        self.high = max(self.high, float(grasps.score.max()))
        if points_inside is not None:
            self.contacts += len(points_inside)
            self.inside += int(points_inside.sum())


def run_synthesis(request: Request) -> None:
    """Synthesise and write. Raises ConfigError, UnknownNameError, MeshError, SceneError,
    GraspError, NoGraspError.
    """
    check(request)
    os.environ.setdefault("MUJOCO_GL", "egl")
    hand, start = HandModel.load(request.hand), time.perf_counter()
    target = read_target(
        request.source,
        request.scale,
        request.mass or None,
        vector("--view-point", request.view_point),
        request.table,
    )
    target = floating(target) if request.floating else target
    condition = condition_of(request, target)
    condition.grasp_types(hand)  # refuses unknown ones before anything is computed
    _ = target.geometry.model.sdf, target.geometry.model.pieces
    prepared = time.perf_counter() - start
    name = request.source if not target.completed else str(save_completed(target, request.out))
    tally = Tally()
    found = found_grasps(request, hand, target, condition, tally)
    if request.count > COLLECTED:
        stream_file(found, target, name, request.out)
    else:
        tables = [(0, grasp_table(grasps, name, file_scale(target))) for grasps in found]
        if tables:
            write_grasps(sorted_by_score(tables, name), request.out)
    if not tally.count:
        raise GraspError("interrupted before the first grasp; nothing is written")
    tell(request, target, tally, prepared)
    if request.contacts is not None:
        table = read_grasps(request.out, hand)
        found_at = contact_map_of(hand, target.original, table.T_object_palm, table.grasp)
        write_contact_map(found_at, request.contacts)
        typer.echo(f"contacts: {request.contacts}")
    if request.pictures is not None:
        save_contact_sheet(read_grasps(request.out, hand), (), request.pictures, SHOWN)
        typer.echo(f"pictures: {request.pictures}")


def check(request: Request) -> None:
    """Raises ConfigError or GraspError for options that no object can change."""
    if request.count < 1:
        raise ConfigError(f"--count is {request.count}; at least one grasp must be asked for")
    if request.out.suffix not in (".npz", ".parquet"):
        raise GraspError(f"{request.out}: grasps are written as .npz or .parquet")
    if request.count > COLLECTED and request.out.suffix != ".parquet":
        raise GraspError(f"more than {COLLECTED} grasps are streamed: give --out FILE.parquet")
    if request.region and request.region_mask is not None:
        raise ConfigError("--region and --region-mask were given; a grasp has one region")
    if request.contacts is not None and request.contacts.suffix != ".npz":
        raise ConfigError(f"{request.contacts}: contact maps are written as .npz")
    if request.contacts is not None and request.count > COLLECTED:
        raise ConfigError(f"--contacts is for at most {COLLECTED} grasps; --count is less then")
    for file in (request.out, request.contacts, request.pictures):
        if file is not None and not file.parent.is_dir():
            raise ConfigError(f"the folder {file.parent} does not exist")


def vector(option: str, text: str) -> Array | None:
    """(3,) of `x,y,z`, None for nothing. Raises ConfigError."""
    if not text:
        return None
    try:
        values = np.array([float(part) for part in text.split(",")])
    except ValueError as error:
        raise ConfigError(f"{option} is {text!r}; give three numbers x,y,z") from error
    if values.shape != (3,) or not np.isfinite(values).all():
        raise ConfigError(f"{option} is {text!r}; give three finite numbers x,y,z")
    return values


def condition_of(request: Request, target: GraspTarget) -> Condition:
    """The wishes in the frame of the target's geometry. Raises what reading them raises."""
    types = tuple(name.strip() for name in request.grasp_types.split(",") if name.strip())
    region = None
    if request.region:
        region = named_region(target, request.region)
    elif request.region_mask is not None:
        region = mask_region(target, request.source, request.region_mask, request.region_radius)
    approach = vector("--approach", request.approach)
    if approach is not None:
        length = float(np.linalg.norm(approach))
        if length < 1e-9:
            raise ConfigError("--approach is 0,0,0; give a direction")
        approach = target.T_file_object[:3, :3].T @ approach / length
    contacts = None
    if request.contact_map is not None:
        contacts = placed_contact_map(target, request.contact_map)
    touch = touch_codes(request.touch)
    return Condition(types, region, approach, touch=touch, contacts=contacts)


def touch_codes(text: str) -> dict[str, bool]:
    """Finger -> whether it shall touch, of `index,!ring`. Raises ConfigError for both at once."""
    codes: dict[str, bool] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        finger, touches = word.removeprefix("!"), not word.startswith("!")
        if codes.setdefault(finger, touches) != touches:
            raise ConfigError(f"--touch {text!r} asks for {finger} to touch and not to touch")
    return codes


def found_grasps(
    request: Request, hand: HandModel, target: GraspTarget, condition: Condition, tally: Tally
) -> Iterator[GraspSet]:
    """Batches in the file's frame, counted in `tally`; Ctrl-C ends them and keeps the rest."""
    synthesizer = make_synthesizer(request.method, check="shake")
    geometry = target.geometry
    T_object_world = inverse(geometry.T_world_object)
    found = batches(synthesizer, hand, geometry, request.count, request.seed, condition)
    while True:
        start = time.perf_counter()
        try:
            grasps = next(found, None)
        except KeyboardInterrupt:
            tally.interrupted, grasps = True, None
        tally.seconds += time.perf_counter() - start
        if grasps is None:
            return
        tally.first = tally.seconds if np.isnan(tally.first) else tally.first
        inside = None
        if condition.somewhere:
            inside = contacts_inside(hand, grasps, condition, T_object_world)
        tally.take(grasps, inside)
        if request.count > BATCH:
            typer.echo(f"{tally.count} of {request.count} grasps", err=True)
        yield target.in_file(grasps)


def contacts_inside(
    hand: HandModel, grasps: GraspSet, condition: Condition, T_object_world: Array
) -> Array:
    """(k,) bool of the grasps' contacts: those that are where they are asked for."""
    inside = []
    for f, finger in enumerate(hand.finger_names):
        rows = np.isfinite(grasps.contact_points[:, f, 0])
        points = transform_points(T_object_world, grasps.contact_points[rows, f])
        normals = -grasps.contact_normals[rows, f] @ T_object_world[:3, :3].T
        inside.append(condition.wanted(points, normals, finger))
    return np.concatenate(inside)


def file_scale(target: GraspTarget) -> float:
    """Factor on the mesh that the grasps name; a completed shape is saved in metres."""
    return 1.0 if target.completed else target.scale


def save_completed(target: GraspTarget, out: Path) -> Path:
    """The completed shape in the cloud's frame, beside `out`, so that grasps can be shown."""
    file = out.with_name(f"{out.stem}_object.ply")
    target.original.mesh.export(file)
    return file


def sorted_by_score(tables: list[tuple[int, GraspTable]], name: str) -> GraspTable:
    """One table of all batches, best first."""
    table = concatenate(tables, [], name)
    return table[np.argsort(-table.score, kind="stable")]


def stream_file(found: Iterator[GraspSet], target: GraspTarget, name: str, out: Path) -> None:
    """Every batch to disk before the next is made."""
    with grasp_stream(out) as write:
        for grasps in found:
            write(grasp_table(grasps, name, file_scale(target)), {})


def tell(request: Request, target: GraspTarget, tally: Tally, prepared: float) -> None:
    """Print kinds, scores, times and the machine, and why there are fewer than asked for."""
    table = Table(title=f"{tally.count} grasps of {request.hand} on {target.name}")
    table.add_column("grasp type")
    table.add_column("count", justify="right")
    for kind, number in tally.kinds.most_common():
        table.add_row(kind, str(number))
    Console().print(table)
    typer.echo(f"score: {tally.low:.2f} to {tally.high:.2f}")
    if tally.contacts:
        share = tally.inside / tally.contacts
        typer.echo(f"contacts where asked: {share:.0%} of {tally.contacts}")
    typer.echo(
        f"time: object prepared in {prepared:.2f} s; first batch after {tally.first:.2f} s, all "
        f"in {tally.seconds:.2f} s, {tally.seconds / tally.count:.3f} s a grasp"
    )
    typer.echo(f"machine: {machine_line()}")
    if tally.interrupted:
        typer.echo("interrupted: what was found is written")
    elif tally.count < request.count:
        typer.echo(
            f"{tally.count} of {request.count} grasps: {IDLE} seeds in a row brought nothing new"
        )
    if target.completed:
        typer.echo("assumed: z up, one object; the unseen side is inferred")
    typer.echo(f"written: {request.out}")
