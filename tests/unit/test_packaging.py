"""Versions, pins and packages agree with each other."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = sorted((ROOT / "ros2_ws" / "src").glob("*/package.xml"))


@pytest.mark.parametrize("file", PACKAGES, ids=lambda file: file.parent.name)
def test_ros_packages_have_the_library_s_version(file: Path) -> None:
    root = ElementTree.parse(file).getroot()
    assert root.findtext("version") == PROJECT["version"]
    assert root.findtext("name") == file.parent.name
    assert root.findtext("license") == PROJECT["license"]


def test_every_dependency_is_pinned() -> None:
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    assert [w for w in wanted if not re.fullmatch(r"[\w-]+==[\d.]+", w)] == []


def test_the_dockerfile_copies_only_files_that_exist() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    sources = [m.split()[0] for m in re.findall(r"^COPY (.+)$", text, re.MULTILINE)]
    assert sources
    assert [s for s in sources if not (ROOT / s).exists()] == []


def test_compose_builds_the_dockerfile() -> None:
    folder = ROOT / "docker"
    build = yaml.safe_load((folder / "compose.yaml").read_text())["services"]["dexgrasp"]["build"]
    assert (folder / build["context"] / build["dockerfile"]).resolve() == folder / "Dockerfile"


@pytest.mark.parametrize("script", [".ci/run", "docker/entrypoint.sh"])
def test_scripts_are_executable_bash(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", ROOT / script], check=True)
