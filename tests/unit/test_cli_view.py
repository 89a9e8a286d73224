"""`dexgrasp view`: rows, contact sheets without a browser, and a real server."""

from __future__ import annotations

import importlib.util
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dexgrasp.cli import app
from dexgrasp.cli.view_run import chosen, free_port
from dexgrasp.datasets import GraspTable, write_grasps
from dexgrasp.datasets.stream import grasp_table
from dexgrasp.errors import BackendError, ConfigError, DexgraspError
from dexgrasp.evaluation.batch.pictures import PICTURE_SIZE
from dexgrasp.hands import HandModel
from dexgrasp.types import GraspSet

HAND = HandModel.load("allegro_right")
needs_viser = pytest.mark.skipif(
    importlib.util.find_spec("viser") is None, reason="viser is not installed"
)


def run(*arguments: object) -> None:
    app([*map(str, arguments)], standalone_mode=False)


def table_of(n: int, squeeze: float = 0.0) -> GraspTable:
    """The hand above a can, a little higher each time."""
    T = np.tile(np.diag([1.0, -1.0, -1.0, 1.0]) @ np.linalg.inv(HAND.T_palm_grasp), (n, 1, 1))
    T[:, 2, 3] += 0.16 + 0.01 * np.arange(n)
    q = np.tile(HAND.postures["open"], (n, 1))
    closed = HAND.clip(q + 0.2)
    none = np.full((n, len(HAND.finger_names), 3), np.nan)
    down = np.tile([0.0, 0.0, -1.0], (n, 1))
    squeezed = np.full_like(q, squeeze) if np.isnan(squeeze) else HAND.clip(q + 0.3)
    grasps = GraspSet(
        HAND.name, "can", T, down, q, closed, squeezed, none, none, np.ones(n), ("power",) * n, ""
    )
    return grasp_table(grasps, "tomato_soup_can")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("view") / "grasps.npz"
    write_grasps(table_of(6), path)
    return path


def test_rows_are_numbers_and_ranges() -> None:
    table = table_of(8)
    assert chosen(table, "5,0-2").row.tolist() == [5, 0, 1, 2]
    assert len(chosen(table, "")) == 8
    for wrong in ("x", "-1", "3-", "8", "2-1", "1;2"):
        with pytest.raises(ConfigError, match="rows"):
            chosen(table, wrong)


def test_a_contact_sheet_shows_the_chosen_grasps(file: Path, tmp_path: Path, capsys) -> None:
    run("view", file, "--png", tmp_path / "sheet.png", "--rows", "0,2-5")
    assert "5 of 5 grasps" in capsys.readouterr().out
    sheet = np.asarray(Image.open(tmp_path / "sheet.png")).astype(int)
    assert sheet.shape == (2 * PICTURE_SIZE, 4 * PICTURE_SIZE, 3)
    first, second = (sheet[:PICTURE_SIZE, k : k + PICTURE_SIZE] for k in (0, PICTURE_SIZE))
    orange = (first[..., 0] - first[..., 2] > 80).sum()
    assert orange > 500  # the object
    assert (first.max(axis=2) < 110).sum() > 500  # the hand
    assert np.abs(first - second).max() > 50
    run("view", file, "--png", tmp_path / "one.png", "--rows", "1")
    assert Image.open(tmp_path / "one.png").size == (PICTURE_SIZE, PICTURE_SIZE)


def test_faults_are_errors(file: Path, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(DexgraspError, match="0 to 5"):
        run("view", file, "--rows", "9")
    with pytest.raises(DexgraspError, match="does not exist"):
        run("view", file, "--png", tmp_path / "missing" / "x.png")
    with pytest.raises(DexgraspError, match="no mesh of 'tomato_soup_can'"):
        run("view", file, "--png", tmp_path / "x.png", "--meshes", tmp_path)
    monkeypatch.setitem(sys.modules, "viser", None)
    monkeypatch.delitem(sys.modules, "dexgrasp.cli.viewer", raising=False)
    with pytest.raises(BackendError, match="--png"):
        run("view", file, "--port", "0")


def test_a_taken_port_is_refused() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        with pytest.raises(BackendError, match="--port"):
            free_port("127.0.0.1", busy.getsockname()[1])


@pytest.fixture
def server(file: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a user starts it, and its address."""
    command = [sys.executable, "-m", "dexgrasp", "view", str(file), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    deadline, address = time.monotonic() + 60.0, None
    while address is None and time.monotonic() < deadline:
        line = process.stdout.readline()
        address = re.search(r"6 grasps at (http://127\.0\.0\.1:\d+)", line)
        if not line and process.poll() is not None:
            break
    try:
        assert address is not None, "the server gave no address"
        yield process, address[1]
    finally:
        process.kill()
        process.wait()


@needs_viser
def test_the_server_gives_its_page_and_ends_with_an_interruption(server) -> None:
    process, address = server
    with urllib.request.urlopen(address, timeout=20) as answer:
        assert answer.status == 200
        assert b"<title>Viser" in answer.read()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0


@needs_viser
def test_controls_change_what_is_shown() -> None:
    from dexgrasp.cli.viewer import Viewer

    table = table_of(3, squeeze=np.nan)
    with Viewer(table, (), "127.0.0.1", free_port("127.0.0.1", 0)) as viewer:
        tip = HAND.distal_links[0]
        for row, posture in ((2, "pregrasp"), (1, "grasp")):
            viewer.show(row, posture)
            np.testing.assert_allclose(viewer._palm.position, table.T_object_palm[row, :3, 3])
            expected = HAND.forward(getattr(table, posture)[row][None])[0, tip, :3, 3]
            np.testing.assert_allclose(viewer._links[tip].position, expected, atol=1e-6)
            assert "has no" not in viewer.words.content
        viewer.show(1, "squeeze")
        assert "the file has no squeeze" in viewer.words.content
        np.testing.assert_allclose(viewer._links[tip].position, expected, atol=1e-6)
        assert viewer._contacts
        viewer.contacts.value = False
        viewer.show(1, "grasp")
        assert not viewer._contacts
