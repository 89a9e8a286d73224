"""From large, light and rough objects to small, heavy and slippery ones, as success allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dexgrasp.objects import ObjectModel

LOADS = ((0.7, 1.3), (1.0, 1.0), (1.5, 0.7))  # factors of an object's own mass and friction


@dataclass(frozen=True)
class Stage:
    """What is grasped at one level: the index of the object, and factors of its own figures."""

    index: int
    mass: float
    friction: float


def stages(models: Sequence[ObjectModel]) -> list[Stage]:
    """All objects from the largest to the smallest, with each load in turn; the easiest first."""
    sizes = [float(model.mesh.extents.prod()) for model in models]
    order = sorted(range(len(models)), key=lambda i: -sizes[i])
    return [Stage(index, mass, friction) for mass, friction in LOADS for index in order]


def advanced(level: Tensor, success: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """(k,) levels after an episode: one up after a success, one down after a failure.

    Whoever succeeds at the last of `count` gets one at random, so that none is forgotten
    (Rudin et al., Learning to Walk in Minutes, CoRL 2021).
    level: (k,) integers.  success: (k,) bool.
    """
    after = torch.clamp(level + torch.where(success, 1, -1), min=0)
    anywhere = torch.randint(count, after.shape, generator=rng, device=after.device)
    return torch.where(after >= count, anywhere.to(after.dtype), after)
