"""A policy that does not fit is refused with the reason, before anything moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from policies import HAND, J, constant, counter, linear, values, written

from dexgrasp.errors import ConfigError
from dexgrasp.execution import ExecutionConfig
from dexgrasp.execution.control import make_controller
from dexgrasp.execution.policy import OnnxNetwork, PolicyController, policy_names, read_manifest
from dexgrasp.execution.policy.terms import TERMS
from dexgrasp.hands import HandModel, hand_names


def refused(path: Path, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        PolicyController.load(str(path), HAND, 1)


def term(**changes: Any) -> dict[str, Any]:
    return {"terms": [{"name": "joint_position", "size": J, "unit": "rad"} | changes]}


def action(**changes: Any) -> dict[str, Any]:
    return values()["action"] | changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"observation": term(name="mood")}, "unknown term 'mood'; known: joint_position"),
        ({"observation": term(unit="deg")}, "joint_position is in rad, not in deg"),
        ({"observation": term(size=J + 1)}, f"has {J} entries on allegro_right; the manifest says"),
        ({"observation": term(mean=[0.0] * 3)}, f"mean of joint_position has 3 entries.* or {J}"),
        ({"observation": term(scale=0.0)}, "scale of joint_position must be positive"),
        ({"observation": {"terms": []}}, "observation.terms"),
        ({"action": action(lower=2.0)}, "lower must be below upper"),
        ({"action": action(upper=[2.0] * 5)}, f"action upper has 5 entries; allowed: one, or {J}"),
        ({"action": action(unit="deg")}, "action.unit"),
        ({"action": action(upper=float("inf"))}, "action.upper"),
        ({"phases": ["SLEEP"]}, "unknown phase 'SLEEP'; known: APPROACH, COVER"),
        ({"hand": "leap_right"}, "the policy is for hand 'leap_right', not for 'allegro_right'"),
        ({"joints": ["elbow", *HAND.joint_names[1:]]}, "allegro_right has no joint 'elbow'; known"),
        ({"joints": [*HAND.joint_names[:-1], HAND.joint_names[0]]}, "each once"),
        ({"model": "../fake.onnx"}, "must be the name of a file beside the manifest"),
        ({"model": "other.onnx"}, "cannot be read"),
        ({"rate": 0.0}, "rate"),
        ({"sha256": "0" * 64}, "is not the file of its manifest"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_manifests_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    refused(written(tmp_path, constant(0.0), **changes), words)


def test_sizes_are_checked_against_the_graph(tmp_path: Path) -> None:
    refused(written(tmp_path, constant(0.0, inputs=J + 2)), rf"'obs' .* says \(n, {J}\)")
    narrow = linear(np.zeros((J, 3)), np.zeros(3))
    refused(written(tmp_path, narrow), rf"'actions' .* says \(n, {J}\)")


def test_names_are_checked_against_the_graph(tmp_path: Path) -> None:
    observation = values()["observation"] | {"input": "state"}
    refused(written(tmp_path, constant(0.0), observation=observation), "the manifest names")
    refused(written(tmp_path, constant(0.0), action=action(output="a")), "has no output 'a'")
    refused(written(tmp_path, constant(0.0), recurrent={"h_in": "h_out"}), "the manifest names")
    refused(written(tmp_path, counter(J)), "the manifest names")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_model_is_refused(tmp_path: Path, share: float) -> None:
    content = constant(0.0).SerializeToString()
    cut = content[: int(share * len(content))]
    refused(written(tmp_path, cut), "fake.onnx")


def test_a_hostile_model_is_refused(tmp_path: Path) -> None:
    refused(written(tmp_path, b"\x80\x04cos\nsystem\n(S'true'\ntR."), "is no usable ONNX model")
    model = constant(0.0)
    model.graph.node[0].op_type = "Exec"
    refused(written(tmp_path, model), "is no usable ONNX model")


def test_weights_outside_of_the_file_are_refused(tmp_path: Path) -> None:
    model = constant(0.0)
    tensor = model.graph.initializer[0]
    count = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "/etc/passwd"), ("length", str(count))):
        tensor.external_data.add(key=key, value=value)
    refused(written(tmp_path, model), "is no usable ONNX model")


def test_names_of_policies(tmp_path: Path) -> None:
    config = ExecutionConfig.load()
    with pytest.raises(ConfigError, match=r"no policy 'oracle'; shipped: .*; or give the path"):
        make_controller("policy:oracle", HAND, config, 1)
    with pytest.raises(ConfigError, match="there is no policy manifest"):
        make_controller(f"policy:{tmp_path}/absent.yaml", HAND, config, 1)
    path = written(tmp_path, constant(0.0))
    assert isinstance(make_controller(f"policy:{path}", HAND, config, 2), PolicyController)


@pytest.mark.parametrize("hand", hand_names())
@pytest.mark.parametrize("name", policy_names())
def test_shipped_policies_load_and_are_small(name: str, hand: str) -> None:
    controller = PolicyController.load(name, HandModel.load(hand), 3)
    assert controller.feels
    folder = Path(__file__).parents[2] / "config" / "policies" / name
    assert (folder / f"{hand}.onnx").stat().st_size < 2**20
    seen = {t.name for t in read_manifest(folder / f"{hand}.yaml").observation.terms}
    assert "cloud_features" in seen
    assert not seen & {"finger_force", "phase", "time_in_phase"}  # nothing that forces decide


def test_every_term_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
    assert [name for name in TERMS if f"`{name}`" not in text] == []


def test_a_graph_of_one_world_runs_several(tmp_path: Path) -> None:
    path = written(tmp_path, linear(np.eye(J), np.zeros(J), batch=1))
    network = OnnxNetwork(tmp_path / "fake.onnx", read_manifest(path))
    inputs = np.random.default_rng(0).normal(size=(3, J)).astype(np.float32)
    np.testing.assert_allclose(network.run(inputs, ())[0], inputs, atol=1e-6)


def test_the_manifest_is_plain_yaml(tmp_path: Path) -> None:
    path = written(tmp_path, constant(0.0))
    assert read_manifest(path).joints == HAND.joint_names
    path.write_text(yaml.dump(path))  # an object of Python, as yaml.unsafe_load would build it
    refused(path, "cannot be read")
