"""What Newton, IsaacLab's physics, reads from our USD: MuJoCo's figures."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object
from dexgrasp.simulation import SimulationConfig
from dexgrasp.simulation.scene import PALM_BODY, build_model, object_body
from dexgrasp.types import ObjectPlacement

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-isaaclab" / "bin" / "python"
READER = Path(__file__).with_name("newton_reads.py")

pytest.importorskip("pxr", reason="the extra 'usd' is not installed")
from dexgrasp.simulation.usd_assets import hand_usd, object_usd, prim_path  # noqa: E402

pytestmark = [
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-isaaclab: run `make isaaclab`"),
    pytest.mark.slow,
]


def newton_reads(path: Path) -> dict:
    # What setup.bash puts on PYTHONPATH is for another Python.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [PYTHON, READER, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=own)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def assert_body(seen: dict, model, name: str) -> None:
    body = model.body(name)
    assert seen["mass"] == pytest.approx(body.mass[0], rel=1e-5)
    np.testing.assert_allclose(seen["com"], body.ipos, atol=1e-6)
    principal = np.sort(np.linalg.eigvalsh(seen["inertia"]))
    np.testing.assert_allclose(principal, np.sort(body.inertia), rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("name", ["allegro_right", "leap_right"])
def test_a_hand(name: str, tmp_path) -> None:
    hand = HandModel.load(name)
    model = build_model(hand, [], SimulationConfig.load())
    seen = newton_reads(hand_usd(hand, tmp_path))
    spelt = {name: prim_path(name)[1:] for name in hand.joint_names}
    assert set(seen["joints"]) == set(spelt.values())
    for index, link in enumerate(hand.links):
        read = seen["bodies"][prim_path(link.name)[1:]]
        assert_body(read, model, PALM_BODY if index == 0 else link.name)
    for j, joint in enumerate(hand.joint_names):
        wanted = {
            "armature": hand.armature[j], "friction": hand.joint_friction[j],
            "stiffness": hand.stiffness[j], "damping": hand.damping[j],
            "effort": hand.effort_limit[j],
            "lower": hand.joint_lower[j], "upper": hand.joint_upper[j],
        }  # fmt: skip
        assert seen["joints"][spelt[joint]] == pytest.approx(wanted, rel=1e-4, abs=1e-6), joint


def test_an_object(tmp_path) -> None:
    mug = load_object("mug")
    placement = ObjectPlacement(mug, mug.T_table_object)
    model = build_model(HandModel.load("leap_right"), [placement], SimulationConfig.load())
    seen = newton_reads(object_usd(mug, tmp_path))
    assert_body(seen["bodies"][prim_path(mug.name)[1:]], model, object_body(0))
    assert set(np.round(seen["friction"], 5)) >= {round(mug.friction, 5)}
