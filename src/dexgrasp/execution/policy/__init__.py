"""Learned policies from ONNX files, as controllers of the executor: docs/policies.md."""

from dexgrasp.execution.policy.controller import Failure, PolicyController
from dexgrasp.execution.policy.inputs import PolicyInputs
from dexgrasp.execution.policy.manifest import PolicyManifest, policy_names, read_manifest
from dexgrasp.execution.policy.network import Network, OnnxNetwork

__all__ = [
    "Failure",
    "Network",
    "OnnxNetwork",
    "PolicyController",
    "PolicyInputs",
    "PolicyManifest",
    "policy_names",
    "read_manifest",
]
