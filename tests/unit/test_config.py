"""Strict YAML: whatever is wrong is named, with the file and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import ConfigError


class Inner(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    gain: float


class Outer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    inner: Inner


def write(folder: Path, text: str) -> Path:
    file = folder / "some.yaml"
    file.write_text(text)
    return file


def test_reads_a_valid_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "name: a\ninner: {gain: 2}"), Outer)
    assert config == Outer(name="a", inner=Inner(gain=2.0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: a\ninner: {gain: 2}\nspeed: 1", ["unknown key 'speed'", "name, inner"]),
        ("name: a\ninner: {gain: 2, gian: 3}", ["unknown key 'inner.gian'"]),
        ("name: a", ["inner", "required"]),
        ("name: a\ninner: {gain: fast}", ["inner.gain", "number"]),
        ("name: [", ["cannot be read"]),
        ("", ["file"]),
    ],
)
def test_names_the_fault_and_the_file(tmp_path: Path, text: str, words: list[str]) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(file, Outer)
    for word in [str(file), *words]:
        assert word in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml cannot be read"):
        load_config(tmp_path / "absent.yaml", Outer)


def test_resources_come_from_the_root_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEXGRASP_ROOT", str(tmp_path))
    (tmp_path / "config").mkdir()
    assert resource_path("config") == tmp_path / "config"
    with pytest.raises(ConfigError, match="config/hands is missing under"):
        resource_path("config", "hands")


def test_the_repository_serves_an_editable_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEXGRASP_ROOT", raising=False)
    assert resource_path("config", "hands").is_dir()
