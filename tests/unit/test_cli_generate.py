"""`dexgrasp generate`: shards with verdicts, kept when finished, begun again when not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import trimesh

from dexgrasp.cli import app
from dexgrasp.datasets import read_grasps
from dexgrasp.errors import ConfigError, DexgraspError
from dexgrasp.evaluation.batch.generation import verdict_columns
from dexgrasp.evaluation.plausibility import plausibilities
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.types import GraspSet

HAND = HandModel.load("allegro_right")
COUNT = 4
COLUMNS = {"kind", "valid_06", "valid_03", "depth", "self_depth", "contacts", "q1", "valid"}


def run(meshes: Path, out: Path, *more: object) -> None:
    arguments = ["generate", "--hand", HAND.name, "--meshes", meshes, "--out", out]
    arguments += ["--count", COUNT, "--processes", 1, *more]
    app([*map(str, arguments)], standalone_mode=False)


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("meshes")
    trimesh.creation.cylinder(0.033, 0.1, sections=48).export(folder / "tin.obj")
    trimesh.creation.box((0.9, 0.1, 0.1)).export(folder / "beam.obj")
    return folder


@pytest.fixture(scope="module")
def finished(meshes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "set"
    run(meshes, out)
    return out


def shards(out: Path) -> dict:
    return json.loads((out / "index.json").read_text())["shards"]


def test_a_shard_holds_grasps_and_their_verdicts(finished: Path, meshes: Path) -> None:
    file = finished / HAND.name / "tin.parquet"
    rows = pq.read_table(file)
    assert set(rows.column_names) >= COLUMNS
    table, model = read_grasps(file, HAND), load_object(meshes / "tin.obj")
    assert 0 < len(table) <= COUNT
    judged = plausibilities(HAND, table.grasp, table.T_object_palm, model)
    depth = [p.penetration_depth for p in judged]
    np.testing.assert_allclose(rows["depth"].to_numpy(), depth, atol=1e-6)
    assert rows["contacts"].to_pylist() == [p.contact_count for p in judged]
    valid = np.array(rows["valid_06"]) & (np.array(depth) <= 1e-3)
    valid &= np.array(rows["contacts"].to_pylist()) >= 3
    assert rows["valid"].to_pylist() == valid.tolist()
    assert set(rows["kind"].to_pylist()) <= {kind.name for kind in HAND.grasp_types}


def test_the_index_counts_and_says_why_there_is_nothing(finished: Path) -> None:
    entries = shards(finished)
    tin = entries[f"{HAND.name}/tin.parquet"]
    rows = pq.read_table(finished / HAND.name / "tin.parquet")
    assert tin["grasps"] == rows.num_rows
    for name in ("valid", "valid_06", "valid_03"):
        assert tin[name] == sum(rows[name].to_pylist())
    beam = entries[f"{HAND.name}/beam.parquet"]
    assert beam["grasps"] == 0
    assert "0.90 m long" in beam["words"]
    assert not (finished / HAND.name / "beam.parquet").exists()
    assert not list(finished.rglob("*.partial"))


def test_finished_shards_are_kept_and_lost_ones_made_again(finished: Path, meshes: Path) -> None:
    file = finished / HAND.name / "tin.parquet"
    before, first = file.stat().st_mtime_ns, pq.read_table(file)
    run(meshes, finished)
    assert file.stat().st_mtime_ns == before
    file.rename(file.with_name("tin.parquet.partial"))  # as a killed process leaves it
    run(meshes, finished)
    assert pq.read_table(file).equals(first)
    assert not list(finished.rglob("*.partial"))


def test_another_request_is_refused(finished: Path, meshes: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another count"):
        run(meshes, finished, "--count", COUNT + 1)
    with pytest.raises(DexgraspError, match="unknown object 'teapot'"):
        run(meshes, tmp_path, "--objects", "teapot")
    with pytest.raises(ConfigError, match="--count is 0"):
        run(meshes, tmp_path, "--count", 0)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(ConfigError, match="damaged"):
        run(meshes, tmp_path)


def test_a_hand_far_away_holds_nothing() -> None:
    can, n = load_object("tomato_soup_can"), 2
    q, none = (
        np.tile(HAND.postures["open"], (n, 1)),
        np.full((n, len(HAND.finger_names), 3), np.nan),
    )
    T = np.tile(np.eye(4), (n, 1, 1))
    T[:, 2, 3] = 0.5
    down = np.tile([0.0, 0.0, -1.0], (n, 1))
    away = GraspSet(
        HAND.name, can.name, T, down, q, q, q, none, none, np.ones(n), ("power",) * n, ""
    )
    columns = verdict_columns(HAND, can, away)
    assert set(columns) == COLUMNS
    for name in ("valid_06", "valid_03", "valid", "depth", "contacts", "q1"):
        assert not columns[name].any(), name
