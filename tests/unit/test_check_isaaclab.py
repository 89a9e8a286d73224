"""Our calls of IsaacLab are held against its own sources; planted wrong ones are found.

The wheels are loaded once, into the cache.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import check_isaaclab
import pytest
from check_isaaclab import ADAPTERS, NEW, OLD, STUBS, Release, UnavailableError

PLANTED = {
    OLD: {
        "worlds23.py": (
            ("self.robot.set_joint_position_target(", "self.robot.set_joint_position_targets("),
            ("tensor(joints), tensor(joint_velocity),", "position=tensor(joints),"),
            ("self.sim.step(render=False)", "self.sim.step(rendering=False)"),
            ("old.clear_all_callbacks()", "old.clear_callbacks()"),
            ("root_physx_view.set_masses(new, every)", "root_physx_view.set_masses(new)"),
            ("get_contact_data(dt=", "get_contacts(dt="),
            ("data.default_inertia", "data.inertia"),
        ),
        "stage23.py": (
            ("activate_contact_sensors=True)", "activate_contact_sensor=True)"),
            ("env_spacing=", "spacing="),
        ),
    },
    NEW: {
        "plant.py": (
            ("target_command.set_position_index(", "target_command.set_positions_index("),
            ("position=tensor(joints)", "positions=tensor(joints)"),
            ("NewtonManager.get_model()", "NewtonManager.model()"),
        ),
        "worlds.py": (("self.sim.step(render=False)", "self.sim.step(rendering=False)"),),
        "stage.py": (
            ("nconmax=", "ncon="),
            ("env_spacing=", "spacing="),
        ),
    },
}


@pytest.fixture(params=[OLD, NEW], ids=lambda release: release.version)
def release(request: pytest.FixtureRequest) -> Release:
    return with_sources(request.param)


def with_sources(release: Release) -> Release:
    try:
        check_isaaclab.sources(release)
    except UnavailableError as absent:
        pytest.skip(f"no sources of IsaacLab: {absent}")
    return release


def planted(release: Release, folder: Path) -> list[str]:
    """Copy the adapter with its wrong calls; `file:line` of each."""
    places = []
    for name in release.files:
        text = (ADAPTERS / name).read_text()
        for right, wrong in PLANTED[release].get(name, ()):
            assert text.count(right) == 1, right
            text = text.replace(right, wrong)
            places.append((name, wrong))
        (folder / name).write_text(text)
    return [
        f"{name}:{(folder / name).read_text().split(wrong)[0].count(chr(10)) + 1}"
        for name, wrong in places
    ]


def test_every_call_is_one_of_isaaclabs(release: Release) -> None:
    assert check_isaaclab.wrong_calls(release) == []


def test_planted_calls_are_found_and_no_others(release: Release, tmp_path: Path) -> None:
    places = planted(release, tmp_path)
    found = check_isaaclab.wrong_calls(release, tmp_path)
    lines = {":".join(each.split(":")[:2]) for each in found}
    # A call that runs over several lines is reported where it begins, or at the wrong word.
    missed = [place for place in places if not any(near(place, line) for line in lines)]
    assert missed == [], found
    assert all(any(near(place, line) for place in places) for line in lines), found


def near(place: str, line: str) -> bool:
    (file, at), (other, seen) = place.split(":"), line.split(":")
    return file == other and 0 <= int(at) - int(seen) <= 1


def test_options_of_isaac_sim_are_known(tmp_path: Path) -> None:
    release = with_sources(OLD)
    assert check_isaaclab.wrong_options(release) == []
    for name in release.files:
        text = (ADAPTERS / name).read_text()
        (tmp_path / name).write_text(text.replace("enable_cameras=", "enable_camera="))
    (wrong,) = check_isaaclab.wrong_options(release, tmp_path)
    assert wrong.endswith("AppLauncher has no option enable_camera")


def test_stubs_bind_isaaclabs_own_calls(tmp_path: Path) -> None:
    release = with_sources(OLD)
    assert check_isaaclab.wrong_stubs(release) == []
    shutil.copytree(STUBS, tmp_path / "stubs")
    (views,) = (tmp_path / "stubs" / "omni").rglob("*.pyi")
    text = views.read_text().replace("get_masses(self)", "get_weights(self)")
    views.write_text(text.replace("set_masses(self, data: Tensor,", "set_masses(self,"))
    found = check_isaaclab.wrong_stubs(release, tmp_path / "stubs")
    assert any("get_weights: IsaacLab 2.3.2.post1 never calls it" in each for each in found)
    assert any(each.startswith("_BodyView.set_masses(indices): IsaacLab calls") for each in found)
    assert len(found) == 2


def test_another_wheel_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def download(command, **_):
        (tmp_path / "isaaclab-2.3.2.post1.whl").write_bytes(b"other")
        return check_isaaclab.subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(check_isaaclab.subprocess, "run", download)
    with pytest.raises(ValueError, match="has the sha256"):
        check_isaaclab._download(OLD, tmp_path)
