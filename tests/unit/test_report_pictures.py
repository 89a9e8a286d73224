"""The film of a trial, read back from its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from dexgrasp.evaluation.pictures import GAP, MAX_GIF_FRAMES, TrialFilm

WIDTH, HEIGHT = 64, 48
PHASES = ("APPROACH", "FULL_GRASP", "LIFT", "HOLD")


def make_film(phases: tuple[str, ...] = PHASES, frames_per_phase: int = 3) -> TrialFilm:
    """Each phase has its own grey, so a picture tells its phase."""
    film = TrialFilm()
    for index in range(len(phases) * frames_per_phase):
        phase = index // frames_per_phase
        picture = np.full((HEIGHT, WIDTH, 3), 40 * (phase + 1), np.uint8)
        picture[0, index % WIDTH] = 255  # no two frames equal: GIF writers merge equal ones
        film.add(picture, 0.1 * index, phases[phase])
    return film


def test_the_still_shows_full_grasp_and_lift(tmp_path: Path) -> None:
    make_film().save_still(tmp_path / "still.png")
    picture = np.asarray(Image.open(tmp_path / "still.png").convert("RGB"))
    assert picture.shape == (HEIGHT, 2 * WIDTH + GAP, 3)
    assert picture[10, 10, 0] == 80  # FULL_GRASP
    assert picture[10, WIDTH + GAP + 10, 0] == 160  # the last of LIFT and HOLD


def test_a_trial_that_fails_early_shows_its_last_frame(tmp_path: Path) -> None:
    film = make_film(("APPROACH", "COVER"))
    assert [frame.phase for frame in film.stills()] == ["COVER"]
    film.save_still(tmp_path / "still.png")
    assert Image.open(tmp_path / "still.png").size == (WIDTH, HEIGHT)


def test_the_animation_runs_in_real_time(tmp_path: Path) -> None:
    film = make_film()
    film.save_animation(tmp_path / "trial.gif")
    with Image.open(tmp_path / "trial.gif") as gif:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
    assert len(durations) == len(film.frames)
    assert durations[:-1] == [100] * (len(film.frames) - 1)


def test_a_long_film_keeps_its_duration_in_fewer_frames(tmp_path: Path) -> None:
    film = make_film(frames_per_phase=60)
    film.save_animation(tmp_path / "trial.gif")
    with Image.open(tmp_path / "trial.gif") as gif:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
    assert len(durations) <= MAX_GIF_FRAMES
    assert sum(durations[:-1]) == pytest.approx(1000 * film.frames[-1].time, abs=200)


def test_an_empty_film_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frames"):
        TrialFilm().save_still(tmp_path / "still.png")
    with pytest.raises(ValueError, match="no frames"):
        TrialFilm().save_animation(tmp_path / "trial.gif")


def test_wrong_pictures_are_refused() -> None:
    film = make_film()
    with pytest.raises(ValueError, match="uint8"):
        film.add(np.zeros((HEIGHT, WIDTH, 3)), 9.0, "HOLD")
    with pytest.raises(ValueError, match="does not fit"):
        film.add(np.zeros((HEIGHT, WIDTH + 1, 3), np.uint8), 9.0, "HOLD")


def test_frames_are_copies() -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    film = TrialFilm()
    film.add(picture, 0.0, "APPROACH")
    picture[:] = 9
    assert film.frames[0].picture.max() == 0
