"""Real processes under the supervisor: exit codes, logs, shutdown and respawn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from dexgrasp.cli import app
from dexgrasp.launching import ProcessSpec, supervise

# Prints its process id, then waits for SIGINT and ends with 0.
PATIENT = (
    "import os, signal, sys, time\n"
    "signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n"
    "print('ready', os.getpid(), flush=True)\n"
    "time.sleep(60)"
)


def python(name: str, code: str, **options: object) -> ProcessSpec:
    return ProcessSpec(name, (sys.executable, "-c", code), **options)  # type: ignore[arg-type]


def test_a_required_process_ends_the_launch_with_its_code(tmp_path: Path) -> None:
    started = time.monotonic()
    code = supervise(
        [
            python("patient", PATIENT),
            python("required", "import time; time.sleep(0.5); exit(3)", ends_launch=True),
        ],
        tmp_path,
    )
    assert code == 3
    assert time.monotonic() - started < 5.0
    assert (tmp_path / "patient.log").read_text().startswith("ready")


def test_a_dead_process_is_reported_and_the_others_go_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = supervise(
        [
            python("broken", "print('the last words'); raise SystemExit(4)"),
            python("other", "import time; time.sleep(0.5); print('done')", on_screen=True),
        ],
        tmp_path,
    )
    out = capfd.readouterr().out
    assert code == 4
    assert f"broken died with exit code 4; log: {tmp_path / 'broken.log'}" in out
    assert "[launch]   the last words" in out
    assert "[other] done" in out
    assert "[broken]" not in out


def test_all_done_is_success(tmp_path: Path) -> None:
    assert supervise([python("a", "pass"), python("a", "pass")], tmp_path) == 0
    assert (tmp_path / "a-2.log").exists()


def test_processes_share_the_session_in_groups_of_their_own(tmp_path: Path) -> None:
    code = "import os; print(os.getsid(0), os.getpgid(0) == os.getpid())"
    supervise([python("first", code), python("second", code)], tmp_path)
    # One session: niceness counts among its processes, and only there.
    for name in ("first", "second"):
        assert (tmp_path / f"{name}.log").read_text().split() == [str(os.getsid(0)), "True"]


def test_a_killed_process_gives_128_plus_the_signal(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert supervise([python("crash", code)], tmp_path) == 128 + signal.SIGSEGV


def test_a_missing_program_is_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert supervise([ProcessSpec("absent", ("/no/such/program",))], tmp_path) == 127
    assert "No such file or directory: '/no/such/program'" in capfd.readouterr().out


def test_respawn_starts_it_again(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    code = f"open({str(counter)!r}, 'a').write('x'); exit(1)"
    watcher = (
        "import pathlib, time\n"
        f"while len(pathlib.Path({str(counter)!r}).read_text()) < 3: time.sleep(0.05)"
    )
    counter.touch()
    specs = [
        python("mortal", code, respawn_delay=0.05),
        python("watcher", watcher, ends_launch=True),
    ]
    assert supervise(specs, tmp_path) == 0


def test_parameters_reach_a_node_as_a_file(tmp_path: Path) -> None:
    spec = python(
        "node",
        "import sys; print(*sys.argv[1:])",
        ros_arguments=("-r", "__node:=n"),
        ros_parameters=({"seed": 3, "hand": "leap"},),
    )
    supervise([spec], tmp_path)
    words = (tmp_path / "node.log").read_text().split()
    assert words[:4] == ["--ros-args", "-r", "__node:=n", "--params-file"]
    values = yaml.safe_load(Path(words[4]).read_text())
    assert values == {"/**": {"ros__parameters": {"seed": 3, "hand": "leap"}}}


def launch_patient(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """`dexgrasp launch` with one patient process, and that process's id."""
    script = folder / "patient.py"
    script.write_text(PATIENT)
    file = folder / "some.launch.xml"
    file.write_text(
        f'<launch><executable cmd="{sys.executable} {script}" output="screen"/></launch>'
    )
    launcher = subprocess.Popen(
        [sys.executable, "-m", "dexgrasp", "launch", str(file), "--logs", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert launcher.stdout is not None
    while "ready" not in (line := launcher.stdout.readline()):
        assert line, "the launch ended before its process was ready"
    return launcher, int(line.split()[-1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all(tmp_path: Path, number: signal.Signals) -> None:
    launcher, child = launch_patient(tmp_path)
    launcher.send_signal(number)
    assert launcher.wait(timeout=10) == 128 + number
    assert not _runs(child)


def test_children_follow_a_killed_launcher(tmp_path: Path) -> None:
    launcher, child = launch_patient(tmp_path)
    launcher.kill()
    launcher.wait()
    deadline = time.monotonic() + 5.0
    while _runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Whether a process exists that is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_command_line(tmp_path: Path) -> None:
    file = tmp_path / "some.launch.xml"
    file.write_text('<launch><arg name="hand" description="which hand"/></launch>')
    shown = CliRunner().invoke(app, ["launch", str(file), "--show-args"])
    assert shown.exit_code == 0
    assert "hand" in shown.output
    assert "required" in shown.output
    for arguments, words in (
        ([str(file), "hand=leap"], "'hand=leap' is no argument of a launch file"),
        (["absent.launch.xml"], "unknown launch file 'absent.launch.xml'; known: "),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "dexgrasp", "launch", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert words in done.stderr
