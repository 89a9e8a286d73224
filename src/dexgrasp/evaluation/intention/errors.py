"""The faults of intention judges."""

from __future__ import annotations

from dexgrasp.errors import BackendError


class JudgeError(BackendError):
    """A judge that cannot answer: no picture, an unreachable endpoint, a useless reply."""


class AnswerError(JudgeError):
    """A reply that is not what the schema asks for; the message quotes it."""


class BudgetError(JudgeError):
    """The limit of requests, tokens or cost of this run is reached; nothing was sent."""
