"""What a controller is given: the phase machine's targets, and what it knows of the grip."""

from __future__ import annotations

from dataclasses import dataclass

from dexgrasp.execution.sensing import Felt
from dexgrasp.types import Array, Command


@dataclass
class Wanted(Command):
    """The phase machine's targets.

    felt: what the fingers feel now.  tightening: (N, F) times the planned squeeze, above 1 after
    a slip; `joint_position` has it already.
    """

    felt: Felt
    tightening: Array
