"""What the set-up of IsaacLab decides: which Python, how much disk, which packages."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest
import setup_isaaclab
from environment import interpreter
from environment.interpreter import Interpreter, python_312
from environment.layout import SetupError

Usage = namedtuple("Usage", "total used free")


def python(minor: int) -> Interpreter:
    return Interpreter(Path(f"/usr/bin/python3.{minor}"), (3, minor), Path("/absent"))


def test_it_takes_python_3_12(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "_candidates", lambda: iter([python(11), python(12)]))
    assert python_312() == python(12)


def test_without_python_3_12_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "_candidates", lambda: iter([python(11)]))
    with pytest.raises(SetupError, match=r"pyenv install 3\.12"):
        python_312()


def test_pyenv_is_searched_whatever_it_has_selected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = tmp_path / "versions" / "3.12.9" / "bin" / "python"
    version.parent.mkdir(parents=True)
    version.write_text("#!/bin/sh\nprintf '3\\n12\\n/opt/python\\n/opt/include\\n'\n")
    version.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert Path("/opt/python") in [found.executable for found in interpreter._candidates()]


def test_a_full_disk_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup_isaaclab.shutil, "disk_usage", lambda _: Usage(0, 0, int(3e9)))
    with pytest.raises(SetupError, match=r"16 GB of free disk while it is installed; .* has 3"):
        setup_isaaclab.check_space(tmp_path)


def test_packages_of_isaaclab_stay_as_they_are() -> None:
    pins = ["mujoco==4.0.0", "PyYAML==6.0.3", "typing_extensions==4.0", "xacro==2.1.1"]
    installed = ["mujoco", "pyyaml", "typing-extensions"]
    assert setup_isaaclab.missing(pins, installed) == ["xacro==2.1.1"]
