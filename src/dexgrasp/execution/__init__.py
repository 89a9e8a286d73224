"""The phase machine, its limits and its configuration."""

from dexgrasp.execution.config import ExecutionConfig
from dexgrasp.execution.executor import GraspExecutor
from dexgrasp.execution.phases import Fault, Phase, fault_words

__all__ = ["ExecutionConfig", "Fault", "GraspExecutor", "Phase", "fault_words"]
