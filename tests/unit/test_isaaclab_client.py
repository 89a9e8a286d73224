"""The near end of IsaacLab's worker: what goes over the wire, and what is said when it cannot."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import trimesh

from dexgrasp.config import resource_root
from dexgrasp.errors import BackendError, MeshError
from dexgrasp.geometry import pose_from_quaternion
from dexgrasp.hands import HandModel
from dexgrasp.simulation import SimulationConfig, make_backend
from dexgrasp.simulation.isaaclab import client, worker
from dexgrasp.simulation.isaaclab.wire import Snapshot, pack_poses, unpack_poses


def test_quaternions_go_scalar_last() -> None:
    """A turn with four different numbers: any other order of them is another turn."""
    wxyz = np.array([0.8, 0.1, 0.3, np.sqrt(1.0 - 0.74)])
    pose = pose_from_quaternion(np.array([1.0, 2.0, 3.0]), wxyz)
    packed = pack_poses(pose)
    np.testing.assert_allclose(packed, [1.0, 2.0, 3.0, *wxyz[1:], wxyz[0]], atol=1e-12)
    np.testing.assert_allclose(unpack_poses(packed), pose, atol=1e-12)


def test_poses_travel_in_batches_without_objects_too() -> None:
    assert unpack_poses(pack_poses(np.tile(np.eye(4), (2, 3, 1, 1)))).shape == (2, 3, 4, 4)
    assert unpack_poses(pack_poses(np.zeros((2, 0, 4, 4)))).shape == (2, 0, 4, 4)


def test_resting_worlds_keep_what_was_seen() -> None:
    shapes = ((2, 3), (2, 3), (2, 7), (2, 1, 7), (2, 1, 3), (2, 4), (2, 4))
    old, new = (Snapshot(*(np.full(shape, value) for shape in shapes)) for value in (0.0, 1.0))
    mixed = new.where(np.array([True, False]), old)
    for value in vars(mixed).values():
        assert (value[0] == 0.0).all()
        assert (value[1] == 1.0).all()


def test_without_isaaclab_the_error_names_the_remedy(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(client, "_idle", [])
    monkeypatch.setenv("DEXGRASP_ISAACLAB_PYTHON", str(tmp_path / "python"))
    hand, config = HandModel.load("leap_right"), SimulationConfig.load()
    with pytest.raises(BackendError, match=r"not installed .* run `make isaaclab`"):
        make_backend("isaaclab", hand, config)


def executable(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("#!/bin/sh", *lines)))
    os.chmod(path, 0o755)
    return path


def test_an_environment_without_isaaclab_says_so_over_the_wire(tmp_path) -> None:
    """The interpreter of these tests has none: a real worker process refuses."""
    source = resource_root() / "src"
    line = f'PYTHONPATH={source} exec {sys.executable} "$@"'
    with pytest.raises(BackendError, match=r"isaaclab is missing .* run `make isaaclab`"):
        client.Worker(executable(tmp_path / "python", line))


def test_an_interrupt_of_the_whole_launch_leaves_the_process_to_the_bridge(tmp_path) -> None:
    """A process that believes it has IsaacLab answers after it, and ends with the socket."""
    (tmp_path / "isaaclab-3.0.0.dist-info").mkdir()
    facts = "Metadata-Version: 2.1\nName: isaaclab\nVersion: 3.0.0\n"
    (tmp_path / "isaaclab-3.0.0.dist-info" / "METADATA").write_text(facts)
    path = f"WARP_CACHE_PATH={tmp_path} PYTHONPATH={resource_root() / 'src'}:{tmp_path}"
    running = client.Worker(executable(tmp_path / "python", f'{path} exec {sys.executable} "$@"'))
    running._process.send_signal(signal.SIGINT)
    for _ in range(2):
        with pytest.raises(BackendError, match="'NoneType' object has no attribute 'step'"):
            running.call("step")
    assert running.alive
    running.close()
    assert not running.alive


@pytest.mark.parametrize("version", ["2.2.0", "4.0.0"])
def test_another_isaaclab_is_refused(version: str, monkeypatch) -> None:
    monkeypatch.setattr(worker.importlib.metadata, "version", lambda _: version)
    with pytest.raises(BackendError, match=rf"isaaclab {version} is installed and 2\.3\.x or 3\.x"):
        worker.check_environment()


@pytest.mark.parametrize(
    ("version", "module"), [("2.3.2.post1", "worlds23"), ("2.3.0", "worlds23"), ("3.0.0", "worlds")]
)
def test_each_isaaclab_has_its_adapter(version: str, module: str, monkeypatch, tmp_path) -> None:
    """The modules stand in for those that import IsaacLab; Isaac Sim starts before the older."""
    said: list[str] = []
    kit, worlds = ModuleType("kit"), ModuleType(module)
    vars(kit)["launch"] = lambda: said.append("launch")
    vars(worlds)["Worlds"] = said.append
    monkeypatch.setitem(sys.modules, f"{worker.__package__}.kit", kit)
    monkeypatch.setitem(sys.modules, f"{worker.__package__}.{module}", worlds)
    monkeypatch.setattr(worker.importlib.metadata, "version", lambda _: version)
    monkeypatch.setenv("WARP_CACHE_PATH", str(tmp_path))
    worker.check_environment()
    worker.make_worlds("recipe")
    assert said == (["launch", "recipe"] if module == "worlds23" else ["recipe"])


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(worker.importlib.metadata, "version", lambda _: "3.0.0")
    monkeypatch.setenv("WARP_CACHE_PATH", str(tmp_path / "file" / "warp"))
    with pytest.raises(BackendError, match="cannot be written: set WARP_CACHE_PATH"):
        worker.check_environment()


def test_a_worker_that_dies_is_reported_with_the_end_of_its_log(tmp_path) -> None:
    broken = executable(tmp_path / "python", "echo out of memory >&2", "exit 3")
    with pytest.raises(BackendError, match="process ended: out of memory"):
        client.Worker(broken)


def test_a_flat_part_does_not_convert(tmp_path) -> None:
    assets = pytest.importorskip("dexgrasp.simulation.usd_assets", exc_type=BackendError)
    flat = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False)
    with pytest.raises(MeshError, match="part 2 of leaf does not convert"):
        assets._check_part("leaf", 2, flat)
