"""The film of a trial: a still of the grasp as PNG and the whole trial as GIF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dexgrasp.types import Array

STILL_PHASES = (("FULL_GRASP",), ("LIFT", "HOLD"))
MAX_GIF_FRAMES = 150
PALETTE_SAMPLES = 6
GIF_COLORS = 256
GAP = 6  # [px] between stills
HOLD_LAST_FRAME = 1.0  # [s], so that the end is seen before the loop restarts
MARGIN = 12
FONT_SIZE = 18


@dataclass(frozen=True)
class FilmFrame:
    """A picture (h, w, 3) uint8, the simulation time [s] and the phase it shows."""

    picture: Array
    time: float
    phase: str


class TrialFilm:
    """Collects the frames of one trial. Frames of another size or time order are refused."""

    def __init__(self) -> None:
        self.frames: list[FilmFrame] = []

    def add(self, picture: Array, time: float, phase: str) -> None:
        """Keep a copy of `picture` (h, w, 3) uint8. Raises ValueError on another shape."""
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"a frame is (h, w, 3) uint8, not {picture.shape} {picture.dtype}")
        if self.frames and picture.shape != self.frames[0].picture.shape:
            raise ValueError(
                f"a frame of {picture.shape} does not fit a film of {self.frames[0].picture.shape}"
            )
        self.frames.append(FilmFrame(picture.copy(), time, phase))

    def stills(self) -> list[FilmFrame]:
        """The moments of full grasp and of the lift; the last frame if neither was reached."""
        moments = [self._last_of(phases) for phases in STILL_PHASES]
        return [frame for frame in moments if frame is not None] or self.frames[-1:]

    def _last_of(self, phases: tuple[str, ...]) -> FilmFrame | None:
        return next((f for f in reversed(self.frames) if f.phase in phases), None)

    def save_still(self, path: Path) -> None:
        """Write the stills side by side as PNG. Raises ValueError when the film is empty."""
        self._require_frames()
        pictures = [self._captioned(frame) for frame in self.stills()]
        width, height = pictures[0].size
        strip = Image.new("RGB", (len(pictures) * (width + GAP) - GAP, height), "white")
        for index, picture in enumerate(pictures):
            strip.paste(picture, (index * (width + GAP), 0))
        strip.save(path, optimize=True)

    def save_animation(self, path: Path) -> None:
        """Write the film as a looping GIF in real time. Raises ValueError when it is empty."""
        self._require_frames()
        stride = -(-len(self.frames) // MAX_GIF_FRAMES)
        frames = self.frames[::stride]
        pictures = [self._captioned(frame) for frame in frames]
        palette = _common_palette(pictures)
        indexed = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
        indexed[0].save(
            path,
            save_all=True,
            append_images=indexed[1:],
            duration=_durations([frame.time for frame in frames]),
            loop=0,
            optimize=False,
        )

    def _require_frames(self) -> None:
        if not self.frames:
            raise ValueError("the film has no frames: was the overview camera running?")

    def _captioned(self, frame: FilmFrame) -> Image.Image:
        image = Image.fromarray(frame.picture)
        draw = ImageDraw.Draw(image)
        words = f"{frame.phase.replace('_', ' ').lower()}  {frame.time - self.frames[0].time:.1f} s"
        draw.text(
            (MARGIN, image.height - MARGIN),
            words,
            font=ImageFont.load_default(FONT_SIZE),
            anchor="ld",
            fill=(255, 255, 255),
            stroke_width=2,
            stroke_fill=(30, 34, 38),
        )
        return image


def _durations(times: list[float]) -> list[int]:
    """How long each frame shows [ms]: the simulated time until the next, 20 ms at least."""
    steps = [max(20, round(1000 * step)) for step in np.diff(times)]
    return [*steps, round(1000 * HOLD_LAST_FRAME)]


def _common_palette(pictures: list[Image.Image]) -> Image.Image:
    """One palette for the whole film, so that colours do not flicker from frame to frame."""
    picks = np.linspace(0, len(pictures) - 1, min(PALETTE_SAMPLES, len(pictures))).astype(int)
    sheet = np.concatenate([np.asarray(pictures[i]) for i in picks])
    return Image.fromarray(sheet).quantize(GIF_COLORS, method=Image.Quantize.MAXCOVERAGE)
