"""The manifest beside a policy's ONNX file: what goes in, what comes out, and where it acts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import ConfigError
from dexgrasp.execution.phases import FINISHED, Phase
from dexgrasp.execution.policy.terms import TERMS
from dexgrasp.hands import HandModel
from dexgrasp.types import Array

ACTING = tuple(phase.name for phase in Phase if phase not in FINISHED)
STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _numbers(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
    if isinstance(value, tuple) and not value:
        raise ValueError("an empty list")
    return value


Numbers = Annotated[float | tuple[float, ...], AfterValidator(_numbers)]
"""One for all entries, or one for each."""


class TermLayout(BaseModel):
    """One term of the observation: the network gets (value - mean) / scale, within +- clip.

    name, size, unit: of `terms.TERMS`, written down so that a change of either is noticed.
    """

    model_config = STRICT

    name: str
    size: int = Field(gt=0)
    unit: str
    mean: Numbers = 0.0
    scale: Numbers = 1.0
    clip: float | None = Field(default=None, gt=0.0)

    @model_validator(mode="after")
    def _known(self) -> TermLayout:
        if self.name not in TERMS:
            raise ValueError(f"unknown term {self.name!r}; known: {', '.join(TERMS)}")
        if self.unit != TERMS[self.name].unit:
            raise ValueError(f"{self.name} is in {TERMS[self.name].unit}, not in {self.unit}")
        for label in ("mean", "scale"):
            check_length(f"{label} of {self.name}", getattr(self, label), self.size)
        if np.any(np.asarray(self.scale) <= 0.0):
            raise ValueError(f"scale of {self.name} must be positive")
        return self


class ObservationLayout(BaseModel):
    """The network's input: its name in the graph, and the terms one after the other."""

    model_config = STRICT

    input: str = "obs"
    terms: tuple[TermLayout, ...] = Field(min_length=1)

    @property
    def size(self) -> int:
        """Entries of all terms together."""
        return sum(term.size for term in self.terms)


class ActionLayout(BaseModel):
    """The network's output a, one entry for each joint: the value offset + scale a [rad].

    kind: the value itself is commanded (`absolute`), or it changes what was commanded
    (`delta`).  lower, upper: of the value; one beyond ends the policy's part in an attempt.
    """

    model_config = STRICT

    output: str = "actions"
    kind: Literal["absolute", "delta"]
    unit: Literal["rad"]
    scale: Numbers = 1.0
    offset: Numbers = 0.0
    lower: Numbers
    upper: Numbers

    @model_validator(mode="after")
    def _ordered(self) -> ActionLayout:
        if np.ndim(self.lower) == np.ndim(self.upper) and np.shape(self.lower) != np.shape(
            self.upper
        ):
            raise ValueError("lower and upper have different lengths")
        if np.any(np.asarray(self.lower) >= np.asarray(self.upper)):
            raise ValueError("lower must be below upper")
        return self


class PolicyManifest(BaseModel):
    """Everything that the executor must know of a policy; docs/policies.md explains the keys.

    model: file beside this one, whose content has this sha256.  mode: `full`, the value is the
    joint target, or `residual`, it is added to the phase machine's.  phases: where it acts.
    feels: whether a touch ends the motions of the phase machine beside it, as `reactive` has it.
    rate: of inference [Hz].  joints: the order of all entries of joints.  recurrent: state
    inputs of the graph, and the outputs that they come from.  training: free words and figures.
    """

    model_config = STRICT

    model: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    hand: str
    mode: Literal["full", "residual"]
    phases: tuple[str, ...] = Field(min_length=1)
    feels: bool = True
    rate: float = Field(gt=0.0, le=1000.0)
    joints: tuple[str, ...]
    observation: ObservationLayout
    action: ActionLayout
    recurrent: dict[str, str] = {}
    training: dict[str, Any] = {}

    @model_validator(mode="after")
    def _consistent(self) -> PolicyManifest:
        unknown = [name for name in self.phases if name not in ACTING]
        if unknown:
            raise ValueError(f"unknown phase {unknown[0]!r}; known: {', '.join(ACTING)}")
        if Path(self.model).name != self.model:
            raise ValueError(f"model {self.model!r} must be the name of a file beside the manifest")
        for label in ("scale", "offset", "lower", "upper"):
            check_length(f"action {label}", getattr(self.action, label), len(self.joints))
        return self

    @property
    def period(self) -> float:
        """Between two inferences, and what one may take [s]."""
        return 1.0 / self.rate

    def joint_index(self, hand: HandModel) -> Array:
        """(J,) canonical index of each joint of `joints`. Raises ConfigError for other joints."""
        unknown = [name for name in self.joints if name not in hand.joint_names]
        if unknown:
            known = ", ".join(hand.joint_names)
            raise ConfigError(f"{hand.name} has no joint {unknown[0]!r}; known: {known}")
        if sorted(self.joints) != sorted(hand.joint_names):
            raise ConfigError(
                f"the policy's {len(self.joints)} joints must be the {hand.joint_count} of "
                f"{hand.name}, each once"
            )
        return np.array([hand.joint_names.index(name) for name in self.joints])

    def check_hand(self, hand: HandModel) -> None:
        """Raise ConfigError unless hand, joints and sizes of terms are those of `hand`."""
        if self.hand != hand.name:
            raise ConfigError(f"the policy is for hand {self.hand!r}, not for {hand.name!r}")
        self.joint_index(hand)
        for term in self.observation.terms:
            size = TERMS[term.name].size(hand)
            if term.size != size:
                raise ConfigError(
                    f"the term {term.name} has {size} entries on {hand.name}; the manifest says "
                    f"{term.size}"
                )


def check_length(what: str, value: float | tuple[float, ...], size: int) -> None:
    """Raise ValueError unless `value` is one number or has `size` of them."""
    if isinstance(value, tuple) and len(value) != size:
        raise ValueError(f"{what} has {len(value)} entries; allowed: one, or {size}")


def manifest_path(name: str, hand: str) -> Path:
    """The manifest of a shipped policy (a folder of config/policies) or of a YAML anywhere.

    Raises ConfigError where there is none.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"there is no policy manifest {path}")
        return path
    known = policy_names()
    if name not in known:
        words = f"shipped: {', '.join(known) or 'none'}; or give the path of a manifest"
        raise ConfigError(f"there is no policy {name!r}; {words}")
    path = resource_path("config", "policies", name) / f"{hand}.yaml"
    if not path.is_file():
        raise ConfigError(f"the policy {name!r} has no manifest for {hand!r}: {path}")
    return path


def policy_names() -> list[str]:
    """Names of the shipped policies: the folders of `config/policies` that hold a manifest."""
    manifests = resource_path("config").glob("policies/*/*.yaml")
    return sorted({path.parent.name for path in manifests})


def read_manifest(path: Path) -> PolicyManifest:
    """A checked manifest. Raises ConfigError naming file, key and remedy."""
    return load_config(path, PolicyManifest)
