"""`dexgrasp synthesize`: names, meshes and clouds in, grasps in the file's own frame out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dexgrasp.cli import app, synthesize_run
from dexgrasp.datasets import read_grasps
from dexgrasp.datasets.stream import grasp_stream, grasp_table
from dexgrasp.errors import DexgraspError, GraspError, NoGraspError
from dexgrasp.geometry import inverse, transform_points
from dexgrasp.hands import HandModel
from dexgrasp.objects import exact_signed_distance, load_object
from dexgrasp.perception import perceive
from dexgrasp.perception.synthetic import depth_frame, looking_at, placed
from dexgrasp.synthesis import Condition
from dexgrasp.synthesis.batches import BATCH, IDLE, batches, unseen
from dexgrasp.synthesis.mask import mask_region, named_region
from dexgrasp.synthesis.source import GraspTarget, mesh_target, read_cloud, read_target
from dexgrasp.types import CameraIntrinsics, GraspSet

HAND = HandModel.load("allegro_right")
SHIFT = np.array([1.5, -0.7, 0.9])  # of the cloud's frame from the camera's world [m]
CAMERA = np.array([0.5, 0.0, 0.58])


def run(*arguments: object) -> None:
    app([*map(str, arguments)], standalone_mode=False)


def made_up(palms: np.ndarray) -> GraspSet:
    """Grasps that differ in the palm's place alone."""
    n, none = len(palms), np.full((len(palms), len(HAND.finger_names), 3), np.nan)
    T = np.tile(np.eye(4), (n, 1, 1))
    T[:, :3, 3] = palms
    q = np.tile(HAND.postures["open"], (n, 1))
    down = np.tile([0.0, 0.0, -1.0], (n, 1))
    score = np.linspace(1.0, 0.5, n)
    return GraspSet(
        HAND.name, "world", T, down, q, q, q, none, none, score, ("power",) * n, "made up"
    )


class Repeating:
    """A generator that knows `places` palm places and returns them seed after seed."""

    def __init__(self, places: int, each: int) -> None:
        self.places, self.each, self.asked = places, each, []

    def synthesize(self, hand, geometry, count, seed=0, condition=None) -> GraspSet:
        self.asked.append((count, seed))
        if self.places == 0:
            raise NoGraspError("nothing fits")
        index = (seed * self.each + np.arange(min(count, self.each))) % self.places
        return made_up(0.02 * index[:, None] * [1.0, 0.0, 0.0])


def fingertip_gap(table, model) -> np.ndarray:
    """(n, F) distance of the distal links' tips from the true surface [m]."""
    tips = transform_points(table.T_object_palm, HAND.fingertips(table.grasp))
    return np.abs(exact_signed_distance(model.mesh, tips.reshape(-1, 3))).reshape(len(table), -1)


@pytest.fixture(scope="module")
def can_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("can") / "can.npz"
    run("synthesize", "tomato_soup_can", "--hand", HAND.name, "--count", 6, "--out", file)
    return file


def test_the_file_holds_grasps_on_the_object_best_first(can_file: Path) -> None:
    table = read_grasps(can_file, HAND)
    assert 1 <= len(table) <= 6
    assert set(table.objects) == {"tomato_soup_can"}
    assert (np.diff(table.score) <= 0.0).all()
    gap = fingertip_gap(table, load_object("tomato_soup_can"))
    assert (np.sort(gap, axis=1)[:, 1] < 0.02).all()  # of the two nearest fingers


def test_one_seed_gives_one_file(can_file: Path, tmp_path: Path, capsys) -> None:
    again = tmp_path / "again.npz"
    run("synthesize", "tomato_soup_can", "--hand", HAND.name, "--count", 6, "--out", again)
    first, second = read_grasps(can_file, HAND), read_grasps(again, HAND)
    np.testing.assert_array_equal(first.grasp, second.grasp)
    np.testing.assert_array_equal(first.T_object_palm, second.T_object_palm)
    printed = capsys.readouterr().out
    assert "object prepared in" in printed
    assert "machine: " in printed


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, trimesh.Trimesh]:
    """A mug seen from one side, in a frame far away; and its true mesh there."""
    mesh = placed(load_object("mug").mesh, 0.4)
    frame = depth_frame(
        [mesh], CameraIntrinsics.from_fovy(640, 480, 0.75), looking_at(CAMERA, (0.0, 0.0, 0.04))
    )
    folder = tmp_path_factory.mktemp("clouds")
    points = perceive(frame).objects[0].cloud + SHIFT
    np.save(folder / "mug.npy", points)
    trimesh.PointCloud(points).export(folder / "mug.ply")
    mesh.apply_translation(SHIFT)
    return folder, mesh


def test_a_cloud_gives_grasps_in_its_own_frame(clouds, tmp_path: Path) -> None:
    folder, mesh = clouds
    out, view_point = tmp_path / "mug.npz", ",".join(map(str, CAMERA + SHIFT))
    run("synthesize", folder / "mug.npy", "--hand", HAND.name, "--count", 3, "--out", out,
        "--view-point", view_point)  # fmt: skip
    table = read_grasps(out, HAND)
    tips = transform_points(table.T_object_palm, HAND.fingertips(table.grasp)).reshape(-1, 3)
    gap = np.abs(exact_signed_distance(mesh, tips)).reshape(len(table), -1)
    assert (np.sort(gap, axis=1)[:, 1] < 0.025).all()
    completed = load_object(table.objects[0])  # the named shape can be evaluated and shown
    np.testing.assert_allclose(completed.mesh.bounds, mesh.bounds, atol=0.012)


def test_a_ply_of_points_is_a_cloud_and_one_of_faces_a_mesh(clouds, tmp_path: Path) -> None:
    folder, mesh = clouds
    np.testing.assert_allclose(
        read_cloud(folder / "mug.ply"), np.load(folder / "mug.npy"), atol=1e-5
    )
    assert read_target(str(folder / "mug.ply"), view_point=CAMERA + SHIFT).completed
    mesh.export(tmp_path / "whole.ply")
    assert not read_target(str(tmp_path / "whole.ply")).completed


@pytest.fixture(scope="module")
def rod_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rod that leans in its file and lies on the table."""
    mesh = trimesh.creation.cylinder(0.02, 0.18, sections=48)
    mesh.apply_transform(trimesh.transformations.rotation_matrix(0.9, (1.0, 0.0, 0.0)))
    file = tmp_path_factory.mktemp("rod") / "rod.stl"
    mesh.export(file)
    return file


def test_a_leaning_mesh_is_grasped_as_it_lies(rod_file: Path) -> None:
    target = read_target(str(rod_file))
    geometry = target.geometry
    np.testing.assert_allclose(geometry.T_world_object[:3, :3], np.eye(3), atol=1e-6)
    assert geometry.bounds[0][2] == pytest.approx(geometry.table, abs=1e-4)
    assert np.ptp(np.asarray(geometry.model.mesh.vertices)[:, 2]) == pytest.approx(0.04, abs=1e-3)
    back = transform_points(target.T_file_object, np.asarray(geometry.model.mesh.vertices))
    np.testing.assert_allclose(back, target.original.mesh.vertices, atol=1e-9)
    com = transform_points(target.T_file_object, geometry.model.com[None])[0]
    np.testing.assert_allclose(com, target.original.com, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0), min_size=12, max_size=12))
def test_in_file_undoes_the_pose_on_the_table(numbers: list[float]) -> None:
    can = load_object("tomato_soup_can")
    target = mesh_target("can", can)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_rotvec(numbers[:3]).as_matrix(), numbers[3:6]
    moved = GraspTarget("can", target.geometry, T, can)
    there = made_up(np.array([numbers[6:9], numbers[9:12]]))
    here = moved.in_file(there)
    T_world_file = target.geometry.T_world_object @ inverse(T)
    np.testing.assert_allclose(T_world_file @ here.T_frame_palm, there.T_frame_palm, atol=1e-9)
    np.testing.assert_allclose(here.approach @ T_world_file[:3, :3].T, there.approach, atol=1e-9)


def test_batches_merge_duplicates_and_stop_when_nothing_new_comes() -> None:
    geometry = mesh_target("can", load_object("tomato_soup_can")).geometry
    source = Repeating(places=10, each=4)
    found = list(batches(source, HAND, geometry, 50, 7, Condition()))
    assert sum(map(len, found)) == 10
    seeds = [seed for _, seed in source.asked]
    assert seeds == list(range(7, 7 + len(seeds)))
    assert IDLE <= len(seeds) <= 5 + IDLE
    few = list(batches(Repeating(1000, 30), HAND, geometry, 50, 0, Condition()))
    assert sum(map(len, few)) == 50
    many = Repeating(5000, 2 * BATCH)
    next(batches(many, HAND, geometry, 10**6, 0, Condition()))
    assert many.asked == [(BATCH, 0)]  # a million is not asked for at once
    with pytest.raises(NoGraspError, match="nothing fits"):
        list(batches(Repeating(0, 1), HAND, geometry, 5, 0, Condition()))


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(-20, 20), min_size=1, max_size=8))
def test_a_grasp_is_new_once(places: set[int]) -> None:
    grasps = made_up(0.02 * np.array(sorted(places))[:, None] * [0.0, 1.0, 0.0])
    seen: set[int] = set()
    assert unseen(HAND, grasps, seen).all()
    assert not unseen(HAND, grasps, seen).any()
    assert len(seen) == len(places)


def test_a_stream_keeps_what_came_before_an_interruption(tmp_path: Path) -> None:
    file = tmp_path / "many.parquet"
    table = grasp_table(made_up(np.zeros((3, 3))), "can")

    def interrupted() -> None:
        with grasp_stream(file) as write:
            write(table, {"kind": ["power"] * 3})
            write(table[:1], {"kind": ["pinch"]})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(read_grasps(file, HAND)) == 4
    assert pq.read_table(file)["kind"].to_pylist() == ["power"] * 3 + ["pinch"]
    with grasp_stream(tmp_path / "other.parquet") as write:
        write(table, {"kind": ["power"] * 3})
        with pytest.raises(GraspError, match="columns"):
            write(table, {})


def test_many_grasps_are_streamed(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(synthesize_run, "COLLECTED", 3)
    monkeypatch.setattr(synthesize_run, "make_synthesizer", lambda _, check: Repeating(7, 4))
    out = tmp_path / "many.parquet"
    run("synthesize", "tomato_soup_can", "--hand", HAND.name, "--count", 20, "--out", out)
    assert len(read_grasps(out, HAND)) == 7
    assert "7 of 20 grasps" in capsys.readouterr().out
    with pytest.raises(GraspError, match="parquet"):
        run("synthesize", "mug", "--hand", HAND.name, "--count", 20, "--out", tmp_path / "m.npz")


def test_an_interruption_keeps_what_was_found(tmp_path: Path, monkeypatch, capsys) -> None:
    class Interrupted(Repeating):
        def synthesize(self, hand, geometry, count, seed=0, condition=None) -> GraspSet:
            if self.asked:
                raise KeyboardInterrupt
            return super().synthesize(hand, geometry, count, seed, condition)

    monkeypatch.setattr(synthesize_run, "make_synthesizer", lambda _, check: Interrupted(100, 4))
    out = tmp_path / "some.npz"
    run("synthesize", "tomato_soup_can", "--hand", HAND.name, "--count", 20, "--out", out)
    assert len(read_grasps(out, HAND)) == 4
    assert "interrupted" in capsys.readouterr().out


def test_regions_are_asked_in_the_frame_of_the_geometry(rod_file: Path, tmp_path: Path) -> None:
    target = read_target(str(rod_file))
    upper = np.asarray(target.original.mesh.vertices)
    upper = upper[upper[:, 2] > 0.03]
    np.save(tmp_path / "upper.npy", upper)
    region = mask_region(target, str(rod_file), tmp_path / "upper.npy", 0.005)
    vertices = np.asarray(target.geometry.model.mesh.vertices)
    in_file = transform_points(target.T_file_object, vertices)
    np.testing.assert_array_equal(region(vertices)[in_file[:, 2] > 0.03], True)
    assert not region(vertices)[in_file[:, 2] < 0.02].any()


def test_a_mask_of_faces_follows_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "box.obj"
    box = trimesh.creation.box((0.04, 0.06, 0.1))
    box.export(file)
    raw: trimesh.Trimesh = trimesh.load(file, force="mesh", process=False)  # type: ignore[assignment]
    top = np.flatnonzero(raw.face_normals[:, 2] > 0.9)
    (tmp_path / "top.json").write_text(json.dumps(top.tolist()))
    region = mask_region(read_target(str(file)), str(file), tmp_path / "top.json")
    points = np.array([[0.0, 0.0, 0.05], [0.0, 0.0, -0.05], [0.02, 0.0, 0.0]])
    assert region(points).tolist() == [True, False, False]
    handle = named_region(read_target("mug"), "handle")
    assert not handle(np.zeros((1, 3))).any()


FAULTS = {
    "part": (["mug", "--region", "spoon"], "body, handle, rim"),
    "no parts": (["{files}/box.obj", "--region", "lid"], "no labelled parts"),
    "type": (["mug", "--type", "pinchy"], "four_finger"),
    "object": (["teapot"], "unknown object 'teapot'"),
    "method": (["mug", "--method", "magic"], "unknown synthesizer 'magic'"),
    "hand": (["mug", "--hand", "alegro"], "unknown hand 'alegro'"),
    "count": (["mug", "--count", "0"], "--count is 0"),
    "suffix": (["mug", "--out", "x.txt"], "npz or .parquet"),
    "a million": (["mug", "--count", "1000000"], "parquet"),
    "approach": (["mug", "--approach", "0,0,0"], "give a direction"),
    "view point": (["{files}/cloud.npy"], "--view-point x,y,z"),
    "not three": (["mug", "--approach", "1,2"], "x,y,z"),
    "empty": (["{files}/empty.npy", "--view-point", "0,0,1"], "0 points"),
    "nan": (["{files}/nan.npy", "--view-point", "0,0,1"], "1 of 200 points"),
    "mm": (["{files}/mm.npy", "--view-point", "0,0,1"], "0.001"),
    "small cloud": (["{files}/cloud.npy", "--view-point", "0,0,1", "--scale", "1e-3"], "allowed"),
    "open": (["{files}/open.obj"], "not watertight"),
    "1 mm": (["{files}/box.obj", "--scale", "0.01"], "meshes are in m"),
    "1 m": (["{files}/box.obj", "--scale", "10"], "1.00 m long"),
    "scale": (["{files}/box.obj", "--scale", "-1"], "scale is -1"),
    "mask": (["mug", "--region-mask", "{files}/faces.json"], "names face 99999999"),
    "mask beside": (["mug", "--region-mask", "{files}/far.npy"], "no part of the surface"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    cloud = np.random.default_rng(0).uniform(-0.03, 0.03, (200, 3))
    broken = cloud.copy()
    broken[7, 1] = np.nan
    arrays = {"cloud": cloud, "mm": 1e3 * cloud, "nan": broken, "empty": cloud[:0]}
    for name, values in {**arrays, "far": cloud + 5.0}.items():
        np.save(folder / f"{name}.npy", values)
    trimesh.creation.box((0.04, 0.06, 0.1)).export(folder / "box.obj")
    opened = trimesh.creation.cylinder(0.03, 0.1, sections=24)
    opened.update_faces(np.arange(len(opened.faces)) > 20)
    opened.export(folder / "open.obj")
    (folder / "faces.json").write_text("[0, 99999999]")
    return folder


@pytest.mark.parametrize("name", FAULTS)
def test_bad_input_is_one_clear_error(name: str, files: Path, tmp_path: Path) -> None:
    given_arguments, words = FAULTS[name]
    arguments = [text.format(files=files) for text in given_arguments]
    defaults = {"--hand": HAND.name, "--out": str(tmp_path / "out.npz")}
    extra = [x for k, v in defaults.items() if k not in arguments for x in (k, v)]
    with pytest.raises(DexgraspError) as caught:
        run("synthesize", *arguments, *extra)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_fault_exits_with_2_and_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dexgrasp", "synthesize", "mug", "--hand", HAND.name]
    command += ["--count", "-3", "--out", str(tmp_path / "x.npz")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "dexgrasp: --count is -3; at least one grasp must be asked for"
    ]
