"""Contact sheets: the best grasps of every object, for a person to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from synthesis_judge import Job, Setup, loaded_hand, tell, timed, verdicts, warm_up
from synthesis_report import Section

from dexgrasp.evaluation.intention import release_renderer, render_grasp
from dexgrasp.synthesis.source import mesh_target
from dexgrasp.types import Array

SHOWN = 3  # best grasps of each object
OBJECTS_ACROSS = 2
SIZE = 256  # [px] of a picture
ASKED = 20  # grasps of each object, as a user may ask for
FONT_SIZE = 14
GOOD, BAD = (20, 110, 40), (190, 30, 30)


def sheets(setup: Setup, folder: Path) -> Section:
    """A PNG for each hand in `folder`; captions say the kind, the score and the judge's verdict."""
    rows: list[dict[str, Any]] = []
    for name in setup.hands:
        hand = loaded_hand(name)
        warm_up(setup, hand)
        jobs = []
        for thing in setup.things:
            target = mesh_target(thing.name, thing.load())
            found = timed(setup.synthesizer(), hand, target.geometry, ASKED, setup.seed)
            tell(f"sheets: {name} {thing.name} {found.words}")
            if found.grasps is not None:
                jobs.append(Job(name, thing, target.in_file(found.grasps)[:SHOWN]))
        tiles = {}
        for job, verdict in zip(jobs, verdicts(jobs, "sheets"), strict=True):
            model = job.thing.load()
            pictures = [
                _captioned(
                    render_grasp(hand, g.grasp[0], g.T_frame_palm[0], model, 1, SIZE)[0],
                    f"{job.thing.name}\n{g.kind[0]} {g.score[0]:.2f}",
                    bool(valid),
                )
                for g, valid in ((job.grasps[k], v) for k, v in enumerate(verdict.valid))
            ]
            tiles[job.thing.name] = pictures
            rows.append({"hand": name, "object": job.thing.name, "shown": len(pictures)}
                        | {"valid": int(verdict.valid.sum())})  # fmt: skip
        release_renderer()
        file = folder / f"synthesis_{setup.method}_{name}.png"
        _sheet([tiles.get(thing.name, []) for thing in setup.things]).save(file, optimize=True)
        tell(f"sheets: {file}")
    return Section(rows, [], ("hand", "object", "shown", "valid"))


def _captioned(picture: Array, words: str, valid: bool) -> Image.Image:
    """The picture with words in green if the grasp is valid, in red if not."""
    image = Image.fromarray(picture)
    font = ImageFont.load_default(FONT_SIZE)
    ImageDraw.Draw(image).text((6, 4), words, fill=GOOD if valid else BAD, font=font)
    return image


def _sheet(objects: list[list[Image.Image]]) -> Image.Image:
    """SHOWN pictures side by side for each object; the place of missing ones stays white."""
    down = int(np.ceil(len(objects) / OBJECTS_ACROSS))
    sheet = Image.new("RGB", (OBJECTS_ACROSS * SHOWN * SIZE, down * SIZE), "white")
    for k, pictures in enumerate(objects):
        left, top = k % OBJECTS_ACROSS * SHOWN, k // OBJECTS_ACROSS
        for column, picture in enumerate(pictures):
            sheet.paste(picture, ((left + column) * SIZE, top * SIZE))
    return sheet
