"""From a network's answer to joint targets: the same in training and in the exported graph."""

from __future__ import annotations

import torch
from torch import Tensor

from dexgrasp.types import Array


class Fingers(torch.nn.Module):
    """Joint targets: a reference that closes by the clock, and the action's correction.

    The reference goes from the pregrasp to the squeeze between the times `closing`. An
    untrained policy so closes the hand as planned, and learning begins there (residual
    learning, section 5.4.5 of the survey).
    """

    def __init__(self, basis: Array, lower: Array, upper: Array, closing: tuple[float, float]):
        """basis: (A, J) [rad] of an action of one.  lower, upper: (J,).  closing: [s]."""
        super().__init__()
        for name, values in (("basis", basis), ("lower", lower), ("upper", upper)):
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32))
        self.closing = closing

    @property
    def size(self) -> int:
        """A, the number of actions."""
        return self.basis.shape[0]

    def reference(self, pregrasp: Tensor, squeeze: Tensor, time: Tensor) -> Tensor:
        """(n, J) [rad] of pregrasp and squeeze (n, J) at `time` (n, 1) [s]."""
        begin, end = self.closing
        share = torch.clamp((time - begin) / (end - begin), 0.0, 1.0)
        return pregrasp + share * (squeeze - pregrasp)

    def wanted(self, action: Tensor, pregrasp: Tensor, squeeze: Tensor, time: Tensor) -> Tensor:
        """(n, J) [rad], not yet within the limits; actions (n, A) count within +-1."""
        correction = torch.clamp(action, -1.0, 1.0) @ self.basis
        return self.reference(pregrasp, squeeze, time) + correction

    def forward(self, action: Tensor, pregrasp: Tensor, squeeze: Tensor, time: Tensor) -> Tensor:
        """(n, J) [rad] within the limits. Arguments as `wanted`."""
        asked = self.wanted(action, pregrasp, squeeze, time)
        return torch.minimum(torch.maximum(asked, self.lower), self.upper)
