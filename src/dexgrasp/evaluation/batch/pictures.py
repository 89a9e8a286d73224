"""Pictures of some of a run's grasps, for the contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from dexgrasp.datasets import GraspTable
from dexgrasp.evaluation.batch.evaluate import Plan, object_source
from dexgrasp.evaluation.batch.shards import load_source
from dexgrasp.evaluation.intention import release_renderer, render_grasp
from dexgrasp.evaluation.records import GraspRecord
from dexgrasp.hands import HandModel
from dexgrasp.objects import ObjectModel, load_object

FOLDER = "pictures"
PICTURE_SIZE = 256  # [px]
VIEWS = 1
SHEET_COLUMNS = 4


def picture_rows(records: Sequence[GraspRecord], count: int) -> list[int]:
    """Rows to picture: a third that went worst, the rest spread evenly over the run."""
    nominal = [record for record in records if record.replicate == 0]
    worst = sorted(nominal, key=lambda r: -np.nan_to_num(r.penetration_depth, nan=-1.0))
    rows = [record.row for record in worst[: count // 3]]
    rest = [record.row for record in nominal if record.row not in rows]
    spread = np.linspace(0, len(rest) - 1, min(count - len(rows), len(rest))).astype(int)
    return sorted(rows + [rest[i] for i in spread])


def save_pictures(plan: Plan, rows: Sequence[int], folder: Path, hand_name: str) -> dict[int, str]:
    """Render the grasps at `rows` into PNG files; their paths relative to `folder` by row.

    Pictures that are there already are kept. Raises JudgeError without off-screen OpenGL.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    hand = HandModel.load(hand_name)
    wanted, pictures = set(rows), {}
    for shard in plan.shards:
        for i, row in enumerate(shard.rows.tolist()):
            if row in wanted and row not in pictures:
                pictures[row] = f"{FOLDER}/{row:06d}.png"
                file = folder / pictures[row]
                if not file.exists():
                    model = load_source(shard.object)
                    pose = shard.T_object_palm[i]
                    views = render_grasp(hand, shard.grasp[i], pose, model, VIEWS, PICTURE_SIZE)
                    Image.fromarray(views[0]).save(file, optimize=True)
    release_renderer()
    return pictures


@lru_cache(maxsize=4)
def pictured_object(name: str, scale: float, meshes: tuple[Path, ...]) -> ObjectModel:
    """The object of a grasp file's row, without what only physics needs. Raises MeshError."""
    source = object_source(name, scale, meshes)
    return load_object(source.mesh, mass=source.mass, scale=scale)


def save_contact_sheet(
    table: GraspTable, meshes: Sequence[Path], file: Path, count: int = SHEET_COLUMNS * 2
) -> None:
    """The first grasps of a table as one picture, to see whether frames and joints are right.

    Raises MeshError for an object without a mesh, JudgeError without off-screen OpenGL.
    """
    hand, first = HandModel.load(table.hand), table[:count]
    columns = min(len(first), SHEET_COLUMNS)
    rows = -(-len(first) // SHEET_COLUMNS)
    size = (columns * PICTURE_SIZE, rows * PICTURE_SIZE)
    sheet = Image.new("RGB", size, "white")
    for i, name in enumerate(first.objects):
        model = pictured_object(name, float(first.scale[i]), tuple(meshes))
        pose = first.T_object_palm[i]
        view = render_grasp(hand, first.grasp[i], pose, model, VIEWS, PICTURE_SIZE)[0]
        place = (i % SHEET_COLUMNS * PICTURE_SIZE, i // SHEET_COLUMNS * PICTURE_SIZE)
        sheet.paste(Image.fromarray(view), place)
    release_renderer()
    sheet.save(file, optimize=True)
