"""The task for reinforcement learning: tests/isaaclab runs where torch is, in IsaacLab's Python."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dexgrasp.config import resource_root
from dexgrasp.simulation.isaaclab.client import FOREIGN

ROOT = resource_root()
PYTHON = ROOT / ".venv-isaaclab" / "bin" / "python"
FOLDER = Path(__file__).parents[1] / "isaaclab"

pytestmark = [
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-isaaclab: run `make isaaclab`"),
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # a first start compiles kernels for minutes
]


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("test_*.py")))
def test_in_the_environment_of_isaaclab(name: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    environment["PYTHONPATH"] = str(ROOT / "src")
    # The tests' common settings need hypothesis, which is not there.
    command = [PYTHON, "-m", "pytest", "-q", f"--confcutdir={FOLDER}", FOLDER / name]
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, f"{ended.stdout[-6000:]}\n{ended.stderr[-2000:]}"
