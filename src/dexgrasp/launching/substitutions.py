"""The `$(...)` of launch files, those that this project's files use.

Grammar and meaning are those of ros2/launch (`launch/frontend`): arguments are separated by
blanks, may be quoted and may hold substitutions; a backslash keeps the next character.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dexgrasp.launching.errors import LaunchError
from dexgrasp.launching.packages import package_prefix, package_share

TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Scope:
    """What substitutions may read.

    variables: launch arguments and `let` values.
    environment: as the children would see it.
    file: the launch file.
    """

    variables: Mapping[str, str]
    environment: Mapping[str, str]
    file: Path


def truth(text: str) -> bool:
    """The value of a condition. Raises LaunchError unless it is true, false, 1 or 0."""
    if text.strip().lower() not in TRUTH:
        raise LaunchError(f"'{text}' is no condition; allowed: true, false, 1, 0")
    return TRUTH[text.strip().lower()]


def substitute(text: str, scope: Scope) -> str:
    """`text` with every `$(...)` replaced. Raises LaunchError."""
    return _Reader(text, scope).read_until("")


class _Reader:
    """Recursive descent over one attribute."""

    def __init__(self, text: str, scope: Scope) -> None:
        self._text = text
        self._scope = scope
        self._at = 0

    def read_until(self, stops: str) -> str:
        """Text up to a character of `stops`, or to the end when there is none."""
        out: list[str] = []
        while self._at < len(self._text) and self._text[self._at] not in stops:
            if self._text.startswith("$(", self._at):
                self._at += 2
                out.append(self._call())
            else:
                self._at += self._text[self._at] == "\\" and self._at + 1 < len(self._text)
                out.append(self._text[self._at])
                self._at += 1
        return "".join(out)

    def _call(self) -> str:
        words: list[str] = []
        while True:
            while self._peek().isspace():
                self._at += 1
            if self._peek() == ")":
                self._at += 1
                return _evaluate(words, self._scope)
            if not self._peek():
                raise LaunchError(f"'{self._text}' has a $( without its )")
            words.append(self._word())

    def _word(self) -> str:
        quote = self._peek()
        if quote not in "'\"":
            return self.read_until(") \t\n")
        self._at += 1
        word = self.read_until(quote)
        if not self._peek():
            raise LaunchError(f"'{self._text}' has an unfinished quote")
        self._at += 1
        return word

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]


def _variable(scope: Scope, name: str) -> str:
    if name not in scope.variables:
        known = ", ".join(sorted(scope.variables)) or "none"
        raise LaunchError(f"unknown variable '{name}'; known here: {known}")
    return scope.variables[name]


def _environment(scope: Scope, name: str, default: str | None = None) -> str:
    value = scope.environment.get(name, default)
    if value is None:
        raise LaunchError(f"environment variable '{name}' is not set and has no default")
    return value


def _logical(value: bool) -> str:
    return "true" if value else "false"


FUNCTIONS: dict[str, tuple[Callable[..., str], range]] = {
    "var": (_variable, range(1, 2)),
    "env": (_environment, range(1, 3)),
    "find-pkg-share": (lambda _, package: str(package_share(package)), range(1, 2)),
    "find-pkg-prefix": (lambda _, package: str(package_prefix(package)), range(1, 2)),
    "dirname": (lambda scope: str(scope.file.parent), range(1)),
    "not": (lambda _, a: _logical(not truth(a)), range(1, 2)),
    "and": (lambda _, a, b: _logical(truth(a) and truth(b)), range(2, 3)),
    "or": (lambda _, a, b: _logical(truth(a) or truth(b)), range(2, 3)),
    "equals": (lambda _, a, b: _logical(a == b), range(2, 3)),
    "not-equals": (lambda _, a, b: _logical(a != b), range(2, 3)),
}


def _evaluate(words: list[str], scope: Scope) -> str:
    name, *arguments = words or [""]
    if name not in FUNCTIONS:
        raise LaunchError(f"unknown substitution '$({name})'; known: {', '.join(FUNCTIONS)}")
    function, counts = FUNCTIONS[name]
    if len(arguments) not in counts:
        wanted = " or ".join(map(str, counts))
        raise LaunchError(f"$({name}) takes {wanted} arguments; given {len(arguments)}")
    return function(scope, *arguments)
