"""The errors of the library: each says what was given, what is allowed and what to do."""

from __future__ import annotations

from collections.abc import Iterable


class DexgraspError(Exception):
    """Base of every error raised on purpose by this library.

    Attributes:
        code: the number that ROS actions report for this kind of fault
            (constants of the same names in `dexgrasp_interfaces/msg/ErrorCode`).
    """

    code: int = 1


class UnknownNameError(DexgraspError):
    """A name that the catalogue does not hold; the message lists the known ones."""

    code = 10

    def __init__(self, kind: str, given: object, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {given!r}; known: {', '.join(sorted(known))}")


class ConfigError(DexgraspError):
    """A configuration file that is missing, malformed or holds an unknown key."""

    code = 11


class MeshError(DexgraspError):
    """A mesh that is empty, open, flipped or in the wrong unit."""

    code = 12


class SceneError(DexgraspError):
    """A depth image or a cloud in which nothing can be perceived."""

    code = 20


class NoGraspError(DexgraspError):
    """No grasp exists for the given geometry; the message says what ruled them out."""

    code = 30


class GraspError(DexgraspError):
    """A grasp that cannot be used: wrong joint count, NaN, not a rotation."""

    code = 31


class ExecutionError(DexgraspError):
    """A phase that failed or ran out of time."""

    code = 40


class BackendError(DexgraspError):
    """A simulator or hand that cannot start or broke a promise of its protocol."""

    code = 50


class SafetyError(DexgraspError):
    """Commands that the safety limits refused."""

    code = 69


class EmergencyStopError(SafetyError):
    """A goal while the emergency stop is latched; only an explicit reset releases it."""

    code = 68
