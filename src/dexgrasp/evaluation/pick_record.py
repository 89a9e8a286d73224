"""What is kept of a pick and its attempts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from dexgrasp.evaluation.plausibility import Plausibility
from dexgrasp.evaluation.simulation import SimulationVerdict
from dexgrasp.execution import Phase


@dataclass
class Attempt:
    """One grasp of a pick. Times in seconds of wall clock.

    phase: reached last, or DONE.  error_code, error_msg: why the attempt ended, 0 and empty
    when the robot had nothing to complain of.  known: the grasp came from the set of an
    earlier attempt, because the object had not moved.  drift [m], turn [rad]: of the object
    in the hand from the full grasp to the end of the hold; NaN: it was never lifted.
    interventions: control steps in which the safety limits changed the command.
    fallback: why a policy was replaced by the phase machine's own targets, if it was.
    """

    phase: str = Phase.IDLE.name
    error_code: int = 0
    error_msg: str = ""
    grasp_kind: str = ""
    grasp_score: float = 0.0
    known: bool = False
    simulation: SimulationVerdict | None = None
    plausibility: Plausibility | None = None
    drift: float = float("nan")
    turn: float = float("nan")
    slipped: bool = False
    interventions: int = 0
    fallback: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """Whether the object was lifted and held, and no fault ended the attempt."""
        held = self.simulation is not None and self.simulation.success
        return held and self.error_code == 0

    def fail(self, code: int, words: str) -> None:
        """Note why the attempt ended."""
        self.error_code, self.error_msg = int(code), words


@dataclass
class PickRecord:
    """One trial as it goes into tables and reports; its figures are those of the last attempt."""

    object: str
    hand: str
    seed: int
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def last(self) -> Attempt:
        """The attempt that decided; an empty one before the first."""
        return self.attempts[-1] if self.attempts else Attempt()

    @property
    def success(self) -> bool:
        """Whether the last attempt succeeded."""
        return self.last.success

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        attempts = [asdict(a) | {"success": a.success} for a in self.attempts]
        return {**asdict(self), "attempts": attempts, "success": self.success}
