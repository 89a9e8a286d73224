"""The set-up's decisions: which ROS 2, which step runs again, what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from environment import interpreter, ros_wheels, shell, system_packages, workspaces
from environment.interpreter import Interpreter, choose_interpreter
from environment.layout import Layout, SetupError, choose_layout
from environment.steps import Steps, content_key, folder_key, run

PYTHON = Interpreter(Path(sys.executable), (3, 11), Path("/absent"))


def test_ros_comes_from_pypi_unless_it_is_sourced(tmp_path: Path) -> None:
    layout = choose_layout(tmp_path, None, {})
    assert layout == Layout(tmp_path, "kilted")
    assert (layout.venv.name, layout.setup_file.name) == (".venv", "setup.bash")


def test_jazzy_wheels_have_their_own_environment(tmp_path: Path) -> None:
    layout = choose_layout(tmp_path, "jazzy", {"ROS_DISTRO": "kilted", "AMENT_PREFIX_PATH": "/x"})
    assert (layout.venv.name, layout.setup_file.name) == (".venv-jazzy", "setup.jazzy.bash")
    assert not layout.sourced


def test_a_sourced_ros_is_used(tmp_path: Path) -> None:
    layout = choose_layout(
        tmp_path, None, {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": "/ws:/opt/ros/jazzy"}
    )
    assert layout.sourced_prefixes == (Path("/ws"), Path("/opt/ros/jazzy"))
    assert layout.venv.name == ".venv"


def test_its_own_setup_bash_is_no_sourced_ros(tmp_path: Path) -> None:
    environment = {"AMENT_PREFIX_PATH": str(tmp_path / ".venv")}
    assert not choose_layout(tmp_path, None, environment).sourced


@pytest.mark.parametrize(
    ("wheels", "environment"),
    [("humble", {}), (None, {"ROS_DISTRO": "humble", "AMENT_PREFIX_PATH": "/opt/ros/humble"})],
)
def test_other_distributions_are_refused(
    tmp_path: Path, wheels: str | None, environment: dict[str, str]
) -> None:
    with pytest.raises(SetupError, match="is 'humble'; supported: kilted, jazzy"):
        choose_layout(tmp_path, wheels, environment)


def test_unsupported_pythons_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Interpreter(Path("/usr/bin/python3.9"), (3, 9), Path("/absent"))
    monkeypatch.setattr(interpreter, "_candidates", lambda: iter([old, old]))
    with pytest.raises(SetupError, match=r"is needed; found /usr/bin/python3.9 \(3.9\)$"):
        choose_interpreter(Layout(tmp_path, "kilted"))


def test_this_python_is_found(tmp_path: Path) -> None:
    assert choose_interpreter(Layout(tmp_path, "kilted")).version in interpreter.SUPPORTED


def test_missing_packages_are_one_line_for_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_packages.os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError) as caught:
        system_packages.ensure_packages(PYTHON, tmp_path / "log")
    message = str(caught.value)
    assert message.startswith("system packages are missing; run: sudo apt-get install -y")
    assert "python3.11-dev" in message
    assert "\n" not in message


def test_missing_packages_are_installed_by_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(system_packages.os, "geteuid", lambda: 0)
    monkeypatch.setattr(system_packages.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(system_packages, "run", lambda command, *_: commands.append(command))
    system_packages.ensure_packages(PYTHON, tmp_path / "log")
    assert commands[0] == ["apt-get", "update"]
    assert "python3.11-dev" in commands[1]


def test_a_step_runs_once_per_key(tmp_path: Path) -> None:
    steps = Steps(tmp_path / "stamps", tmp_path)
    ran: list[str] = []
    for key in ("a", "a", "b", "a"):
        steps.once("step", "label", key, lambda _, key=key: ran.append(key))
    assert ran == ["a", "b", "a"]


def test_a_failed_step_runs_again(tmp_path: Path) -> None:
    steps = Steps(tmp_path / "stamps", tmp_path)
    command = [sys.executable, "-c", "print('the reason'); exit(3)"]
    for _ in range(2):
        with pytest.raises(SetupError, match=r"exit code 3; see .*step\.log"):
            steps.once("step", "label", "key", lambda log: run(command, log))
    assert (tmp_path / "step.log").read_text().count("the reason\n") == 1


def test_keys_follow_names_and_wanted_contents(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "setup.py").write_text("1")
    first = folder_key(tmp_path, workspaces.is_built_in)
    (tmp_path / "a.py").write_text("2")
    assert folder_key(tmp_path, workspaces.is_built_in) == first
    assert folder_key(tmp_path) != content_key(first)
    (tmp_path / "setup.py").write_text("2")
    second = folder_key(tmp_path, workspaces.is_built_in)
    (tmp_path / "b.py").touch()
    assert len({first, second, folder_key(tmp_path, workspaces.is_built_in)}) == 3


def test_the_underlay_leaves_out_what_the_sourced_ros_has(tmp_path: Path) -> None:
    for package in ("control_msgs", "tf2_msgs"):
        folder = tmp_path / "ros2_ws" / "underlay" / package
        folder.mkdir(parents=True)
        (folder / "package.xml").touch()
    index = tmp_path / "opt/share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    (index / "tf2_msgs").touch()
    wheels = Layout(tmp_path, "kilted")
    assert workspaces.underlay_packages(wheels) == ["control_msgs", "tf2_msgs"]
    sourced = Layout(tmp_path, "jazzy", (tmp_path / "opt",))
    assert workspaces.underlay_packages(sourced) == ["control_msgs"]


def test_wheels_are_mended_twice_alike(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "kilted")
    share = layout.venv / "share" / "pkg"
    index = layout.venv / "share/ament_index/resource_index/parent_prefix_path"
    for folder in (share / "cmake", index, layout.venv / "bin"):
        folder.mkdir(parents=True)
    layout.python.symlink_to(sys.executable)
    cmake = share / "cmake" / "export.cmake"
    cmake.write_text(
        '"/opt/python/cp311-cp311/include/python3.11;'
        '/tmp/build-env-x1/lib/python3.11/site-packages/numpy/_core/include"'
    )
    script = share / "local_setup.sh"
    script.write_text(': ${PREFIX:="/project/build/temp.linux-x86_64-cpython-311/install"}')
    (index / "pkg").write_text("/opt/python/cp311-cp311")
    texts = []
    for _ in range(2):
        ros_wheels.mend(layout)
        texts.append((cmake.read_text(), script.read_text(), (index / "pkg").read_text()))
    assert texts[0] == texts[1]
    for include in cmake.read_text().strip('"').split(";"):
        assert Path(include).is_dir()
    assert script.read_text() == f': ${{PREFIX:="{layout.venv}"}}'
    assert (index / "pkg").read_text() == ""
    assert (layout.venv / "COLCON_IGNORE").exists()


@pytest.mark.parametrize("prefixes", [(), (Path("/ws"), Path("/opt/ros/jazzy"))])
def test_the_activation_is_valid_bash(tmp_path: Path, prefixes: tuple[Path, ...]) -> None:
    layout = Layout(tmp_path / "a folder", "jazzy", prefixes)
    script = shell.activation(layout, layout.overlays)
    report = 'echo "$DEXGRASP_ROOT|$AMENT_PREFIX_PATH|$_ROS_WHEELS_BOOTSTRAP_COMPLETE"'
    done = subprocess.run(
        ["bash", "-ec", script + report],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "AMENT_PREFIX_PATH": "sourced"},
    )
    wheels = f"{layout.venv}|1" if not prefixes else "sourced|"
    assert done.stdout.strip() == f"{layout.root}|{wheels}"
